//! Retries after a response that starts a cool-down: their spread, and their price.

use std::time::Duration;

use crate::support::{Refused, get, layer, quiet::*, script::*};
use bytes::Bytes;
use http::{Response, StatusCode};
use revio_status::{Attempt, Backoff, Budget, Decision, RetryPolicy, StandardPolicy, StopReason};
use tower::{Layer, ServiceExt};

const MS: Duration = Duration::from_millis(1);

/// Returns the shortest and the longest of 4,000 delays after this response to attempt `number`.
fn delays(
    policy: &StandardPolicy,
    (status, retry_after): (u16, &str),
    number: u32,
    remaining: Option<Duration>,
) -> (Duration, Duration) {
    let (request, _) = get().into_parts();
    let response = Response::builder().status(status);
    let response = response.header("retry-after", retry_after).body(());
    let (response, ()) = response.expect("valid").into_parts();
    let body = Bytes::new();
    let delay = |_| {
        let mut attempt = Attempt::new(&request, &response, &body).with_number(number);
        if let Some(remaining) = remaining {
            attempt = attempt.with_remaining(remaining);
        }
        match policy.decide(&attempt) {
            Decision::Retry { after } => after,
            Decision::Stop(reason) => panic!("{reason}"),
        }
    };
    let delays: Vec<_> = (0..4_000).map(delay).collect();
    let (shortest, longest) = (delays.iter().min(), delays.iter().max());
    (*shortest.expect("some"), *longest.expect("some"))
}

/// Asserts that the delays fill this range.
fn assert_range(found: (Duration, Duration), from: Duration, to: Duration) {
    let tenth = (to - from) / 10;
    let (shortest, longest) = found;
    assert!(shortest >= from && longest <= to, "{found:?}");
    assert!(
        shortest <= from + tenth && longest >= to - tenth,
        "{found:?}"
    );
}

/// Promise (load): A paced retry is spread as widely as held requests.
#[test]
fn paced_retry_is_spread_like_a_hold() {
    let policy = StandardPolicy::default().max_attempts(9);
    let cases = [
        ((429, "10"), 1, 10 * SECOND, 1_000 * MS), // a tenth of the wait
        ((403, "10"), 1, 10 * SECOND, 1_000 * MS),
        ((429, "60"), 1, 60 * SECOND, 5_000 * MS), // at most 5 s
        ((429, "60"), 5, 60 * SECOND, 8_000 * MS), // the backoff, if it is longer
        ((429, "1"), 3, SECOND, 2_000 * MS),
        ((503, "10"), 1, 10 * SECOND, 500 * MS), // starts no cool-down
        ((429, "0"), 1, Duration::ZERO, 500 * MS),
    ];
    for (response, number, asked, range) in cases {
        assert_range(
            delays(&policy, response, number, None),
            asked,
            asked + range,
        );
    }
    let quick = policy.backoff(Backoff::exponential(MS, MS));
    assert_range(delays(&quick, (429, "0"), 1, None), Duration::ZERO, MS);
    assert_range(
        delays(&quick, (429, "1"), 1, None),
        SECOND,
        SECOND + 100 * MS,
    );
}

/// Promise (load): A paced retry is spread as widely as held requests.
#[test]
fn spread_ends_halfway_to_the_deadline() {
    let policy = StandardPolicy::default();
    let asked = 10 * SECOND;
    for (left, range) in [(2_000, 1_000), (1_000, 1_000), (500, 250), (4, 2)] {
        let found = delays(&policy, (429, "10"), 1, Some(asked + left * MS));
        assert_range(found, asked, asked + range * MS);
    }
}

#[test]
fn backoff_without_jitter_has_no_spread() {
    for (backoff, expected) in [
        (Backoff::none(), 10_000),
        (Backoff::fixed(3 * SECOND), 13_000),
        (Backoff::default().without_jitter(), 10_500),
    ] {
        let policy = StandardPolicy::default().backoff(backoff);
        let found = delays(&policy, (429, "10"), 1, None);
        assert_eq!(found, (expected * MS, expected * MS));
    }
}

/// Returns the error of a request that always gets a 429, and what it cost.
async fn cost(budget: &Budget, has_cooldown: bool) -> (u32, StopReason, u32) {
    let policy = policy()
        .retry_on(StatusCode::TOO_MANY_REQUESTS)
        .max_attempts(4);
    let before = budget.available();
    let mut layer = layer().policy(policy).budget(budget.clone());
    if !has_cooldown {
        layer = layer.no_cooldown();
    }
    let script = Script::new([answer(429).retry_after("1")]);
    let error = layer.layer(script).oneshot(get()).await.refused();
    (
        error.attempts(),
        error.stop_reason(),
        before - budget.available(),
    )
}

/// Promise (load): The first paced retry of a request is free, the second one costs budget.
#[tokio::test(start_paused = true)]
async fn first_paced_retry_is_free_alone() {
    let budget = Budget::new(100, 0.0);
    let exhausted = StopReason::AttemptsExhausted;
    assert_eq!(cost(&budget, true).await, (4, exhausted, 2));
    assert_eq!(cost(&budget, true).await, (4, exhausted, 2), "per request");
    assert_eq!(cost(&budget, false).await, (4, exhausted, 3));
}

/// Promise (load): The first paced retry of a request is free, the second one costs budget.
#[tokio::test(start_paused = true)]
async fn second_paced_retry_needs_a_budget() {
    let empty = Budget::new(0, 0.0);
    let reason = StopReason::BudgetExhausted;
    assert_eq!(cost(&empty, true).await, (2, reason, 0));
}
