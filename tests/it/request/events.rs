//! `on_event` reports the same events as `tracing`, at the same moments.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{self, AnyBody, body::*, events::Events, get, hasty, layer, post, script::*};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use revio_status::{
    Backoff, BoxError, Error, Event, ReplayBody, RevioStatusLayer, StandardPolicy, StatusError,
    StopReason,
};
use tower::{Layer, Service, ServiceExt, service_fn};

/// Records the reported events.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn by<P>(&self, layer: RevioStatusLayer<P>) -> RevioStatusLayer<P> {
        let log = self.clone();
        layer.on_event(move |event| {
            let line = match event {
                Event::RetryScheduled { attempt, after, .. } => {
                    let status = attempt.status().map(|status| status.as_u16());
                    format!("{} {status:?} retry after {after:?}", attempt.number())
                }
                Event::GivenUp { method, error, .. } => format!("{method} given up: {error}"),
                _ => unreachable!("unexpected event"),
            };
            log.0.lock().expect("no panic").push(line);
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

/// Promise (cause): `on_event` and `tracing` report the same events, and each event names its
/// request.
#[tokio::test(start_paused = true)]
async fn retries_and_final_failures_are_reported() {
    let log = Log::default();
    let script = Script::new([answer(503).retry_after("2"), answer(504), answer(503)]);
    let service = log.by(hasty()).layer(script);
    service.oneshot(get()).await.map(drop).expect_err("503");
    assert_eq!(
        log.take(),
        [
            "1 Some(503) retry after 2s",
            "2 Some(504) retry after 0ns",
            "GET given up: 503 Service Unavailable (3 attempts, attempts_exhausted)",
        ]
    );
    let service = log.by(hasty()).layer(Script::new([504]));
    service.oneshot(post()).await.map(drop).expect_err("504");
    assert_eq!(
        log.take(),
        ["POST given up: 504 Gateway Timeout (not_idempotent)"]
    );
}

#[tokio::test(start_paused = true)]
async fn success_and_plain_failures_emit_nothing() {
    let log = Log::default();
    for status in [200, 301, 400, 404, 429, 500, 501] {
        for request in [get(), post()] {
            let service = log.by(hasty()).layer(Script::new([status]));
            let _ = service.oneshot(request).await;
        }
    }
    assert!(log.take().is_empty());
    let service = log.by(hasty()).layer(Script::new([503, 404]));
    service.oneshot(get()).await.map(drop).expect_err("404");
    assert_eq!(log.take(), ["1 Some(503) retry after 0ns"]);
}

/// A service that returns 503, then no response.
/// Promise (cause): A resend that a limit below refuses is reported as given up.
#[tokio::test(start_paused = true)]
async fn resend_refused_below_is_given_up() {
    let log = Log::default();
    let attempts = Arc::new(Mutex::new(0));
    let service = service_fn(move |_: Request<ReplayBody<Full<Bytes>>>| {
        let mut attempts = attempts.lock().expect("no panic");
        *attempts += 1;
        let is_first = *attempts == 1;
        async move {
            if is_first {
                let mut response = Response::new(support::no_body());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return Ok(response);
            }
            let response = Response::builder().status(429).body(Bytes::new());
            let error = StatusError::from_response(response.expect("valid")).expect("a failure");
            let error = error.with_attempts(1);
            Err::<Response<AnyBody>, BoxError>(
                error.with_stop_reason(StopReason::CoolingDown).into(),
            )
        }
    });
    let error = log
        .by(hasty())
        .layer(service)
        .oneshot(get())
        .await
        .map(drop);
    let error = error.expect_err("refused");
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    assert_eq!(
        log.take(),
        [
            "1 Some(503) retry after 0ns",
            "GET given up: 429 Too Many Requests (cooling_down)",
        ]
    );
}

fn lost_after_503() -> impl Service<
    Request<ReplayBody<Full<Bytes>>>,
    Response = Response<AnyBody>,
    Error = BoxError,
    Future: Send,
> + Clone {
    let is_first = Arc::new(Mutex::new(true));
    service_fn(move |_| {
        let is_first = std::mem::take(&mut *is_first.lock().expect("no panic"));
        async move {
            if !is_first {
                return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
            }
            let mut response = Response::new(support::no_body());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            Ok(response)
        }
    })
}

/// Promise (cause): `on_event` and `tracing` report the same events, and each event names its
/// request.
#[tokio::test(start_paused = true)]
async fn no_response_after_503_reports_both() {
    let (log, events) = (Log::default(), Events::default());
    let _guard = tracing::subscriber::set_default(events.clone());
    let service = log.by(hasty()).layer(lost_after_503());
    service.oneshot(get()).await.map(drop).expect_err("lost");
    assert_eq!(
        log.take(),
        [
            "1 Some(503) retry after 0ns",
            "GET given up: no response from the API (2 attempts, not_retryable)",
        ]
    );
    let events = events.ours();
    let fields = &events.last().expect("a warning").fields;
    assert_eq!(fields["error.type"], "\"no_response\"");
    assert_eq!(fields["http.response.status_code"], "503");
    assert_eq!(fields["http.request.resend_count"], "1");
    assert_eq!(fields["retry.stop_reason"], "not_retryable");
}

#[tokio::test(start_paused = true)]
async fn no_response_event_has_no_status() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let policy = StandardPolicy::default()
        .backoff(Backoff::none())
        .retry_transient();
    let lost = service_fn(|_| async {
        Err::<Response<AnyBody>, BoxError>(io::Error::from(io::ErrorKind::ConnectionReset).into())
    });
    let service = layer().policy(policy).layer(lost);
    service.oneshot(get()).await.map(drop).expect_err("lost");
    for event in events.ours() {
        assert_eq!(event.fields["error.type"], "\"no_response\"");
        assert!(!event.fields.contains_key("http.response.status_code"));
    }
}

/// The first attempt got a 503; the service then fails to become ready.
#[tokio::test(start_paused = true)]
async fn unready_before_resend_is_unsent() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let is_first = Arc::new(Mutex::new(true));
    let script = Script::new([503]);
    let once = tower::ServiceBuilder::new()
        .layer(hasty())
        .service(Once(script, is_first));
    once.oneshot(get()).await.map(drop).expect_err("closed");
    let events = events.ours();
    let fields = &events.last().expect("a warning").fields;
    assert_eq!(fields["error.type"], "\"unsent\"");
    assert_eq!(fields["http.response.status_code"], "503");
}

/// A service that is ready only once.
#[derive(Clone)]
struct Once(Script, Arc<Mutex<bool>>);

impl Service<Request<ReplayBody<Full<Bytes>>>> for Once {
    type Response = Response<AnyBody>;
    type Error = BoxError;
    type Future = futures_util::future::BoxFuture<'static, Result<Response<AnyBody>, BoxError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        let is_first = std::mem::take(&mut *self.1.lock().expect("no panic"));
        std::task::Poll::Ready(match is_first {
            true => Ok(()),
            false => Err("the pool is closed".into()),
        })
    }

    fn call(&mut self, request: Request<ReplayBody<Full<Bytes>>>) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async { Ok(response.await.expect("it never fails")) })
    }
}

/// Metrics must not count requests that were never polled.
#[tokio::test(start_paused = true)]
async fn events_come_from_poll_not_call() {
    let log = Log::default();
    let mut service = log.by(hasty()).layer(Script::new([504]));
    let future = service.call(post());
    assert!(log.take().is_empty());
    future.await.map(drop).expect_err("504");
    assert_eq!(log.take().len(), 1);
}

/// The event carries the message, so it waits for the error body.
#[tokio::test(start_paused = true)]
async fn event_follows_error_body() {
    let log = Log::default();
    let slow = [
        data("so"),
        Step::Wait(Duration::from_secs(2)),
        data(" what"),
    ];
    let service = log.by(hasty()).layer(Script::new([answer(504).body(slow)]));
    let call = tokio::spawn(service.oneshot(post()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(log.take().is_empty());
    call.await.expect("no panic").map(drop).expect_err("504");
    assert_eq!(
        log.take(),
        ["POST given up: 504 Gateway Timeout: so what (not_idempotent)"]
    );
}

#[tokio::test(start_paused = true)]
async fn never_retry_reports_nothing() {
    let log = Log::default();
    let service = log.by(layer()).never_retry().layer(Script::new([503]));
    let error: Error = service.oneshot(get()).await.map(drop).expect_err("503");
    assert_eq!(error.stop_reason(), StopReason::NotRetryable);
    assert!(log.take().is_empty());
}

#[test]
fn attempt_debug_shows_no_secret() {
    let (request, ()) = Request::get("http://u:hunter2@api.test/?hunter2")
        .header("authorization", "hunter2")
        .body(())
        .expect("valid")
        .into_parts();
    let response = Response::builder()
        .status(503)
        .header("set-cookie", "hunter2");
    let (response, ()) = response.body(()).expect("valid").into_parts();
    let body = Bytes::from_static(b"hunter2");
    let attempt = revio_status::Attempt::new(&request, &response, &body);
    let text = format!("{attempt:?}");
    assert!(!text.contains("hunter2") && text.contains("503"), "{text}");
}
