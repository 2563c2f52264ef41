//! Errors from layers below and from request bodies: what is kept, marked, and reported.

use std::{
    collections::VecDeque,
    error::Error as StdError,
    io,
    pin::Pin,
    sync::{Arc, Mutex, atomic::AtomicU32, atomic::Ordering::SeqCst},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::support::{
    AnyBody, any_body, events::Events, get, layer, quiet::SECOND, script::*, with_body,
};
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use revio_status::{
    Backoff, BoxError, Decision, Error, ReplayBody, RevioStatusLayer, ServiceError, StandardPolicy,
    StatusError, StopReason, policy_fn,
};
use tower::{Layer, Service, ServiceExt, service_fn};

fn transient() -> StandardPolicy {
    StandardPolicy::default()
        .backoff(Backoff::none())
        .retry_transient()
}

/// Returns these statuses in turn; 0 is a lost connection.
fn statuses<B: Send + 'static, const N: usize>(
    statuses: [u16; N],
) -> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send>
+ Clone
+ Send {
    let statuses = Arc::new(Mutex::new(VecDeque::from(statuses)));
    service_fn(move |_: Request<B>| {
        let status = statuses.lock().expect("no panic").pop_front();
        async move {
            match status.expect("more attempts than planned") {
                0 => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
                status => {
                    let response = Response::builder().status(status);
                    Ok(response.body(Full::default())?)
                }
            }
        }
    })
}

fn previous(error: &Error) -> Vec<Option<u16>> {
    let statuses = error.previous_attempts().iter().map(|a| a.status());
    statuses.map(|s| s.map(|s| s.as_u16())).collect()
}

/// The history of an inner layer's error stays.
#[tokio::test(start_paused = true)]
async fn inner_layers_history_stays() {
    let inner = layer().policy(transient()).layer(statuses([503, 504, 0]));
    let calls = Arc::new(AtomicU32::new(0));
    let below = service_fn(move |request: Request<_>| {
        let (inner, number) = (inner.clone(), calls.fetch_add(1, SeqCst));
        async move {
            match number {
                0 => Ok(Response::builder().status(502).body(Full::default())?),
                _ => inner.oneshot(request).await.map_err(BoxError::from),
            }
        }
    });
    let policy = transient().retry_on(http::StatusCode::BAD_GATEWAY);
    let service = layer().policy(policy).layer(below);
    let error = service.oneshot(get()).await.expect_err("lost");
    assert_eq!(previous(&error), [Some(503), Some(504)]);
    assert_eq!(error.attempts(), 3);
    assert!(error.may_have_been_applied());
}

/// Without a response, the event carries the last status that came.
#[tokio::test(start_paused = true)]
async fn lost_resend_is_reported_with_last_status() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let service = layer().policy(transient()).layer(statuses([503, 504, 0]));
    let error = service.oneshot(get()).await.expect_err("lost");
    assert_eq!(previous(&error), [Some(503), Some(504)]);
    let records = events.ours();
    let last = records.last().expect("given up");
    assert_eq!(last.fields["http.response.status_code"], "504");
    assert_eq!(last.fields["error.type"], "\"no_response\"");
}

fn failing(kind: io::ErrorKind) -> Request<AnyBody> {
    let error: BoxError = io::Error::from(kind).into();
    let frames = stream::iter([Ok(Frame::data(Bytes::from("pay"))), Err(error)]);
    with_body(Method::PUT, any_body(StreamBody::new(frames)))
}

/// Reads the body, and returns its error.
async fn read<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, BoxError>
where
    B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    request.into_body().collect().await?;
    Ok(Response::new(Full::default()))
}

/// A request body's own error is not retried.
#[tokio::test(start_paused = true)]
async fn body_error_is_not_retried() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let service = layer().policy(transient()).layer(service_fn(read));
    let reset = failing(io::ErrorKind::ConnectionReset);
    let error = service.oneshot(reset).await.expect_err("the body's");
    assert_eq!(error.stop_reason(), StopReason::NotRetryable);
    assert_eq!(error.attempts(), 1);
    assert_eq!(events.ours(), []);
}

#[tokio::test(start_paused = true)]
async fn two_layers_mark_a_body_error_once() {
    let inner = layer().policy(transient()).layer(service_fn(read));
    let service = layer().policy(transient()).layer(inner);
    let reset = failing(io::ErrorKind::ConnectionReset);
    let error = service.oneshot(reset).await.expect_err("the body's");
    let mut lines = Vec::new();
    let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(error) = next {
        lines.push(error.to_string());
        next = error.source();
    }
    let marks = lines.iter().filter(|l| *l == "the request body failed");
    assert_eq!(marks.count(), 1, "{lines:?}");
}

/// An attempt whose body was read is not unsent, even if a layer below reports so.
#[tokio::test(start_paused = true)]
async fn unsent_from_below_after_read_is_final() {
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let below = service_fn(move |request: Request<ReplayBody<Full<Bytes>>>| {
        count.fetch_add(1, SeqCst);
        async move {
            request.into_body().collect().await?;
            let error = ServiceError::new("below").with_unsent();
            Err::<Response<Full<Bytes>>, BoxError>(error.into())
        }
    });
    let policy = StandardPolicy::default().retry_unsent();
    let service = layer().policy(policy).layer(below);
    let put = with_body(Method::PUT, Full::<Bytes>::from("pay"));
    let error = service.oneshot(put).await.expect_err("no response");
    assert_eq!(calls.load(SeqCst), 1);
    assert_eq!(error.stop_reason(), StopReason::NotRetryable);
    assert!(error.may_have_been_applied());
    assert!(!error.service_error().expect("below").is_unsent());
}

/// A policy sees an inner layer's error itself, and a foreign one as it is.
#[tokio::test(start_paused = true)]
async fn policy_sees_the_layers_error_itself() {
    for is_from_below in [false, true] {
        let policy = policy_fn(move |attempt| {
            let error = attempt.error().expect("no response");
            let is_ours = error.is::<ServiceError>();
            assert_eq!(
                (is_ours, error.is::<io::Error>()),
                (is_from_below, !is_from_below)
            );
            Decision::Stop(StopReason::StoppedByPolicy)
        });
        let error = match is_from_below {
            true => {
                let below = layer().never_retry().layer(statuses([0]));
                let service = layer().policy(policy).layer(below);
                service.oneshot(get()).await.expect_err("lost")
            }
            false => {
                let service = layer().policy(policy).layer(statuses([0]));
                service.oneshot(get()).await.expect_err("lost")
            }
        };
        let expected = match is_from_below {
            true => StopReason::NotRetryable, // the lower layer's reason
            false => StopReason::StoppedByPolicy,
        };
        assert_eq!(error.stop_reason(), expected);
    }
}

/// Fires when half of the time has passed.
struct EarlyByHalf;

impl Timer for EarlyByHalf {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration / 2)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline - self.now())
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}

/// A timer that fires early sends no request before `Retry-After`.
#[tokio::test(start_paused = true)]
async fn timer_early_by_half_sleeps_on() {
    crate::support::events::stay_undecided();
    let script = Script::new([answer(503).retry_after("4"), answer(200)]);
    let layer = RevioStatusLayer::with_timer(EarlyByHalf);
    let service = layer.policy(transient()).layer(script.clone());
    service.oneshot(get()).await.expect("200");
    assert!(script.waits()[0] >= 4 * SECOND, "{:?}", script.waits());
}

/// Is ready once, and then fails with an error of this crate.
#[derive(Clone)]
struct ReadyOnce(Arc<AtomicU32>);

impl<B> Service<Request<B>> for ReadyOnce {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(match self.0.fetch_add(1, SeqCst) {
            0 => Ok(()),
            _ => Err(refused_below().into()),
        })
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let response = Response::builder().status(503).body(Full::default());
        std::future::ready(Ok(response.expect("valid")))
    }
}

fn refused_below() -> StatusError {
    let response = Response::builder().status(429).body(Bytes::new());
    let error = StatusError::from_response(response.expect("valid")).expect("a failure");
    error
        .with_attempts(7)
        .with_stop_reason(StopReason::CoolingDown)
}

/// An error of this crate from `poll_ready` keeps its attempts and reason.
#[tokio::test(start_paused = true)]
async fn error_below_poll_ready_keeps_its_reason() {
    let service = layer().policy(transient()).layer(ReadyOnce(Arc::default()));
    let error = service.oneshot(get()).await.expect_err("not ready");
    assert_eq!(error.attempts(), 7);
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    assert_eq!(previous(&error), [Some(503)]);
    assert!(error.may_have_been_applied(), "the 503 may have been");
}
