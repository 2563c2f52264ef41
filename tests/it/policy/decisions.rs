//! The decision to retry: the questions after a failure in their order, and the stop reason.

use std::{sync::Arc, time::Duration};

use crate::support::{
    self, Refused, body::*, get, hasty, layer, post, request, script::*, with_body,
};
use bytes::Bytes;
use http::{Method, StatusCode};
use revio_status::{
    Attempt, Budget, Decision, Error, Idempotent, NeverRetry, Resend, ResendCount, RetryPolicy,
    StandardPolicy, StatusKind, StopReason, policy_fn,
};
use tower::{Layer, ServiceExt};

#[tokio::test(start_paused = true)]
async fn get_is_sent_three_times() {
    for status in [503, 504] {
        let script = Script::new([status]);
        let error = layer().layer(script.clone()).oneshot(get()).await.refused();
        assert_eq!((error.attempts(), script.count()), (3, 3));
        assert_eq!(error.stop_reason(), StopReason::AttemptsExhausted);
    }
}

#[tokio::test(start_paused = true)]
async fn post_with_504_is_sent_once() {
    let script = Script::new([504]);
    let error = layer()
        .layer(script.clone())
        .oneshot(post())
        .await
        .refused();
    assert_eq!((error.attempts(), script.count()), (1, 1));
    assert_eq!(error.stop_reason(), StopReason::NotIdempotent);
    assert!(error.may_have_been_applied());
}

#[tokio::test(start_paused = true)]
async fn idempotent_extension_overrides_method() {
    for (method, value, sent) in [
        (Method::POST, true, 3),
        (Method::PUT, false, 1),
        (Method::GET, false, 1),
    ] {
        let script = Script::new([504]);
        let mut request = request(method);
        request.extensions_mut().insert(Idempotent(value));
        layer()
            .layer(script.clone())
            .oneshot(request)
            .await
            .refused();
        assert_eq!(script.count(), sent);
    }
}

#[tokio::test(start_paused = true)]
async fn idempotency_key_allows_no_post_resend() {
    let script = Script::new([503]);
    let mut request = post();
    request
        .headers_mut()
        .insert("idempotency-key", http::HeaderValue::from_static("7f3a"));
    layer()
        .layer(script.clone())
        .oneshot(request)
        .await
        .refused();
    assert_eq!(script.count(), 1);
}

/// Promise (load): `retry_on` adds a status and keeps earlier ones.
#[tokio::test(start_paused = true)]
async fn retry_on_adds_a_status() {
    let policy = StandardPolicy::default().retry_on(StatusCode::TOO_MANY_REQUESTS);
    for (status, by_default, with_retry_on) in [(429, 1, 3), (500, 1, 1), (502, 1, 1), (503, 3, 3)]
    {
        let script = Script::new([status]);
        layer().layer(script.clone()).oneshot(get()).await.refused();
        assert_eq!(script.sent().len(), by_default, "{status}");
        layer()
            .policy(policy.clone())
            .layer(script.clone())
            .oneshot(get())
            .await
            .refused();
        assert_eq!(script.sent().len(), with_retry_on, "{status}");
    }
}

/// Promise (load): `retry_on` adds a status and keeps earlier ones.
#[test]
fn retry_on_keeps_earlier_statuses() {
    let (busy, failed) = (StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY);
    let policy = StandardPolicy::default()
        .retry_on(busy)
        .retry_on(failed)
        .cool_down_on(StatusCode::SERVICE_UNAVAILABLE)
        .cool_down_on(failed);
    assert!(
        [busy, failed]
            .iter()
            .all(|status| policy.is_retryable(*status))
    );
    let cooling = [StatusCode::SERVICE_UNAVAILABLE, failed, busy];
    assert!(cooling.iter().all(|status| policy.cools_down(*status)));
}

/// Promise (cause): The stop reason is the first question that ends in "no".
///
/// Each request fails its own question and all later ones; the first gives the reason.
#[tokio::test(start_paused = true)]
async fn first_no_is_the_stop_reason() {
    let empty = || Budget::new(0, 0.0);
    let long = || {
        with_body(
            Method::PUT,
            Steps::chunks([Bytes::from_static(b"too long")]),
        )
    };
    let base = || {
        hasty()
            .replay_body_limit(7)
            .time_limit(Duration::ZERO)
            .budget(empty())
    };
    let late = |status: u16| Script::new([answer(status).retry_after("60")]);
    let mut post = long();
    *post.method_mut() = Method::POST;
    let once = StandardPolicy::default().max_attempts(1);
    let in_time = hasty().replay_body_limit(7).budget(empty());
    let refusals = [
        (
            base()
                .policy(once.clone())
                .layer(late(500))
                .oneshot(post)
                .await,
            StopReason::NotRetryable,
        ),
        (
            base()
                .policy(once.clone())
                .layer(late(503))
                .oneshot({
                    let mut request = long();
                    request.extensions_mut().insert(Idempotent(false));
                    request
                })
                .await,
            StopReason::NotIdempotent,
        ),
        (
            base().policy(once).layer(late(503)).oneshot(long()).await,
            StopReason::AttemptsExhausted,
        ),
        (
            base().layer(late(503)).oneshot(long()).await,
            StopReason::RetryAfterTooLong,
        ),
        (
            base().layer(Script::new([503])).oneshot(long()).await,
            StopReason::DeadlineExceeded,
        ),
        (
            in_time
                .clone()
                .layer(Script::new([503]))
                .oneshot(long())
                .await,
            StopReason::BodyNotReplayable,
        ),
        (
            in_time
                .layer(Script::new([503]))
                .oneshot(with_body(Method::PUT, Steps::default()))
                .await,
            StopReason::BudgetExhausted,
        ),
    ];
    for (result, reason) in refusals {
        assert_eq!(result.refused().stop_reason(), reason);
    }
}

#[tokio::test(start_paused = true)]
async fn never_retry_returns_error_at_once() {
    for status in [404, 503] {
        let script = Script::new([status]);
        let error = layer()
            .never_retry()
            .layer(script.clone())
            .oneshot(get())
            .await
            .refused();
        assert_eq!((error.attempts(), script.count()), (1, 1));
        assert_eq!(error.stop_reason(), StopReason::NotRetryable);
    }
    let (head, ()) = http::Request::new(()).into_parts();
    assert_eq!(NeverRetry.resend(&head), Resend::Never);
}

#[tokio::test(start_paused = true)]
async fn policy_fn_decides_every_failure() {
    let policy = policy_fn(|attempt| match attempt.number() {
        1..=4 => Decision::Retry {
            after: Duration::from_secs(attempt.number().into()),
        },
        _ => Decision::Stop(StopReason::StoppedByPolicy),
    });
    let script = Script::new([404]);
    let error = layer()
        .policy(policy)
        .layer(script.clone())
        .oneshot(get())
        .await
        .refused();
    assert_eq!(
        (error.attempts(), error.stop_reason()),
        (5, StopReason::StoppedByPolicy)
    );
    assert_eq!(script.waits(), [1, 2, 3, 4].map(Duration::from_secs));
    let error = layer()
        .policy(policy)
        .layer(script)
        .oneshot(post())
        .await
        .refused();
    assert_eq!(error.attempts(), 5, "a 404 leaves a POST unapplied");
    let error = layer()
        .policy(policy)
        .layer(Script::new([500]))
        .oneshot(post())
        .await
        .refused();
    assert_eq!(
        (error.attempts(), error.stop_reason()),
        (1, StopReason::NotIdempotent)
    );
}

/// A policy that records its calls.
#[derive(Clone, Default)]
struct Witness(Arc<std::sync::Mutex<Vec<String>>>);

impl Witness {
    fn note(&self, line: String) {
        self.0.lock().expect("no panic").push(line);
    }
}

impl RetryPolicy for Witness {
    fn is_retryable(&self, status: StatusCode) -> bool {
        status == StatusCode::BAD_GATEWAY
    }

    fn resend(&self, request: &http::request::Parts) -> Resend {
        self.note(format!("resend {}", request.method));
        match request.method {
            Method::POST => Resend::Always,
            _ => Resend::Never,
        }
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        let (number, elapsed, remaining) =
            (attempt.number(), attempt.elapsed(), attempt.remaining());
        self.note(format!(
            "{number} {} {} {} {} {:?} {:?} after {elapsed:?}, {remaining:?} left",
            attempt.method(),
            attempt.uri().path(),
            attempt.status().expect("a response").as_u16(),
            attempt.kind().expect("a response"),
            attempt.body().expect("a response"),
            attempt.headers().expect("a response")["x-node"],
        ));
        assert_eq!(
            attempt.request().extensions.get(),
            (number > 1).then_some(&ResendCount(number - 1))
        );
        Decision::Retry {
            after: attempt.retry_after().unwrap_or_default(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn custom_policy_sees_request_and_response() {
    let witness = Witness::default();
    let failure = answer(502)
        .header("x-node", "7")
        .retry_after("4")
        .text("dead");
    let script = Script::new([failure.clone(), failure, answer(404)]);
    let service = layer()
        .policy(witness.clone())
        .time_limit(Duration::from_secs(9))
        .layer(script);
    let error = service.oneshot(post()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::NotRetryable);
    assert_eq!(
        *witness.0.lock().expect("no panic"),
        [
            "resend POST",
            "1 POST /v1/Customers/1001 502 other_server_error b\"dead\" \"7\" after 0ns, Some(9s) left",
            "2 POST /v1/Customers/1001 502 other_server_error b\"dead\" \"7\" after 4s, Some(5s) left",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn policy_is_chosen_at_run_time() {
    let twice = StandardPolicy::default().max_attempts(2);
    let policies: [Arc<dyn RetryPolicy + Send + Sync>; 2] = [Arc::new(NeverRetry), Arc::new(twice)];
    let expected = [
        (1, StopReason::NotRetryable),
        (2, StopReason::AttemptsExhausted),
    ];
    for (policy, expected) in policies.into_iter().zip(expected) {
        let service = layer().policy(policy).layer(Script::new([503]));
        let error = service.clone().oneshot(get()).await.refused();
        assert_eq!((error.attempts(), error.stop_reason()), expected);
        assert_eq!(service.oneshot(post()).await.refused().attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn decide_only_policy_retries_get_on_503_and_504() {
    #[derive(Clone)]
    struct Twice;
    impl RetryPolicy for Twice {
        fn decide(&self, attempt: &Attempt<'_>) -> Decision {
            match attempt.number() {
                1 => Decision::Retry {
                    after: Duration::ZERO,
                },
                _ => Decision::Stop(StopReason::StoppedByPolicy),
            }
        }
    }
    for (request, status, reason) in [
        (get(), 503, StopReason::StoppedByPolicy),
        (get(), 504, StopReason::StoppedByPolicy),
        (get(), 500, StopReason::NotRetryable),
        (get(), 429, StopReason::NotRetryable),
        (post(), 503, StopReason::NotIdempotent),
    ] {
        let service = layer().policy(Twice).layer(Script::new([status]));
        let error = service.oneshot(request).await.refused();
        assert_eq!(error.stop_reason(), reason, "{status}");
    }
}

/// Promise (cause): A request that was possibly applied once stays possibly applied.
#[tokio::test(start_paused = true)]
async fn possibly_applied_is_sticky() {
    let cases = [
        (&[400][..], false),
        (&[429], false),
        (&[501], false),
        (&[500], true),
        (&[503, 404], true),
        (&[504, 501], true),
    ];
    for (statuses, applied) in cases {
        let service = hasty().layer(Script::new(statuses.iter().copied()));
        let error = service.oneshot(get()).await.refused();
        assert_eq!(error.may_have_been_applied(), applied, "{statuses:?}");
        assert_eq!(error.attempts() as usize, statuses.len());
    }
}

#[tokio::test]
async fn service_error_is_not_retried() {
    let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let broken = tower::service_fn({
        let count = count.clone();
        move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async { Err::<http::Response<String>, _>(std::io::Error::other("reset")) }
        }
    });
    let error = layer()
        .layer(broken)
        .oneshot(get())
        .await
        .expect_err("reset");
    assert!(matches!(&error, Error::Service(error) if error.get_ref().is::<std::io::Error>()));
    assert!(
        error.may_have_been_applied() && error.kind().is_none() && error.status_error().is_none()
    );
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn last_failure_is_reported() {
    let script = Script::new([answer(503).text("first"), answer(504).text("second")]);
    let policy = StandardPolicy::default().max_attempts(2);
    let error = layer()
        .policy(policy)
        .layer(script)
        .oneshot(get())
        .await
        .refused();
    assert_eq!(
        (error.kind(), error.message()),
        (StatusKind::GatewayTimeout, Some("second"))
    );
}

#[tokio::test]
async fn instant_retries_yield_to_other_tasks() {
    let policy = policy_fn(|_| Decision::Retry {
        after: Duration::ZERO,
    });
    let failing = tower::service_fn(|_| async {
        let mut response = http::Response::new(support::no_body());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok::<_, std::convert::Infallible>(response)
    });
    let endless = layer()
        .no_budget()
        .policy(policy)
        .layer(failing)
        .oneshot(get());
    tokio::select! {
        _ = endless => panic!("the request ended"),
        () = async { for _ in 0..10 { tokio::task::yield_now().await } } => {}
    }
}

#[tokio::test(start_paused = true)]
async fn outer_layer_passes_inner_error_on() {
    let script = Script::new([answer(503).text("maintenance")]);
    let service = hasty().layer(hasty().layer(script.clone()));
    let error = service.oneshot(get()).await.refused();
    assert_eq!(
        (error.attempts(), error.message()),
        (3, Some("maintenance"))
    );
    assert_eq!(script.count(), 3, "attempts do not multiply");
}

#[tokio::test]
async fn policy_is_asked_once_per_failure() {
    #[derive(Clone)]
    struct Fickle(Arc<std::sync::atomic::AtomicU32>);
    impl RetryPolicy for Fickle {
        fn is_retryable(&self, _: StatusCode) -> bool {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0
        }

        fn decide(&self, _: &Attempt<'_>) -> Decision {
            Decision::Stop(StopReason::StoppedByPolicy)
        }
    }
    for (first, reason) in [
        (0, StopReason::StoppedByPolicy),
        (1, StopReason::NotRetryable),
    ] {
        let policy = Fickle(Arc::new(first.into()));
        let service = layer().policy(policy.clone()).layer(Script::new([503]));
        assert_eq!(service.oneshot(get()).await.refused().stop_reason(), reason);
        assert_eq!(
            policy.0.load(std::sync::atomic::Ordering::SeqCst),
            first + 1
        );
    }
}

/// Promise (cause): A request that was possibly applied once stays possibly applied.
///
/// A balancer: its first backend returns responses, its second has a layer of its own.
#[tokio::test]
async fn inner_error_keeps_possibly_applied() {
    let calls = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let balancer = tower::service_fn(move |_| {
        let is_first = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        async move {
            let status = if is_first { 503 } else { 400 };
            let script = Script::new([status]);
            match is_first {
                true => Ok(script.oneshot(get()).await.expect("infallible")),
                false => hasty().layer(script).oneshot(get()).await,
            }
        }
    });
    let error = hasty().layer(balancer).oneshot(get()).await.refused();
    assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    assert_eq!(error.attempts(), 1, "the inner layer's attempts alone");
    assert!(error.may_have_been_applied(), "because of the 503");
}
