//! Per-request settings in the request's extensions: `MaxAttempts` and `TimeLimit`.

use std::{sync::Arc, time::Duration};

use crate::support::{Refused, body::*, hasty, layer, request, script::*};
use bytes::Bytes;
use http::{Extensions, Method, Request};
use http_body_util::Full;
use revio_status::{
    Backoff, Decision, MaxAttempts, NeverRetry, ResendCount, RetryPolicy, RevioStatusLayer,
    StandardPolicy, StopReason, TimeLimit, policy_fn,
};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn with<T: Clone + Send + Sync + 'static>(method: Method, value: T) -> Request<Full<Bytes>> {
    let mut request = request(method);
    request.extensions_mut().insert(value);
    request
}

async fn attempts<P>(layer: RevioStatusLayer<P>, value: MaxAttempts) -> usize
where
    P: RetryPolicy + Clone,
{
    let script = Script::new([503]);
    let service = layer.layer(script.clone());
    let error = service.oneshot(with(Method::GET, value)).await.refused();
    assert_eq!(error.stop_reason(), StopReason::AttemptsExhausted);
    assert_eq!(error.attempts() as usize, script.count());
    script.count()
}

/// Promise (once): `MaxAttempts` and `TimeLimit` on a request override the policy and the layer.
#[tokio::test(start_paused = true)]
async fn max_attempts_overrides_policy() {
    for (value, expected) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
        assert_eq!(attempts(hasty(), MaxAttempts(value)).await, expected);
    }
    let patient = StandardPolicy::default()
        .backoff(Backoff::none())
        .max_attempts(9);
    assert_eq!(attempts(layer().policy(patient), MaxAttempts(2)).await, 2);
}

#[tokio::test(start_paused = true)]
async fn max_attempts_limits_any_policy() {
    let endless = policy_fn(|_| Decision::Retry {
        after: Duration::ZERO,
    });
    assert_eq!(attempts(layer().policy(endless), MaxAttempts(4)).await, 4);
    let standard = StandardPolicy::default().backoff(Backoff::none());
    let wrapped: Arc<dyn RetryPolicy + Send + Sync> = Arc::new(standard);
    assert_eq!(attempts(layer().policy(wrapped), MaxAttempts(4)).await, 4);
    let (head, _) = with(Method::GET, MaxAttempts(4)).into_parts();
    assert_eq!(
        NeverRetry.attempt_limit(&head),
        1,
        "`NeverRetry` ignores it"
    );
    let (head, _) = with(Method::GET, MaxAttempts(0)).into_parts();
    assert_eq!(StandardPolicy::default().attempt_limit(&head), 1);
}

/// Promise (once): `MaxAttempts` and `TimeLimit` on a request override the policy and the layer.
#[tokio::test(start_paused = true)]
async fn request_time_limit_overrides_layer() {
    for (of_the_layer, of_the_request, sent) in [
        (None, 4 * SECOND, 1),
        (None, 5 * SECOND, 2),
        (Some(SECOND), 9 * SECOND, 3),
        (Some(60 * SECOND), 4 * SECOND, 1),
    ] {
        let mut layer = hasty();
        if let Some(deadline) = of_the_layer {
            layer = layer.time_limit(deadline);
        }
        let script = Script::new([answer(503).retry_after("4")]);
        let service = layer.layer(script.clone());
        let get = with(Method::GET, TimeLimit(of_the_request));
        let error = service.oneshot(get).await.refused();
        let reason = match sent {
            3 => StopReason::AttemptsExhausted,
            _ => StopReason::DeadlineExceeded,
        };
        assert_eq!((error.stop_reason(), script.count()), (reason, sent));
    }
}

#[tokio::test(start_paused = true)]
async fn error_body_reading_ends_at_time_limit() {
    let begun = Instant::now();
    let script = Script::new([answer(400).body([data("so"), Step::Hang])]);
    let service = hasty().time_limit(4 * SECOND).layer(script);
    let post = with(Method::POST, TimeLimit(2 * SECOND));
    assert!(service.oneshot(post).await.refused().is_body_truncated());
    assert_eq!(begun.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn overflowing_time_limit_is_no_deadline() {
    let script = Script::new([answer(503).retry_after("4"), answer(200)]);
    let service = hasty().time_limit(SECOND).layer(script);
    let get = with(Method::GET, TimeLimit(Duration::MAX));
    service.oneshot(get).await.expect("in time");
}

#[tokio::test(start_paused = true)]
async fn attempt_has_remaining_time() {
    let policy = policy_fn(|attempt| {
        assert_eq!(attempt.remaining(), Some(7 * SECOND));
        Decision::Stop(StopReason::StoppedByPolicy)
    });
    let service = layer().policy(policy).layer(Script::new([503]));
    let get = with(Method::GET, TimeLimit(7 * SECOND));
    service.oneshot(get).await.refused();
}

/// Lower layers see these extensions like any other.
#[tokio::test(start_paused = true)]
async fn extensions_stay_on_every_attempt() {
    let script = Script::new([503, 200]);
    let mut get = with(Method::GET, MaxAttempts(2));
    get.extensions_mut().insert(TimeLimit(SECOND));
    hasty()
        .layer(script.clone())
        .oneshot(get)
        .await
        .expect("200");
    for (number, sent) in script.sent().into_iter().enumerate() {
        let of = |extensions: &Extensions| {
            (
                extensions.get().copied(),
                extensions.get().copied(),
                extensions.get().copied(),
            )
        };
        let resend = (number > 0).then_some(ResendCount(1));
        let expected = (Some(MaxAttempts(2)), Some(TimeLimit(SECOND)), resend);
        assert_eq!(of(&sent.head.extensions), expected);
    }
}
