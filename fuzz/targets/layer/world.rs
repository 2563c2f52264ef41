//! The clock, its alarms, and the log.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{StatusCode, request};
use revio_status::Cooldown;

use super::{cooldown::Account, scene::AttemptScript, upload::Upload};

/// A log entry, in the order of causes.
#[derive(Debug)]
pub enum Event {
    /// The layer's future is polled.
    Polled,
    /// The future is pending: the budget's whole retries, and what is alive.
    Pending(Option<u32>, Held),
    /// The attempts that wait for more of the request body and were not woken.
    Waiting(Vec<u32>),
    /// The future returned its result.
    Finished,
    Ready {
        instance: usize,
        result: Step,
    },
    Called {
        instance: usize,
        head: Box<request::Parts>,
    },
    /// The status, or `None` for an error; and the end that a cool-down would get.
    Responded(Option<StatusCode>, Option<Duration>),
    /// An attempt polled its request body.
    Read {
        attempt: u32,
        result: Step,
    },
    /// The caller's body was polled.
    Given(Step),
    /// A response body was polled.
    Captured(Step),
    /// `is_end_stream` of a response body returned `true`.
    CaptureEnd,
    CaptureDropped,
    /// `on_event` got `RetryScheduled`; and the shortest and the longest of many delays that the
    /// policy draws for the same attempt, unless it is a closure.
    Scheduled(Duration, Option<(Duration, Duration)>),
    /// Other events that `on_event` got.
    CooldownStarted(StatusCode, Duration),
    Held(Duration),
    GivenUp,
    Slept(Duration),
    /// Another user extended the cool-down, or cleared it.
    Extended(StatusCode, Duration),
    Cleared,
    /// Another user got this response; and the end that the cool-down would get.
    OtherResponded(StatusCode, Option<Duration>),
    /// The closure was asked.
    Asked(Asked),
}

/// The attempt, as a policy sees it.
#[derive(Debug, PartialEq)]
pub struct Asked {
    pub number: u32,
    pub elapsed: Duration,
    pub remaining: Option<Duration>,
    pub wait: Option<Duration>,
    pub body: Bytes,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Pending,
    Data(Bytes),
    Trailers,
    Fail,
    /// The end of a body; a service is ready.
    Done,
}

/// How many permits, inner futures and response bodies are alive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    pub permits: usize,
    pub sends: usize,
    pub responses: usize,
}

/// Counts live values of one kind.
#[derive(Clone, Default)]
pub struct Count(Arc<()>);

impl Count {
    pub fn get(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

#[derive(Default)]
pub struct Counts {
    pub instances: Count,
    pub permits: Count,
    pub sends: Count,
    pub responses: Count,
    pub sleeps: Count,
    pub requests: Count,
    pub chunks: Count,
}

pub struct State {
    start: Instant,
    pub now: Duration,
    slop: Duration,
    alarms: Vec<(Duration, Waker)>,
    pub log: Vec<(Duration, Event)>,
    pub counts: Counts,
    pub account: Account,
    /// The scripts of the current job.
    pub scripts: Vec<AttemptScript>,
    pub calls: usize,
    pub instances: usize,
    pub ready_polls: usize,
    /// Uploads that go on after the response.
    pub leftovers: Vec<Upload>,
}

#[derive(Clone)]
pub struct World(Arc<Mutex<State>>);

impl World {
    pub fn new(slop: Duration, account: Account) -> Self {
        Self(Arc::new(Mutex::new(State {
            start: Instant::now(),
            now: Duration::ZERO,
            slop,
            account,
            alarms: Vec::new(),
            log: Vec::new(),
            counts: Counts::default(),
            scripts: Vec::new(),
            calls: 0,
            instances: 0,
            ready_polls: 0,
            leftovers: Vec::new(),
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic before this one")
    }

    pub fn log(&self, event: Event) {
        let mut state = self.state();
        let now = state.now;
        state.log.push((now, event));
    }

    /// Returns this time as an instant of the layer's clock.
    pub fn instant(&self, time: Duration) -> Instant {
        self.state().start + time
    }

    /// Returns this instant as a time of the layer's clock.
    pub fn time(&self, instant: Instant) -> Duration {
        let time = instant.checked_duration_since(self.state().start);
        time.expect("nothing is before the start")
    }

    /// Returns the end of a cool-down that lasts so long. Overflow means the latest end.
    pub fn end(&self, wait: Duration) -> Duration {
        let (start, now) = (self.instant(Duration::ZERO), self.state().now);
        if (start + now).checked_add(wait).is_some() {
            return self.rounded(now + wait);
        }
        let (cooldown, far) = (Cooldown::default(), Duration::from_secs(1 << 40));
        cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, start + far);
        let latest = cooldown.until().expect("started") - start;
        let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        assert!(latest > century, "the longest cool-down is {latest:?}");
        latest
    }

    /// A cool-down keeps instants to the microsecond, rounded up.
    pub fn rounded(&self, time: Duration) -> Duration {
        let (cooldown, exact) = (Cooldown::default(), self.instant(time));
        cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, exact);
        let until = cooldown.until().expect("active");
        let more = until.checked_duration_since(exact).expect("never early");
        assert!(more < Duration::from_micros(1), "{more:?} too long");
        time + more
    }

    /// Wakes after this time; at once if it is zero.
    pub fn pause(&self, time: Duration, cx: &Context<'_>) {
        if time.is_zero() {
            return cx.waker().wake_by_ref();
        }
        let mut state = self.state();
        let due = state.now + time;
        state.alarms.push((due, cx.waker().clone()));
    }

    /// Advances the clock to the next alarm and so much beyond. Returns `false` if there is no alarm.
    pub fn advance(&self, beyond: Duration) -> bool {
        let mut state = self.state();
        let Some(next) = state.alarms.iter().map(|alarm| alarm.0).min() else {
            return false;
        };
        state.now = state.now.max(next) + beyond;
        let now = state.now;
        let alarms = std::mem::take(&mut state.alarms);
        let (due, later) = alarms.into_iter().partition(|alarm| alarm.0 <= now);
        state.alarms = later;
        drop(state);
        let due: Vec<(Duration, Waker)> = due;
        due.into_iter().for_each(|alarm| alarm.1.wake());
        true
    }
}

/// Returns how much too early a sleep of this length ends.
pub fn early(slop: Duration, time: Duration) -> Duration {
    slop.min(time / 4)
}

impl State {
    /// Starts the next job, without the alarms of the last one.
    pub fn begin(&mut self, scripts: &[AttemptScript]) {
        self.scripts = scripts.to_vec();
        self.alarms.clear();
        self.log.clear();
        (self.calls, self.ready_polls) = (0, 0);
    }

    pub fn held(&self) -> Held {
        Held {
            permits: self.counts.permits.get(),
            sends: self.counts.sends.get(),
            responses: self.counts.responses.get(),
        }
    }
}

impl hyper::rt::Timer for World {
    fn sleep(&self, time: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let mut state = self.state();
        let now = state.now;
        state.log.push((now, Event::Slept(time)));
        let due = (now + time.min(Duration::from_secs(1 << 40))) - early(state.slop, time);
        let (world, live) = (self.clone(), state.counts.sleeps.clone());
        Box::pin(Sleep {
            world,
            due,
            _live: live,
        })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        let state = self.state();
        state.start + state.now
    }
}

struct Sleep {
    world: World,
    due: Duration,
    _live: Count,
}

impl hyper::rt::Sleep for Sleep {}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.world.state().now;
        if now >= self.due {
            return Poll::Ready(());
        }
        self.world.pause(self.due - now, cx);
        Poll::Pending
    }
}

/// A waker that remembers a wake-up.
pub struct Flag(AtomicBool);

impl Flag {
    /// Up at first: a new future needs a poll.
    pub fn up() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub fn take(&self) -> bool {
        self.0.swap(false, SeqCst)
    }

    pub fn is_up(&self) -> bool {
        self.0.load(SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}
