//! The public interface: each item once, as users write it.

use std::{mem::size_of, time::Duration};

use crate::support::{self, Refused, body::Step, get, script::*, wire::Server};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{Full, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use revio_status::{
    Attempt, Backoff, BoxError, Budget, Decision, Error, Idempotent, MaxAttempts, NeverRetry,
    PolicyFn, PreviousAttempt, ReplayBody, Resend, ResendCount, ResponseFuture, RetryPolicy,
    RevioStatus, RevioStatusLayer, ServiceError, StandardPolicy, StatusError, StatusKind,
    StopReason, TimeLimit, policy_fn,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

/// Starts a server that always returns this status.
async fn server(status: u16) -> Server {
    Server::start(move |_| async move {
        let mut response = http::Response::new(support::no_body());
        *response.status_mut() = StatusCode::from_u16(status).expect("valid");
        response
    })
    .await
}

#[tokio::test]
async fn hyper_util_client_needs_no_annotation() -> Result<(), BoxError> {
    let server = server(404).await;
    let client = ServiceBuilder::new()
        .layer(RevioStatusLayer::with_timer(TokioTimer::new()))
        .service(Client::builder(TokioExecutor::new()).build_http());
    let request = Request::get(server.uri("/v1/Customers/1001")).body(Full::<Bytes>::default())?;
    match client.oneshot(request).await {
        Ok(response) => panic!("{}", response.status()),
        Err(Error::Status(e)) if e.kind() == StatusKind::NotFound => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn new_and_default_use_tokios_clock() {
    let script = Script::new([200]);
    RevioStatusLayer::new()
        .layer(script.clone())
        .oneshot(get())
        .await
        .expect("200");
    RevioStatusLayer::default()
        .layer(script)
        .oneshot(get())
        .await
        .expect("200");
}

#[tokio::test(start_paused = true)]
async fn layer_takes_every_setting() {
    let layer = RevioStatusLayer::with_timer(TokioTimer::new())
        .policy(
            StandardPolicy::default()
                .max_attempts(2)
                .backoff(Backoff::fixed(Duration::from_secs(1)))
                .max_retry_after(Duration::from_secs(60))
                .retry_on(StatusCode::TOO_MANY_REQUESTS),
        )
        .budget(Budget::new(10, 0.1))
        .time_limit(Duration::from_secs(30))
        .error_body_limit(1024)
        .error_body_timeout(Duration::from_secs(1))
        .replay_body_limit(1024);
    let mut service: RevioStatus<Script, StandardPolicy> =
        layer.clone().layer(Script::new([429, 200]));
    let _: (&Script, &mut Script) = (&service.get_ref().clone(), service.get_mut());
    service.clone().into_inner();
    let future: ResponseFuture<_, _, _, _> = service.call(get());
    let response = future.await.expect("retried");
    assert_eq!(response.extensions().get(), Some(&ResendCount(1)));

    let never: RevioStatusLayer<NeverRetry> = layer.clone().never_retry().no_budget();
    let error = never
        .layer(Script::new([503]))
        .oneshot(get())
        .await
        .refused();
    assert_eq!(error.stop_reason(), StopReason::NotRetryable);
    let closure: RevioStatusLayer<PolicyFn<_>> =
        layer.policy(policy_fn(|_| Decision::Stop(StopReason::StoppedByPolicy)));
    let error = closure
        .layer(Script::new([503]))
        .oneshot(get())
        .await
        .refused();
    assert_eq!(error.stop_reason(), StopReason::StoppedByPolicy);
}

#[tokio::test]
async fn status_error_has_every_fact() {
    let response = answer(403).retry_after("1800").text("quota");
    let error = support::layer()
        .layer(Script::new([response]))
        .oneshot(get())
        .await
        .map(drop);
    let error = error.expect_err("403");
    assert_eq!(error.kind(), Some(StatusKind::QuotaExceeded));
    assert!(!error.may_have_been_applied());
    assert!(StatusError::find(&error).is_some());
    let Some(status) = error.status_error() else {
        panic!("{error}")
    };
    assert_eq!(
        (status.status(), status.kind()),
        (StatusCode::FORBIDDEN, StatusKind::QuotaExceeded)
    );
    assert_eq!(
        (status.headers().len(), &status.body()[..]),
        (1, &b"quota"[..])
    );
    assert_eq!(
        (status.message(), status.is_body_truncated()),
        (Some("quota"), false)
    );
    assert_eq!(status.retry_after(), Some(Duration::from_secs(1800)));
    assert_eq!(
        (status.attempts(), status.stop_reason()),
        (1, StopReason::NotRetryable)
    );
    assert!(!status.may_have_been_applied());
    #[cfg(feature = "json")]
    assert!(status.json::<bool>().is_err());
    if let Error::Status(status) = error {
        let response: http::Response<Bytes> = status.into_response();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
}

#[test]
fn status_kind_has_an_explanation() {
    let kind =
        StatusKind::classify(StatusCode::GATEWAY_TIMEOUT, &HeaderMap::new()).expect("a failure");
    assert_eq!(
        (kind, kind.to_string().as_str()),
        (StatusKind::GatewayTimeout, "gateway_timeout")
    );
    assert!(kind.is_server_error() && !kind.is_client_error() && kind.is_documented());
    assert!(kind.explanation().contains("gateway"));
    assert_eq!(
        StatusKind::classify(StatusCode::OK, &HeaderMap::new()),
        None
    );
}

#[test]
fn attempt_can_be_built_for_tests() -> Result<(), http::Error> {
    let (request, ()) = Request::get("/v1/Bills")
        .extension(Idempotent(true))
        .body(())?
        .into_parts();
    let (response, ()) = http::Response::builder().status(504).body(())?.into_parts();
    let body = Bytes::from_static(b"late");
    let attempt = Attempt::new(&request, &response, &body)
        .with_number(2)
        .with_elapsed(Duration::from_secs(3))
        .with_remaining(Duration::from_secs(4));
    assert_eq!(
        (attempt.number(), attempt.method(), attempt.uri().path()),
        (2, &Method::GET, "/v1/Bills")
    );
    assert_eq!(
        (attempt.status(), attempt.kind()),
        (
            Some(StatusCode::GATEWAY_TIMEOUT),
            Some(StatusKind::GatewayTimeout)
        )
    );
    assert_eq!(
        (
            attempt.headers().map(HeaderMap::len),
            attempt.body(),
            attempt.retry_after()
        ),
        (Some(0), Some(&body), None)
    );
    assert_eq!(
        (attempt.elapsed(), attempt.remaining()),
        (Duration::from_secs(3), Some(Duration::from_secs(4)))
    );
    assert_eq!(attempt.request().method, Method::GET);

    let policy = StandardPolicy::default().backoff(Backoff::none());
    assert!(attempt.error().is_none() && !attempt.is_unsent());
    assert!(attempt.may_have_been_applied());
    assert!(policy.is_retryable(StatusCode::GATEWAY_TIMEOUT));
    assert_eq!(policy.resend(&request), Resend::Always);
    assert_eq!(
        policy.decide(&attempt),
        Decision::Retry {
            after: Duration::ZERO
        }
    );
    Ok(())
}

#[test]
fn attempt_without_response_can_be_built() {
    let (request, ()) = Request::new(()).into_parts();
    let error = std::io::Error::other("reset");
    let lost = Attempt::without_response(&request, &error);
    let response = (lost.status(), lost.kind(), lost.headers(), lost.body());
    assert_eq!(response, (None, None, None, None));
    assert_eq!(lost.error().expect("the error").to_string(), "reset");
    assert!(lost.may_have_been_applied() && !lost.is_unsent());
    let unsent = lost.with_unsent();
    assert!(unsent.is_unsent() && !unsent.may_have_been_applied());
}

#[test]
fn backoff_and_budget_return_numbers() {
    let backoff = Backoff::exponential(Duration::from_secs(1), Duration::from_secs(8));
    assert_eq!(backoff.without_jitter().delay(3), Duration::from_secs(4));
    assert_eq!(Backoff::none().delay(1), Duration::ZERO);
    assert_eq!(Budget::default().available(), 100);
}

#[test]
fn errors_are_small() {
    assert_eq!(size_of::<Error>(), 16);
    assert_eq!(size_of::<StatusError>(), size_of::<usize>());
    assert_eq!(size_of::<ServiceError>(), size_of::<usize>());
}

fn sendable<T: Send>(_: T) {}

fn is_shareable<T: Send + Sync + Unpin + 'static>() {}

fn is_cloneable<T: Clone + std::fmt::Debug>() {}

#[test]
fn auto_traits_hold() {
    is_shareable::<Error>();
    is_shareable::<(StatusError, ServiceError, PreviousAttempt)>();
    is_shareable::<RevioStatusLayer>();
    is_shareable::<RevioStatus<Client<(), ReplayBody<Full<Bytes>>>, StandardPolicy>>();
    is_shareable::<ReplayBody<Full<Bytes>>>();
    is_shareable::<(StandardPolicy, NeverRetry, Backoff, Budget, Decision)>();
    is_shareable::<(StatusKind, StopReason, Resend)>();
    is_shareable::<(Idempotent, MaxAttempts, TimeLimit, ResendCount)>();
    is_cloneable::<RevioStatusLayer>();
    is_cloneable::<(StandardPolicy, NeverRetry, Backoff, Budget, Decision)>();
    is_cloneable::<(StatusKind, StopReason, Resend, PreviousAttempt)>();
    is_cloneable::<(Idempotent, MaxAttempts, TimeLimit, ResendCount)>();
}

#[test]
fn service_type_defaults_to_standard_policy() {
    struct Api {
        _client: RevioStatus<Script>,
    }
    let _client = support::layer().layer(Script::new([200]));
    drop(Api { _client });
}

#[test]
fn send_only_body_is_accepted() {
    fn is_sendable<T: Send>() {}
    type Body = UnsyncBoxBody<Bytes, BoxError>; // like axum's: `Send`, not `Sync`
    is_sendable::<ReplayBody<Body>>();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut service = support::layer().layer(client);
    sendable(service.call(Request::new(Body::default())));
}

#[tokio::test(start_paused = true)]
async fn policy_keeps_earlier_settings() {
    let second = Duration::from_secs(1);
    let layer = support::layer()
        .error_body_limit(3)
        .error_body_timeout(second)
        .time_limit(4 * second)
        .replay_body_limit(2)
        .budget(Budget::new(0, 0.0))
        .policy(StandardPolicy::default().backoff(Backoff::none()));
    let fail = async |response: Answer, body: &'static str| {
        let service = layer.layer(Script::new([response]));
        let request = support::with_body(Method::PUT, Full::<Bytes>::from(body));
        service.oneshot(request).await.refused()
    };
    assert_eq!(fail(answer(500).text("abcd"), "").await.body(), "abc");
    let begun = tokio::time::Instant::now();
    assert!(
        fail(answer(500).body([Step::Hang]), "")
            .await
            .is_body_truncated()
    );
    assert_eq!(begun.elapsed(), second);
    let reason = async |response, body| fail(response, body).await.stop_reason();
    assert_eq!(
        reason(answer(503).retry_after("4"), "").await,
        StopReason::DeadlineExceeded
    );
    assert_eq!(
        reason(answer(503), "abc").await,
        StopReason::BodyNotReplayable
    );
    assert_eq!(reason(answer(503), "ab").await, StopReason::BudgetExhausted);
}

#[cfg(feature = "tower-http")]
#[test]
fn classifier_works_with_tower_http() {
    use revio_status::classify::StatusClassifier;
    use tower_http::classify::{ClassifyResponse, SharedClassifier};
    let _ = SharedClassifier::new(StatusClassifier::default());
    let class = StatusClassifier::default().classify_error(&"no route");
    assert_eq!(class.to_string(), "no_response");
}
