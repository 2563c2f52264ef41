//! Every default setting, pinned from both sides, with its reason. A change of one changes how the
//! users' requests behave: it belongs into the changelog.

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
/// One retry mends the single fault, the second one a fault in the retry. More only adds load.
#[tokio::test(start_paused = true)]
async fn three_attempts() {
    let script = Script::new([503]);
    assert_eq!(refused(&script, empty_get()).await.attempts(), 3);
    assert_eq!(script.count(), 3);
    let (head, _) = get().into_parts();
    assert_eq!(StandardPolicy::default().attempt_limit(&head), 3);
}

/// Promise (bounds): Every default is the documented one.
///
/// What the API's document calls temporary. 429 counts for a whole account: who names it, chooses.
#[test]
fn retried_are_503_and_504_alone() {
    let policy = StandardPolicy::default();
    let retried = (400..=999).filter(|status| {
        let status = StatusCode::from_u16(*status).expect("three digits");
        policy.is_retryable(status)
    });
    assert_eq!(retried.collect::<Vec<_>>(), [503, 504]);
}

/// As long as most people wait for anything; a longer wait is for the caller to plan.
#[test]
fn a_retry_after_of_thirty_seconds_is_waited_for_and_no_millisecond_more() {
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

/// Full jitter spreads those who failed together. From half a second a single fault costs a user
/// little; beyond twenty seconds a longer wait spreads no better.
#[test]
fn backoff_from_half_a_second_to_twenty_with_jitter() {
    let (base, max) = (Duration::from_millis(500), Duration::from_secs(20));
    assert_eq!(Backoff::default(), Backoff::exponential(base, max));
    assert_ne!(
        Backoff::default(),
        Backoff::exponential(base, max).without_jitter()
    );
}

/// The policy's own default is that one: of 2,000 waits the longest are near their bound, and the
/// shortest near zero. (Outside these limits by chance: less than once in 10^40.)
#[test]
fn the_standard_policy_waits_by_that_backoff() {
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

/// Ten seconds of a process that uses up its account's 500 calls a minute: enough for a restart,
/// too little to double an outage.
#[test]
fn a_hundred_retries_in_reserve() {
    let budget = Budget::default();
    assert_eq!(budget.available(), 100);
    assert_eq!((0..1_000).filter(|_| budget.withdraw()).count(), 100);
}

/// Promise (bounds): Every default is the documented one.
///
/// Once the reserve is spent, retries add a tenth to the load at most.
#[test]
fn ten_requests_earn_a_retry() {
    let budget = Budget::default();
    assert!(budget.withdraw());
    (0..9).for_each(|_| budget.deposit());
    assert_eq!(budget.available(), 99);
    budget.deposit();
    assert_eq!(budget.available(), 100);
}

/// The layer's own is that one.
#[tokio::test(start_paused = true)]
async fn a_layer_has_a_budget_of_a_hundred() {
    let script = Script::new([503]);
    let service = hasty().layer(script.clone());
    for _ in 0..60 {
        service.clone().oneshot(get()).await.refused();
    }
    assert_eq!(script.count(), 60 + 100);
}

/// The account's limit is one of calls a minute: who is held for longer is better told.
#[test]
fn a_cool_down_holds_for_a_minute_at_most() {
    let max_hold = RetryPolicy::max_hold(&StandardPolicy::default());
    assert_eq!(max_hold, Some(Duration::from_secs(60)));
}

/// A server that asks for more may mean it; an hour by mistake must not stop a fleet.
#[tokio::test(start_paused = true)]
async fn a_cool_down_is_armed_for_five_minutes_at_most() {
    for (asked, armed) in [("299", 299), ("301", 300)] {
        let cooldown = Cooldown::default();
        let script = Script::new([answer(429).retry_after(asked)]);
        let service = layer().cooldown(cooldown.clone()).layer(script);
        let now = Instant::now().into_std();
        service.oneshot(get()).await.refused();
        let time = cooldown.until().expect("armed") - now;
        assert_eq!(time.as_secs(), armed);
    }
}

/// What the gateway says of the account. A 503 may be one back end's of many.
#[test]
fn quiet_is_asked_for_by_429_and_403_alone() {
    let policy = StandardPolicy::default();
    let arming = (400..=999).filter(|status| {
        let status = StatusCode::from_u16(*status).expect("three digits");
        policy.cools_down(status)
    });
    assert_eq!(arming.collect::<Vec<_>>(), [403, 429]);
}

/// Only the caller knows how long the request is worth waiting for.
#[tokio::test(start_paused = true)]
async fn no_deadline() {
    let policy = StandardPolicy::default().max_retry_after(Duration::MAX);
    let week = Duration::from_secs(604_800);
    let script = Script::new([answer(503).retry_after("604800"), answer(200)]);
    let service = layer()
        .policy(policy.backoff(Backoff::none()))
        .layer(script.clone());
    service.oneshot(get()).await.expect("a week later");
    assert_eq!(script.waits(), [week]);
}

/// More than a page for a person needs, and a thousand failures at once are 64 MiB.
#[tokio::test(start_paused = true)]
async fn of_a_failed_body_64_kib_are_kept() {
    for (length, is_truncated) in [(64 * KIB, false), (64 * KIB + 1, true)] {
        let script = Script::new([answer(400).body([data(vec![b'x'; length])])]);
        let error = refused(&script, empty_get()).await;
        assert_eq!(error.body().len(), 64 * KIB);
        assert_eq!(error.is_body_truncated(), is_truncated);
    }
}

/// A server that has said its status and then stalls has told the essential part.
#[tokio::test(start_paused = true)]
async fn a_failed_body_is_read_for_five_seconds() {
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

/// The API's own requests are JSON of a few KiB. A thousand on their way are 64 MiB.
#[tokio::test(start_paused = true)]
async fn of_a_request_body_64_kib_are_kept() {
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

/// A layer that nobody has told anything has that policy: three attempts, half a minute of
/// `Retry-After`, and its backoff on top.
#[tokio::test(start_paused = true)]
async fn a_layer_has_the_standard_policy() {
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
/// The other two columns of the guide's table.
#[test]
fn the_two_other_starts_are_those_of_the_guide() {
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

/// Messages, `new`, and hyper-util's word on what was not sent, for those who name no feature;
/// tower-http only on request.
#[test]
fn the_features_are_those_that_most_need() {
    let manifest = include_str!("../../../Cargo.toml");
    assert!(manifest.contains("\ndefault = [\"hyper-util\", \"json\", \"tokio\"]\n"));
}
