//! The clock, who waits for it, and what happened when.

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

use super::{quiet::Account, scene::Answer, upload::Upload};

/// In the order in which it happens.
#[derive(Debug)]
pub enum Event {
    /// The layer's future is polled.
    Polled,
    /// It is pending; so many retries are in the budget, and this is held.
    Pending(Option<u32>, Held),
    /// At that time these attempts waited for more of the request's body, and were not woken.
    Waiting(Vec<u32>),
    /// It has returned its result.
    Finished,
    Ready {
        instance: usize,
        result: Step,
    },
    Called {
        instance: usize,
        head: Box<request::Parts>,
    },
    /// With this status, or an error; and until when that asks the account for quiet.
    Answered(Option<StatusCode>, Option<Duration>),
    /// An attempt read its request body.
    Read {
        attempt: u32,
        result: Step,
    },
    /// The caller's own body was asked for more, and said this.
    Given(Step),
    /// A response body was polled.
    Captured(Step),
    /// It is at its end, and says so unasked.
    CaptureEnd,
    CaptureDropped,
    /// A retry was told to the observer.
    Scheduled(Duration),
    Slept(Duration),
    /// Somebody else was told to be quiet until then, or lifted it.
    Begun(StatusCode, Duration),
    Ended,
    /// The policy was asked, if it is a closure.
    Asked(Asked),
}

/// What a policy is told.
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
    /// The end of a body; yes, of a service.
    Done,
}

/// What is alive of the inner service's things.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    pub permits: usize,
    pub sends: usize,
    pub responses: usize,
}

/// Counts what is alive of one sort.
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
    /// For the job on hand.
    pub answers: Vec<Answer>,
    pub calls: usize,
    pub instances: usize,
    pub ready_polls: usize,
    /// Request bodies that are read although the answer has come.
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
            answers: Vec::new(),
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

    /// What this time is on the layer's clock.
    pub fn instant(&self, time: Duration) -> Instant {
        self.state().start + time
    }

    /// A cool-down keeps instants to the microsecond, rounded up.
    pub fn rounded(&self, time: Duration) -> Duration {
        let (cooldown, exact) = (Cooldown::default(), self.instant(time));
        cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, exact);
        let until = cooldown.until().expect("armed");
        let more = until.checked_duration_since(exact).expect("never early");
        assert!(more < Duration::from_micros(1), "{more:?} too long");
        time + more
    }

    /// Pending until then. A pause of nothing wakes at once.
    pub fn pause(&self, time: Duration, cx: &Context<'_>) {
        if time.is_zero() {
            return cx.waker().wake_by_ref();
        }
        let mut state = self.state();
        let due = state.now + time;
        state.alarms.push((due, cx.waker().clone()));
    }

    /// Lets the clock go to the next alarm and so much beyond. False: nobody waits for anything.
    pub fn advance(&self, beyond: Duration) -> bool {
        let mut state = self.state();
        let Some(next) = state.alarms.iter().map(|alarm| alarm.0).min() else {
            return false;
        };
        state.now = state.now.max(next) + beyond;
        let now = state.now;
        let alarms = std::mem::take(&mut state.alarms);
        let (due, rest) = alarms.into_iter().partition(|alarm| alarm.0 <= now);
        state.alarms = rest;
        drop(state);
        let due: Vec<(Duration, Waker)> = due;
        due.into_iter().for_each(|alarm| alarm.1.wake());
        true
    }
}

/// A sleep of this length ends early by so much.
pub fn early(slop: Duration, time: Duration) -> Duration {
    slop.min(time / 4)
}

impl State {
    /// The next job: whoever waited for the last one is gone.
    pub fn begin(&mut self, answers: &[Answer]) {
        self.answers = answers.to_vec();
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

/// Remembers to have been woken.
pub struct Flag(AtomicBool);

impl Flag {
    /// Whoever is new wants to be polled.
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
