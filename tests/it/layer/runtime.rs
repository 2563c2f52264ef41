//! Any runtime: a timer written by hand, and no tokio anywhere.

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

/// A clock that stands still until somebody sleeps.
#[derive(Clone)]
struct Clock {
    state: Arc<Mutex<(Instant, Vec<Duration>)>>,
    /// How many sleeps were made, slept or not.
    made: Arc<AtomicUsize>,
    /// How long a sleep of this length really takes. One of all time is not waited for.
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

/// Answers 503 with these `Retry-After` values, then 200.
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
fn it_waits_on_the_timer_it_was_given() {
    let clock = Clock::new();
    let service = layer(&clock).layer(api(&["7", "11"]));
    let response = block_on(service.oneshot(Request::default())).expect("retried");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(clock.sleeps(), [7, 11].map(Duration::from_secs));
}

#[test]
fn the_deadline_is_measured_on_it() {
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
fn a_delay_of_zero_does_not_go_through_it() {
    let clock = Clock::new();
    let service = layer(&clock).layer(api(&["0", "0"]));
    block_on(service.oneshot(Request::default())).expect("retried");
    assert!(clock.sleeps().is_empty());
}

/// Is ready only when it was asked so often.
#[derive(Clone)]
struct Slow(Api, u32);

impl Service<Request<ReplayBody<Full<Bytes>>>> for Slow {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self.1.checked_sub(1) {
            None => Poll::Ready(Ok(())),
            Some(rest) => {
                self.1 = rest;
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
/// One sleep for the delay, and one for the deadline where the service has to be waited for.
#[test]
fn with_a_deadline_one_more_sleep_is_made_and_only_for_what_is_not_ready() {
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
fn for_no_time_at_all_no_sleep_is_made() {
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
fn a_timer_that_wakes_early_is_asked_for_the_rest() {
    let clock = Clock::with(|duration| duration.saturating_sub(ms(11)).max(ms(2)));
    let begun = clock.now();
    let service = layer(&clock).layer(api(&["2"]));
    block_on(service.oneshot(Request::default())).expect("retried");
    assert_eq!(clock.sleeps()[..2], [ms(2_000), ms(11)]);
    assert!(clock.now() - begun >= ms(2_000), "never before Retry-After");
}

#[test]
fn a_timer_on_another_clock_than_it_tells_is_believed() {
    let clock = Clock::with(|_| Duration::ZERO);
    let service = layer(&clock).layer(api(&["7", "11"]));
    block_on(service.oneshot(Request::default())).expect("retried");
    assert_eq!(clock.sleeps(), [7, 11].map(Duration::from_secs));
}

/// Promise (load): Nothing is sent at or after the deadline, and no wait starts that would end
/// there.
#[test]
fn the_deadline_is_looked_at_again_after_a_sleep_that_took_too_long() {
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
    assert_eq!(budget.available(), 3, "what was not sent is given back");
}
