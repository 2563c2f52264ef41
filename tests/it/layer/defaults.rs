//! Every default setting, pinned from both sides, with its reason. A changed default belongs in the
//! changelog.

use std::time::Duration;

use crate::support::{self, AnyBody, Refused, body::*, get, hasty, layer, script::*, with_body};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use revio_status::{
    Attempt, Backoff, Budget, Cooldown, Decision, RetryPolicy, StandardPolicy, StatusError,
    StopReason,
};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const KIB: usize = 1024;

async fn refused(script: &Script, request: Request<AnyBody>) -> StatusError {
    hasty()
        .layer(script.clone())
        .oneshot(request)
        .await
        .refused()
}

fn empty_get() -> Request<AnyBody> {
    with_body(Method::GET, support::no_body())
}

/// Promise (bounds): Every default is the documented one.
///
/// The first retry covers a single fault, the second one a fault in the retry. More only adds load.
#[tokio::test(start_paused = true)]
async fn default_attempts_are_three() {
    let script = Script::new([503]);
    assert_eq!(refused(&script, empty_get()).await.attempts(), 3);
    assert_eq!(script.count(), 3);
    let (head, _) = get().into_parts();
    assert_eq!(StandardPolicy::default().attempt_limit(&head), 3);
}

/// Promise (bounds): Every default is the documented one.
///
/// The API's documentation calls 503 and 504 temporary. A 429 concerns a whole account: opt-in.
#[test]
fn default_retried_statuses_are_503_and_504() {
    let policy = StandardPolicy::default();
    let retried = (400..=999).filter(|status| {
        let status = StatusCode::from_u16(*status).expect("three digits");
        policy.is_retryable(status)
    });
    assert_eq!(retried.collect::<Vec<_>>(), [503, 504]);
}

/// A caller rarely waits longer than 30 s for a response; it should plan a longer wait itself.
#[test]
fn default_max_retry_after_is_30_s() {
    let decide = |milliseconds: &str| {
        let (request, ()) = Request::new(()).into_parts();
        let response = Response::builder().header("retry-after-ms", milliseconds);
        let (mut response, ()) = response.body(()).expect("a number").into_parts();
        response.status = StatusCode::SERVICE_UNAVAILABLE;
        let body = Bytes::new();
        let policy = StandardPolicy::default().backoff(Backoff::none());
        policy.decide(&Attempt::new(&request, &response, &body))
    };
    let after = Duration::from_secs(30);
    assert_eq!(decide("30000"), Decision::Retry { after });
    let too_long = StopReason::RetryAfterTooLong;
    assert_eq!(decide("30001"), Decision::Stop(too_long));
}

/// Full jitter spreads requests that failed together. Half a second costs little after a single fault;
/// beyond 20 s a longer delay spreads no better.
#[test]
fn default_backoff_is_500_ms_to_20_s() {
    let (base, max) = (Duration::from_millis(500), Duration::from_secs(20));
    assert_eq!(Backoff::default(), Backoff::exponential(base, max));
    assert_ne!(
        Backoff::default(),
        Backoff::exponential(base, max).without_jitter()
    );
}

/// The longest of 2,000 delays are near their bound, the shortest near zero. (The test fails by
/// chance less than once in 10^40 runs.)
#[test]
fn standard_policy_uses_default_backoff() {
    let (request, ()) = Request::new(()).into_parts();
    let (mut response, ()) = Response::new(()).into_parts();
    response.status = StatusCode::SERVICE_UNAVAILABLE;
    let body = Bytes::new();
    let policy = StandardPolicy::default().max_attempts(u32::MAX);
    for (number, bound) in [
        (1, 500),
        (2, 1_000),
        (6, 16_000),
        (7, 20_000),
        (1_000, 20_000),
    ] {
        let attempt = || Attempt::new(&request, &response, &body).with_number(number);
        let waits = (0..2_000).map(|_| match policy.decide(&attempt()) {
            Decision::Retry { after } => after.as_millis(),
            Decision::Stop(reason) => panic!("{reason}"),
        });
        let (least, most) = waits.fold((u128::MAX, 0), |(least, most), wait| {
            (least.min(wait), most.max(wait))
        });
        assert!(least < bound / 20, "after {number}: at least {least} ms");
        assert!(most <= bound && most > bound - bound / 20, "{most} ms");
    }
}

/// Equals the calls of about ten seconds at 500 a minute: enough for a restart, too few to double an
/// outage's load.
#[test]
fn default_budget_reserve_is_100() {
    let budget = Budget::default();
    assert_eq!(budget.available(), 100);
    assert_eq!((0..1_000).filter(|_| budget.withdraw()).count(), 100);
}

/// Promise (bounds): Every default is the documented one.
///
/// After the reserve is spent, retries add at most a tenth to the load.
#[test]
fn default_budget_deposit_is_a_tenth() {
    let budget = Budget::default();
    assert!(budget.withdraw());
    (0..9).for_each(|_| budget.deposit());
    assert_eq!(budget.available(), 99);
    budget.deposit();
    assert_eq!(budget.available(), 100);
}

#[tokio::test(start_paused = true)]
async fn default_layer_has_default_budget() {
    let script = Script::new([503]);
    let service = hasty().layer(script.clone());
    for _ in 0..60 {
        service.clone().oneshot(get()).await.refused();
    }
    assert_eq!(script.count(), 60 + 100);
}

/// The account's quota is per minute: a caller that would wait longer should get an error.
#[test]
fn default_max_hold_is_60_s() {
    let max_hold = RetryPolicy::max_hold(&StandardPolicy::default());
    assert_eq!(max_hold, Some(Duration::from_secs(60)));
}

/// A mistaken `Retry-After` of an hour must not stop a fleet.
#[tokio::test(start_paused = true)]
async fn default_cooldown_limit_is_300_s() {
    for (asked, expected) in [("299", 299), ("301", 300)] {
        let cooldown = Cooldown::default();
        let script = Script::new([answer(429).retry_after(asked)]);
        let service = layer().cooldown(cooldown.clone()).layer(script);
        let now = Instant::now().into_std();
        service.oneshot(get()).await.refused();
        let time = cooldown.until().expect("started") - now;
        assert_eq!(time.as_secs(), expected);
    }
}

/// The gateway sends 403 and 429 for a whole account. A 503 may come from one back end of many.
#[test]
fn default_cooldown_statuses_are_403_and_429() {
    let policy = StandardPolicy::default();
    let starting = (400..=999).filter(|status| {
        let status = StatusCode::from_u16(*status).expect("three digits");
        policy.cools_down(status)
    });
    assert_eq!(starting.collect::<Vec<_>>(), [403, 429]);
}

/// Only the caller knows how long its request may take.
#[tokio::test(start_paused = true)]
async fn default_time_limit_is_none() {
    let policy = StandardPolicy::default().max_retry_after(Duration::MAX);
    let week = Duration::from_secs(604_800);
    let script = Script::new([answer(503).retry_after("604800"), answer(200)]);
    let service = layer()
        .policy(policy.backoff(Backoff::none()))
        .layer(script.clone());
    service.oneshot(get()).await.expect("a week later");
    assert_eq!(script.waits(), [week]);
}

/// Larger than any error page; a thousand failures at once take 64 MiB.
#[tokio::test(start_paused = true)]
async fn default_error_body_limit_is_64_kib() {
    for (length, is_truncated) in [(64 * KIB, false), (64 * KIB + 1, true)] {
        let script = Script::new([answer(400).body([data(vec![b'x'; length])])]);
        let error = refused(&script, empty_get()).await;
        assert_eq!(error.body().len(), 64 * KIB);
        assert_eq!(error.is_body_truncated(), is_truncated);
    }
}

/// A stalled body is not worth a longer wait: the status is already known.
#[tokio::test(start_paused = true)]
async fn default_error_body_timeout_is_5_s() {
    let begun = Instant::now();
    let script = Script::new([answer(400).body([data("so"), Step::Hang])]);
    assert!(refused(&script, empty_get()).await.is_body_truncated());
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    let almost = Duration::from_millis(4_999);
    let script = Script::new([answer(400).body([data("so"), Step::Wait(almost), data(" what")])]);
    let error = refused(&script, empty_get()).await;
    assert_eq!(error.message(), Some("so what"));
    assert!(!error.is_body_truncated());
}

/// The API's requests are JSON of a few KiB. A thousand in flight take 64 MiB.
#[tokio::test(start_paused = true)]
async fn default_replay_body_limit_is_64_kib() {
    for (length, reason) in [
        (64 * KIB, StopReason::AttemptsExhausted),
        (64 * KIB + 1, StopReason::BodyNotReplayable),
    ] {
        let body = support::any_body(Full::new(Bytes::from(vec![b'x'; length])));
        let script = Script::new([503]);
        let error = refused(&script, with_body(Method::PUT, body)).await;
        assert_eq!(error.stop_reason(), reason, "{length} bytes");
    }
}

/// Three attempts, up to 30 s of `Retry-After`, and the backoff on top.
#[tokio::test(start_paused = true)]
async fn default_layer_has_standard_policy() {
    let script = Script::new([answer(503).retry_after("30")]);
    let service = layer().layer(script.clone());
    let error = service.oneshot(get()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::AttemptsExhausted);
    let [first, second] = script.waits()[..] else {
        panic!("three attempts: {:?}", script.waits());
    };
    let asked = Duration::from_secs(30);
    let tick = Duration::from_millis(1); // the timer's
    assert!(first >= asked && first <= asked + Duration::from_millis(500) + tick);
    assert!(second >= asked && second <= asked + Duration::from_secs(1) + tick);

    let script = Script::new([answer(503).retry_after("31")]);
    let service = layer().layer(script.clone());
    let error = service.oneshot(get()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::RetryAfterTooLong);
}

/// Promise (bounds): Every default is the documented one.
///
/// They are the other two columns of the guide's table.
#[test]
fn interactive_and_batch_match_the_guide() {
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    let interactive = StandardPolicy::default()
        .max_attempts(2)
        .backoff(Backoff::exponential(Duration::from_millis(250), second))
        .max_retry_after(second)
        .max_hold(second);
    let batch = StandardPolicy::default()
        .max_attempts(5)
        .backoff(Backoff::exponential(2 * second, minute))
        .max_retry_after(5 * minute)
        .max_hold(15 * minute)
        .retry_on(StatusCode::TOO_MANY_REQUESTS);
    for (start, expected) in [
        (StandardPolicy::interactive(), interactive),
        (StandardPolicy::batch(), batch),
    ] {
        assert_eq!(format!("{start:?}"), format!("{expected:?}"));
    }
}

/// Messages (`json`), `new` (`tokio`) and hyper-util's unsent errors by default; tower-http is opt-in.
#[test]
fn default_features_are_pinned() {
    let manifest = include_str!("../../../Cargo.toml");
    assert!(manifest.contains("\ndefault = [\"hyper-util\", \"json\", \"tokio\"]\n"));
}
