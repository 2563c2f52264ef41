//! The contract of `tower::Service`: `call` only after ready, and no permit held while waiting.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use crate::support::{self, Refused, get, hasty, layer, script::*};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use revio_status::{Budget, Cooldown, Error, StopReason};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};

const SECOND: Duration = Duration::from_secs(1);

/// A service that panics if it is called unready. A clone is not ready. Returns 503 `failures` times.
struct Strict {
    is_ready: bool,
    failures: Arc<AtomicU32>,
    instance: u32,
    called: Arc<std::sync::Mutex<Vec<u32>>>,
    clones: Arc<AtomicU32>,
}

impl Strict {
    fn new(failures: u32) -> Self {
        Self {
            is_ready: false,
            failures: Arc::new(failures.into()),
            instance: 0,
            called: Arc::default(),
            clones: Arc::default(),
        }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            is_ready: false,
            instance: self.clones.fetch_add(1, SeqCst) + 1,
            failures: self.failures.clone(),
            called: self.called.clone(),
            clones: self.clones.clone(),
        }
    }
}

impl<B> Service<Request<B>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.is_ready),
            "called without poll_ready"
        );
        self.called.lock().expect("no panic").push(self.instance);
        let mut response = Response::new(Full::default());
        let is_failure = self
            .failures
            .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
            .is_ok();
        if is_failure {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        ready(Ok(response))
    }
}

/// Promise (bounds): A service is called only when it is ready, the first time the very instance
/// that was ready.
#[tokio::test(start_paused = true)]
async fn every_attempt_polls_ready() {
    let strict = Strict::new(2);
    let called = strict.called.clone();
    let mut service = hasty().layer(strict);
    for _ in 0..2 {
        let response = (&mut service).oneshot(get()).await;
        assert_eq!(response.expect("retried").status(), 200);
    }
    assert_eq!(called.lock().expect("no panic").len(), 4);
}

/// Promise (bounds): A service is called only when it is ready, the first time the very instance
/// that was ready.
#[tokio::test(start_paused = true)]
async fn first_attempt_uses_the_ready_instance() {
    let strict = Strict::new(0);
    let called = strict.called.clone();
    let mut service = hasty().layer(strict);
    for _ in 0..3 {
        (&mut service).oneshot(get()).await.expect("200");
    }
    assert_eq!(*called.lock().expect("no panic"), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn request_sent_once_clones_no_service() {
    let strict = Strict::new(1);
    let clones = strict.clones.clone();
    hasty()
        .layer(strict)
        .oneshot(support::post())
        .await
        .refused();
    assert_eq!(clones.load(SeqCst), 0);
}

/// Promise (bounds): A sleeping request holds no connection, permit or readiness.
#[tokio::test(start_paused = true)]
async fn sleeping_request_releases_permit() {
    let script = Script::new([answer(503).retry_after("10"), answer(200)]);
    let service = hasty().layer(ConcurrencyLimit::new(script, 1));
    let begun = Instant::now();
    let sleeper = tokio::spawn(service.clone().oneshot(get()));
    tokio::time::sleep(SECOND).await;
    service.oneshot(get()).await.expect("a free permit");
    assert_eq!(begun.elapsed(), SECOND);
    sleeper.await.expect("no panic").expect("retried");
    assert_eq!(begun.elapsed(), 10 * SECOND);
}

/// A service that is ready at the first poll; later polls depend on `later`.
#[derive(Clone)]
struct Gate<S> {
    inner: S,
    later: Later,
    polls: Arc<AtomicU32>,
}

#[derive(Clone, Copy)]
enum Later {
    Never,
    Fails,
}

impl<S: Service<R>, R> Service<R> for Gate<S>
where
    S::Error: Into<revio_status::BoxError>,
{
    type Response = S::Response;
    type Error = revio_status::BoxError;
    type Future = futures_util::future::MapErr<S::Future, fn(S::Error) -> Self::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match (self.polls.fetch_add(1, SeqCst), self.later) {
            (0, _) => self.inner.poll_ready(cx).map_err(Into::into),
            (_, Later::Never) => Poll::Pending,
            (_, Later::Fails) => Poll::Ready(Err("the pool is closed".into())),
        }
    }

    fn call(&mut self, request: R) -> Self::Future {
        futures_util::TryFutureExt::map_err(self.inner.call(request), Into::into)
    }
}

fn gate(later: Later, polls: u32) -> Gate<Script> {
    let inner = Script::new([answer(503).retry_after("2")]);
    Gate {
        inner,
        later,
        polls: Arc::new(polls.into()),
    }
}

fn assert_pool_closed(error: &Error) {
    match error {
        Error::Service(error) => {
            assert!(error.is_unsent());
            assert_eq!(error.get_ref().to_string(), "the pool is closed");
        }
        Error::Status(_) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn poll_ready_error_is_service_error() {
    let mut service = layer().layer(gate(Later::Fails, 1));
    let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await;
    assert_pool_closed(&ready.map(drop).expect_err("closed"));
}

#[tokio::test(start_paused = true)]
async fn unready_before_resend_costs_no_budget() {
    let budget = Budget::new(5, 0.0);
    let service = hasty().budget(budget.clone()).layer(gate(Later::Fails, 0));
    let error = service.oneshot(get()).await.map(drop).expect_err("closed");
    assert_pool_closed(&error);
    assert!(error.may_have_been_applied(), "the 503 may have been");
    assert_eq!(budget.available(), 5);
}

/// Promise (load): Nothing is sent at or after the deadline, and no wait starts that would end
/// there.
#[tokio::test(start_paused = true)]
async fn readiness_wait_ends_at_deadline() {
    let begun = Instant::now();
    let budget = Budget::new(5, 0.0);
    let service = hasty()
        .budget(budget.clone())
        .time_limit(5 * SECOND)
        .layer(gate(Later::Never, 0));
    let error = service.oneshot(get()).await.refused();
    assert_eq!(
        (error.attempts(), error.stop_reason()),
        (1, StopReason::DeadlineExceeded)
    );
    assert_eq!(begun.elapsed(), 5 * SECOND);
    assert_eq!(budget.available(), 5, "the withdrawal is returned");
}

#[tokio::test(start_paused = true)]
async fn permit_before_deadline_is_used() {
    // Sleeps until second 2, then waits until second 6 for the permit that the test holds.
    let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
    let script = Script::new([answer(503).retry_after("2"), answer(200)]);
    let limit = ConcurrencyLimit::with_semaphore(script.clone(), semaphore.clone());
    let service = hasty().time_limit(7 * SECOND).layer(limit);
    let request = tokio::spawn(service.oneshot(get()));
    tokio::time::sleep(SECOND).await;
    let permit = semaphore.acquire_owned().await.expect("open");
    tokio::time::sleep(5 * SECOND).await;
    drop(permit);
    request.await.expect("no panic").expect("sent at second 6");
    assert_eq!(script.waits(), [6 * SECOND]);
}

fn cooldown_for(time: Duration) -> Cooldown {
    let cooldown = Cooldown::default();
    extend(&cooldown, time);
    cooldown
}

fn extend(cooldown: &Cooldown, time: Duration) {
    let until = Instant::now().into_std() + time;
    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until);
}

/// Promise (load): A held request keeps no permit.
#[tokio::test(start_paused = true)]
async fn held_request_releases_permit_twice() {
    let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
    let limit = ConcurrencyLimit::with_semaphore(Script::new([200]), semaphore.clone());
    let cooldown = cooldown_for(20 * SECOND);
    let mut service = hasty().cooldown(cooldown.clone()).layer(limit);
    let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await;
    let request = ready.expect("a permit").call(get());
    let permit = semaphore.clone().try_acquire_owned().expect("released");
    let request = tokio::spawn(request);
    tokio::time::sleep(30 * SECOND).await;
    // The request waits for the permit, and finds the cool-down extended when it gets one.
    extend(&cooldown, 20 * SECOND);
    drop(permit);
    tokio::time::sleep(SECOND).await;
    assert_eq!(semaphore.available_permits(), 1, "released again");
    request.await.expect("no panic").expect("sent at last");
    drop(service);
}

/// Promise (bounds): A finished future holds no service and no place in a queue.
///
/// A service may hold a permit or a connection, and a caller may keep the finished future.
#[tokio::test]
async fn finished_future_holds_no_service() {
    for statuses in [&[200][..], &[503, 200], &[404]] {
        let watch = Arc::new(());
        let (held, script) = (watch.clone(), Script::new(statuses.iter().copied()));
        let api = tower::service_fn(move |request: Request<_>| {
            let _held = &held;
            script.clone().oneshot(request)
        });
        let mut service = hasty().layer(api);
        let mut request = Box::pin(service.call(get()));
        drop(service);
        assert_eq!(Arc::strong_count(&watch), 2);
        drop((&mut request).await);
        assert_eq!(Arc::strong_count(&watch), 1, "{statuses:?}");
        drop(request);
    }
}

/// Promise (bounds): A finished future holds no service and no place in a queue.
#[tokio::test(start_paused = true)]
async fn finished_future_leaves_the_queue() {
    let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
    let script = Script::new([answer(503).retry_after("2")]);
    let limit = ConcurrencyLimit::with_semaphore(script, semaphore.clone());
    let mut service = hasty().time_limit(5 * SECOND).layer(limit);
    std::future::poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut service, cx))
        .await
        .expect("ready");
    let mut request = Box::pin(service.call(get()));
    let holder = tokio::spawn({
        let semaphore = semaphore.clone();
        async move {
            tokio::time::sleep(SECOND).await;
            let _permit = semaphore.acquire_owned().await.expect("open");
            tokio::time::sleep(9 * SECOND).await;
        }
    });
    (&mut request).await.refused(); // at its deadline, while queued
    holder.await.expect("no panic");
    let permit = tokio::time::timeout(SECOND, semaphore.acquire()).await;
    drop(permit.expect("a free place").expect("open"));
    drop(request);
}
