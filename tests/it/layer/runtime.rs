//! Any runtime: a hand-written timer, without tokio.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_executor::block_on;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::rt::{Sleep, Timer};
use revio_status::{
    Backoff, Budget, Error, ReplayBody, RevioStatusLayer, StandardPolicy, StopReason,
};
use tower::{Layer, Service, ServiceExt};

/// A clock that advances only by sleeping.
#[derive(Clone)]
struct Clock {
    state: Arc<Mutex<(Instant, Vec<Duration>)>>,
    /// The number of created sleeps.
    made: Arc<AtomicUsize>,
    /// The real duration of a sleep of this length. `Duration::MAX` never ends.
    takes: fn(Duration) -> Duration,
}

impl Clock {
    fn new() -> Self {
        Self::with(|duration| duration)
    }

    fn with(takes: fn(Duration) -> Duration) -> Self {
        let state = Arc::new(Mutex::new((Instant::now(), Vec::new())));
        let made = Arc::default();
        Self { state, made, takes }
    }

    fn sleeps(&self) -> Vec<Duration> {
        self.state.lock().expect("no panic").1.clone()
    }
}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.made.fetch_add(1, SeqCst);
        Box::pin(Nap {
            clock: self.clone(),
            duration,
            begun: false,
        })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline - self.now())
    }

    fn now(&self) -> Instant {
        self.state.lock().expect("no panic").0
    }
}

struct Nap {
    clock: Clock,
    duration: Duration,
    begun: bool,
}

impl Sleep for Nap {}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if (self.clock.takes)(self.duration) == Duration::MAX {
            return Poll::Pending;
        }
        if self.begun {
            let mut clock = self.clock.state.lock().expect("no panic");
            clock.0 += (self.clock.takes)(self.duration);
            clock.1.push(self.duration);
            return Poll::Ready(());
        }
        self.begun = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Returns 503 with these `Retry-After` values, then 200.
#[derive(Clone)]
struct Api(Arc<Mutex<Vec<&'static str>>>);

impl Service<Request<ReplayBody<Full<Bytes>>>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<ReplayBody<Full<Bytes>>>) -> Self::Future {
        let mut response = Response::new(Full::default());
        if let Some(seconds) = self.0.lock().expect("no panic").pop() {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
                .headers_mut()
                .insert("retry-after", http::HeaderValue::from_static(seconds));
        }
        ready(Ok(response))
    }
}

fn api(waits: &[&'static str]) -> Api {
    Api(Arc::new(Mutex::new(waits.iter().rev().copied().collect())))
}

fn layer(clock: &Clock) -> RevioStatusLayer {
    let policy = StandardPolicy::default().backoff(Backoff::none());
    RevioStatusLayer::with_timer(clock.clone()).policy(policy)
}

#[test]
fn layer_sleeps_on_given_timer() {
    let clock = Clock::new();
    let service = layer(&clock).layer(api(&["7", "11"]));
    let response = block_on(service.oneshot(Request::default())).expect("retried");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(clock.sleeps(), [7, 11].map(Duration::from_secs));
}

#[test]
fn deadline_uses_given_timer() {
    let clock = Clock::new();
    let service = layer(&clock)
        .time_limit(Duration::from_secs(18))
        .layer(api(&["7", "11"]));
    match block_on(service.oneshot(Request::default())) {
        Err(Error::Status(e)) => assert_eq!(e.stop_reason(), StopReason::DeadlineExceeded),
        other => panic!("{other:?}"),
    }
    assert_eq!(clock.sleeps(), [Duration::from_secs(7)]);
}

#[test]
fn zero_delay_makes_no_sleep() {
    let clock = Clock::new();
    let service = layer(&clock).layer(api(&["0", "0"]));
    block_on(service.oneshot(Request::default())).expect("retried");
    assert!(clock.sleeps().is_empty());
}

/// A service that is ready after this many polls.
#[derive(Clone)]
struct Slow(Api, u32);

impl Service<Request<ReplayBody<Full<Bytes>>>> for Slow {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self.1.checked_sub(1) {
            None => Poll::Ready(Ok(())),
            Some(left) => {
                self.1 = left;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn call(&mut self, request: Request<ReplayBody<Full<Bytes>>>) -> Self::Future {
        self.0.call(request)
    }
}

const ALARM: Duration = Duration::from_secs(60);

/// Promise (bounds): A sleep is created only for a real wait, and at most one more for a deadline.
///
/// One sleep for the delay, and one for the deadline if the service is not ready.
#[test]
fn deadline_sleep_is_only_for_unready() {
    for (polls, made) in [(0, 1), (1, 2), (5, 2)] {
        let clock = Clock::with(|duration| match duration >= ALARM {
            true => Duration::MAX,
            false => duration,
        });
        let service = layer(&clock).time_limit(2 * ALARM);
        let mut service = service.layer(Slow(api(&["7"]), polls));
        block_on(service.call(Request::default())).expect("retried");
        assert_eq!(clock.made.load(SeqCst), made, "ready after {polls} polls");
    }
}

/// Promise (bounds): A sleep is created only for a real wait, and at most one more for a deadline.
#[test]
fn zero_body_timeout_makes_no_sleep() {
    let clock = Clock::new();
    let silent = tower::service_fn(|_| {
        let body = futures_util::stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>();
        let mut response = Response::new(http_body_util::StreamBody::new(body));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        ready(Ok::<_, Infallible>(response))
    });
    let service = layer(&clock)
        .error_body_timeout(Duration::ZERO)
        .layer(silent);
    match block_on(service.oneshot(Request::<Full<Bytes>>::default())) {
        Err(Error::Status(e)) => assert!(e.is_body_truncated()),
        _ => panic!("not refused"),
    }
    assert_eq!(clock.made.load(SeqCst), 0);
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Promise (load): No attempt is sent before `Retry-After` is over, whatever the timer does.
#[test]
fn early_timer_sleeps_remaining_time() {
    let clock = Clock::with(|duration| duration.saturating_sub(ms(11)).max(ms(2)));
    let begun = clock.now();
    let service = layer(&clock).layer(api(&["2"]));
    block_on(service.oneshot(Request::default())).expect("retried");
    assert_eq!(clock.sleeps()[..2], [ms(2_000), ms(11)]);
    assert!(clock.now() - begun >= ms(2_000), "never before Retry-After");
}

#[test]
fn timer_with_frozen_clock_is_trusted() {
    let clock = Clock::with(|_| Duration::ZERO);
    let service = layer(&clock).layer(api(&["7", "11"]));
    block_on(service.oneshot(Request::default())).expect("retried");
    assert_eq!(clock.sleeps(), [7, 11].map(Duration::from_secs));
}

/// Promise (load): Nothing is sent at or after the deadline, and no wait starts that would end
/// there.
#[test]
fn late_timer_rechecks_deadline() {
    let clock = Clock::with(|duration| duration + ms(5_000));
    let budget = Budget::new(3, 0.0);
    let service = layer(&clock).time_limit(ms(4_000)).budget(budget.clone());
    match block_on(service.layer(api(&["2"])).oneshot(Request::default())) {
        Err(Error::Status(e)) => {
            assert_eq!(
                (e.attempts(), e.stop_reason()),
                (1, StopReason::DeadlineExceeded)
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(budget.available(), 3, "the withdrawal is returned");
}
