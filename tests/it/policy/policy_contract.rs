//! The policy trait: forwarding, defaults and limits.

use std::{error::Error as StdError, fmt, io, sync::Arc, time::Duration};

use crate::support::{Refused, get, layer, post, quiet::*, request as with_method, script::*};
use bytes::Bytes;
use http::{Method, Response, StatusCode, request};
use revio_status::{
    Attempt, Decision, Error, MaxAttempts, NeverRetry, Resend, RetryPolicy, StandardPolicy,
    StopReason, policy_fn,
};
use tower::{Layer, ServiceExt};

const TEAPOT: StatusCode = StatusCode::IM_A_TEAPOT;

/// A policy that differs from all others in every method.
#[derive(Clone)]
struct Unusual;

impl RetryPolicy for Unusual {
    fn is_retryable(&self, status: StatusCode) -> bool {
        status == TEAPOT
    }

    fn is_unsent(&self, error: &(dyn StdError + 'static)) -> bool {
        error.is::<fmt::Error>()
    }

    fn is_retryable_error(&self, error: &(dyn StdError + 'static), is_unsent: bool) -> bool {
        error.is::<fmt::Error>() && !is_unsent
    }

    fn resend(&self, request: &request::Parts) -> Resend {
        match request.method {
            Method::GET => Resend::Never,
            Method::POST => Resend::Always,
            _ => Resend::IfUnapplied,
        }
    }

    fn attempt_limit(&self, _: &request::Parts) -> u32 {
        17
    }

    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Retry { after: 19 * SECOND }
    }

    fn cools_down(&self, status: StatusCode) -> bool {
        status == TEAPOT
    }

    fn max_hold(&self) -> Option<Duration> {
        Some(23 * SECOND)
    }
}

fn parts(method: Method) -> request::Parts {
    with_method(method).into_parts().0
}

fn replies(policy: &dyn RetryPolicy) -> Vec<String> {
    let (get, io) = (parts(Method::GET), io::Error::other("lost"));
    let response = Response::builder().status(503).body(()).expect("valid");
    let (response, body) = (response.into_parts().0, Bytes::new());
    let attempt = Attempt::new(&get, &response, &body);
    let mut all = vec![
        format!("{:?}", policy.decide(&attempt)),
        format!("{:?}", policy.attempt_limit(&get)),
        format!("{:?}", policy.max_hold()),
    ];
    for status in [
        TEAPOT,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::GATEWAY_TIMEOUT,
    ] {
        all.push(format!("{}", policy.is_retryable(status)));
        all.push(format!("{}", policy.cools_down(status)));
    }
    for error in [&fmt::Error as &(dyn StdError + 'static), &io] {
        all.push(format!("{}", policy.is_unsent(error)));
        for is_unsent in [false, true] {
            all.push(format!("{}", policy.is_retryable_error(error, is_unsent)));
        }
    }
    for method in [Method::GET, Method::POST, Method::PATCH] {
        all.push(format!("{:?}", policy.resend(&parts(method))));
    }
    all
}

/// Promise (cause): An `Arc` of a policy forwards every method.
#[test]
fn arc_forwards_every_method() {
    let wrapped: Arc<dyn RetryPolicy + Send + Sync> = Arc::new(Unusual);
    assert_eq!(replies(&wrapped), replies(&Unusual));
    let twice = Arc::new(wrapped);
    assert_eq!(replies(&twice), replies(&Unusual));
}

/// A policy with the trait's defaults.
#[derive(Clone)]
struct OnlyDecides;

impl RetryPolicy for OnlyDecides {
    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Retry { after: SECOND }
    }
}

#[test]
fn trait_defaults_are_as_documented() {
    let policy = OnlyDecides;
    assert_eq!(policy.resend(&parts(Method::POST)), Resend::Never);
    assert_eq!(policy.resend(&parts(Method::PATCH)), Resend::Never);
    assert_eq!(policy.resend(&parts(Method::PUT)), Resend::Always);
    assert_eq!(policy.max_hold(), Some(60 * SECOND));
    assert_eq!(policy.attempt_limit(&parts(Method::GET)), u32::MAX);
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    assert!(!policy.is_unsent(&reset));
    assert!(!policy.is_retryable_error(&reset, false));
    assert!(!policy.is_retryable_error(&reset, true));
    for status in (400..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
        let number = status.as_u16();
        assert_eq!(policy.is_retryable(status), [503, 504].contains(&number));
        assert_eq!(policy.cools_down(status), [403, 429].contains(&number));
    }
}

#[test]
fn policy_fn_defaults_are_as_documented() {
    let policy = policy_fn(|_| Decision::Stop(StopReason::StoppedByPolicy));
    assert_eq!(policy.resend(&parts(Method::POST)), Resend::IfUnapplied);
    assert_eq!(policy.resend(&parts(Method::GET)), Resend::Always);
    assert_eq!(policy.max_hold(), Some(60 * SECOND));
    assert!(policy.is_retryable(TEAPOT));
    assert!(policy.cools_down(StatusCode::FORBIDDEN) && !policy.cools_down(TEAPOT));
}

#[test]
fn never_retry_does_nothing() {
    for method in [Method::GET, Method::POST] {
        assert_eq!(NeverRetry.resend(&parts(method)), Resend::Never);
    }
    assert_eq!(NeverRetry.max_hold(), None);
    for status in (400..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
        assert!(!NeverRetry.is_retryable(status) && !NeverRetry.cools_down(status));
    }
}

/// As `OnlyDecides`, but retries every status.
#[derive(Clone)]
struct AllStatuses;

impl RetryPolicy for AllStatuses {
    fn is_retryable(&self, _: StatusCode) -> bool {
        true
    }

    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Retry { after: SECOND }
    }
}

/// Promise (cause): A custom policy resends no POST unless its `resend` allows it.
#[tokio::test(start_paused = true)]
async fn custom_policy_resends_no_post() {
    let script = Script::new([429, 200]);
    let service = layer().policy(AllStatuses).layer(script.clone());
    let error = service.oneshot(post()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::NotIdempotent);
    assert_eq!(script.count(), 1);
}

/// Promise (cause): A custom policy holds requests for up to 60 s.
#[tokio::test(start_paused = true)]
async fn custom_policy_obeys_cooldowns() {
    let (layer, cooldown) = shared();
    let layer = layer.policy(OnlyDecides);
    begin(&cooldown, 60 * SECOND);
    let script = Script::new([200]);
    let held = tokio::spawn(layer.layer(script.clone()).oneshot(get()));
    tokio::time::sleep(59 * SECOND).await;
    assert_eq!(script.count(), 0);
    held.await.expect("no panic").expect("held, then sent");
    begin(&cooldown, 61 * SECOND);
    let error = layer.layer(script.clone()).oneshot(get()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    assert_eq!(script.count(), 1);
}

/// Promise: `NotIdempotent` comes before `AttemptsExhausted`.
#[tokio::test(start_paused = true)]
async fn idempotence_is_asked_before_attempts() {
    let mut request = post();
    request.extensions_mut().insert(MaxAttempts(1));
    let service = layer().policy(patient()).layer(Script::new([503]));
    let error = service.oneshot(request).await.refused();
    assert_eq!(error.stop_reason(), StopReason::NotIdempotent);
}

fn decide(policy: &StandardPolicy, status: u16, retry_after: &str, number: u32) -> Decision {
    let response = Response::builder().status(status);
    let response = response.header("retry-after", retry_after).body(());
    let response = response.expect("valid").into_parts().0;
    let (get, body) = (parts(Method::GET), Bytes::new());
    policy.decide(&Attempt::new(&get, &response, &body).with_number(number))
}

/// Promise (cause): Each response has one limit, either `max_hold` or `max_retry_after`.
#[test]
fn one_limit_counts_for_each_response() {
    let too_long = Decision::Stop(StopReason::RetryAfterTooLong);
    let exhausted = Decision::Stop(StopReason::AttemptsExhausted);
    let after = |seconds| Decision::Retry {
        after: seconds * SECOND,
    };
    let short_hold = policy().max_hold(5 * SECOND); // max_retry_after: 30 s
    let short_wait = policy().max_retry_after(5 * SECOND); // max_hold: 60 s
    for (policy, status, asked, expected) in [
        (&short_hold, 429, "5", after(5)),
        (&short_hold, 429, "6", too_long),
        (&short_hold, 403, "6", too_long),
        (&short_hold, 503, "30", after(30)),
        (&short_hold, 503, "31", too_long),
        (&short_wait, 429, "60", after(60)),
        (&short_wait, 429, "61", too_long),
        (&short_wait, 503, "5", after(5)),
        (&short_wait, 503, "6", too_long),
    ] {
        assert_eq!(
            decide(policy, status, asked, 1),
            expected,
            "{status} {asked}"
        );
        assert_eq!(
            decide(policy, status, asked, 2),
            expected,
            "{status} {asked}"
        );
        assert_eq!(decide(policy, status, asked, 3), exhausted);
    }
}

#[test]
#[should_panic(expected = "cool_down_on(200)")]
fn cool_down_on_200_panics() {
    let _ = StandardPolicy::default().cool_down_on(StatusCode::OK);
}

#[test]
#[should_panic(expected = "cool_down_on(399)")]
fn cool_down_on_399_panics() {
    let status = StatusCode::from_u16(399).expect("valid");
    let _ = StandardPolicy::default().cool_down_on(status);
}

/// Promise (cause): A POST is kept only if a retried failure can leave it unapplied.
#[test]
fn post_is_kept_only_if_resend_is_possible() {
    let with = |status: StatusCode| StandardPolicy::default().retry_on(status);
    let with = |status: u16| with(StatusCode::from_u16(status).expect("valid"));
    for (policy, expected) in [
        (StandardPolicy::default(), Resend::Never),
        (with(500), Resend::Never),
        (with(502), Resend::Never),
        (with(408), Resend::Never),
        (with(501), Resend::IfUnapplied),
        (with(429), Resend::IfUnapplied),
        (with(500).retry_on(TEAPOT), Resend::IfUnapplied),
        (
            StandardPolicy::default().retry_unsent(),
            Resend::IfUnapplied,
        ),
        (
            StandardPolicy::default().retry_transient(),
            Resend::IfUnapplied,
        ),
    ] {
        assert_eq!(policy.resend(&parts(Method::POST)), expected, "{policy:?}");
        assert_eq!(policy.resend(&parts(Method::GET)), Resend::Always);
    }
}

/// Promise (cause): An error of unknown history has 0 attempts.
#[test]
fn foreign_error_has_no_attempts() {
    let foreign: revio_status::BoxError = "unknown".into();
    let error = Error::from(foreign);
    assert_eq!(error.attempts(), 0);
    assert_eq!(error.stop_reason(), StopReason::NotRetryable);
    assert!(error.may_have_been_applied());
}

/// Promise (cause): An RFC 850 date fifty years ahead is in the future.
#[test]
fn rfc_850_date_in_fifty_years_is_future() {
    const FIFTY: u64 = 50 * 31_556_952; // seconds, the Gregorian mean
    for (date, expected) in [
        ("Wednesday, 01-Jan-20 03:00:00 GMT", Some(FIFTY)),
        ("Wednesday, 01-Jan-20 03:00:01 GMT", None), // 1920 began on a Thursday
    ] {
        let response = Response::builder()
            .status(503)
            .header("date", "Thu, 01 Jan 1970 00:00:00 GMT")
            .header("retry-after", date)
            .body(Bytes::new());
        let error = revio_status::StatusError::from_response(response.expect("valid"));
        let wait = error.expect("a failure").retry_after();
        assert_eq!(wait, expected.map(Duration::from_secs));
    }
}
