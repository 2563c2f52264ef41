//! The budget: exact at every ratio, shared by clones, asked last.

use std::time::Duration;

use crate::support::{Refused, body::*, get, hasty, layer, post, script::*, with_body};
use bytes::Bytes;
use http::StatusCode;
use revio_status::{
    Backoff, Budget, Decision, RevioStatusLayer, StandardPolicy, StopReason, policy_fn,
};
use tower::{Layer, ServiceExt};

/// Sends `count` GETs, one after the other. Returns the number of resends.
async fn send(layer: &RevioStatusLayer, count: u32, statuses: &[u16]) -> u32 {
    let script = Script::new(statuses.iter().copied());
    for _ in 0..count {
        // The result does not matter here.
        let _ = layer.layer(script.clone()).oneshot(get()).await;
    }
    script.count() as u32 - count
}

/// Returns a layer that retries once, without delay.
fn once_more(budget: &Budget) -> RevioStatusLayer {
    let policy = StandardPolicy::default().max_attempts(2);
    layer()
        .policy(policy.backoff(Backoff::none()))
        .budget(budget.clone())
}

#[tokio::test]
async fn ten_thousand_deposits_are_exact() {
    for (ratio, earned) in [(0.3, 3_000), (0.6, 6_000), (0.99, 9_900), (0.000_1, 1)] {
        let budget = Budget::new(10_000, ratio);
        let layer = once_more(&budget);
        assert_eq!(send(&layer, 10_000, &[503]).await, 10_000, "the reserve");
        assert_eq!(budget.available(), 0);
        assert_eq!(send(&layer, 10_000, &[200]).await, 0);
        assert_eq!(budget.available(), earned, "at {ratio}");
        assert_eq!(send(&layer, 10_000, &[503]).await, earned, "at {ratio}");
        assert_eq!(budget.available(), 0);
    }
}

#[tokio::test]
async fn successful_retry_makes_a_deposit() {
    // Every request fails once. A retry costs 1 and its success deposits 0.6, so 100 − 0.4 n
    // remains after n requests; the last request that finds a whole retry is number 248.
    let budget = Budget::new(100, 0.6);
    let layer = once_more(&budget);
    let mut resent = 0;
    for _ in 0..10_000 {
        resent += send(&layer, 1, &[503, 200]).await;
    }
    assert_eq!(resent, 248);
}

#[tokio::test]
async fn default_is_100_and_1_per_10() {
    let layer = once_more(&Budget::default());
    assert_eq!(send(&layer, 1_000, &[503]).await, 100);
    assert_eq!(send(&layer, 1_000, &[200]).await, 0);
    assert_eq!(send(&layer, 1_000, &[503]).await, 100);
}

#[tokio::test]
async fn empty_budget_stops_the_retry() {
    let service = once_more(&Budget::new(0, 1.0)).layer(Script::new([503]));
    let error = service.oneshot(get()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::BudgetExhausted);
}

#[tokio::test]
async fn no_budget_limits_no_retry() {
    let layer = hasty().no_budget();
    assert_eq!(send(&layer, 1_000, &[503]).await, 2_000);
}

#[tokio::test]
async fn clones_share_the_budget() {
    let budget = Budget::new(3, 0.0);
    let layer = once_more(&budget);
    let service = layer.clone().layer(Script::new([503]));
    service.clone().oneshot(get()).await.refused();
    service.oneshot(get()).await.refused();
    assert_eq!(send(&layer.clone(), 5, &[503]).await, 1);
    assert_eq!(budget.clone().available(), 0);

    let defaults = hasty();
    assert_eq!(send(&defaults.clone(), 40, &[503]).await, 80);
    assert_eq!(send(&defaults.clone(), 40, &[503]).await, 20);
}

#[tokio::test]
async fn retryable_failure_makes_no_deposit() {
    for (statuses, makes_deposit) in [
        (&[200][..], true),
        (&[301], true),
        (&[404], true),
        (&[500], true),
        (&[503], false),
    ] {
        let budget = Budget::new(2, 0.5);
        let layer = once_more(&budget);
        send(&layer, 2, &[503]).await; // spends all
        send(&layer, 2, statuses).await;
        let expected = u32::from(makes_deposit);
        assert_eq!(budget.available(), expected, "{statuses:?}");
    }
}

/// Promise (load): A request that is sent once makes its deposit too.
#[tokio::test]
async fn request_sent_once_makes_a_deposit() {
    let budget = Budget::new(2, 0.5);
    let layer = once_more(&budget);
    send(&layer, 2, &[503]).await; // spends all
    for status in [200, 400] {
        let service = layer.layer(Script::new([status]));
        let _ = service.oneshot(post()).await;
    }
    assert_eq!(budget.available(), 1);
}

#[tokio::test]
async fn no_response_makes_no_deposit() {
    let budget = Budget::new(2, 0.5);
    let layer = once_more(&budget);
    send(&layer, 2, &[503]).await;
    let broken = tower::service_fn(|_| async { Err::<http::Response<String>, _>("no route") });
    for _ in 0..4 {
        layer
            .layer(broken)
            .oneshot(get())
            .await
            .expect_err("no response");
    }
    assert_eq!(budget.available(), 0);
}

/// Promise (load): The budget is asked last, and a retry that is not sent returns to it.
///
/// Each earlier question stops a request in turn; the budget stays full.
#[tokio::test(start_paused = true)]
async fn budget_is_asked_last() {
    let budget = Budget::new(5, 0.0);
    let layer = || {
        hasty()
            .budget(budget.clone())
            .time_limit(Duration::from_secs(9))
    };
    let failing = |status: u16| Script::new([answer(status).retry_after("10")]);
    let long = with_body(
        http::Method::PUT,
        Steps::chunks([Bytes::from_static(b"too long")]),
    );
    let stop = policy_fn(|_| Decision::Stop(StopReason::StoppedByPolicy));
    let refusals = [
        (
            layer().layer(failing(500)).oneshot(get()).await,
            StopReason::NotRetryable,
        ),
        (
            layer().layer(failing(503)).oneshot(post()).await,
            StopReason::NotIdempotent,
        ),
        (
            layer()
                .policy(stop)
                .layer(failing(503))
                .oneshot(get())
                .await,
            StopReason::StoppedByPolicy,
        ),
        (
            layer().layer(failing(503)).oneshot(get()).await,
            StopReason::DeadlineExceeded,
        ),
        (
            layer()
                .replay_body_limit(7)
                .layer(Script::new([503]))
                .oneshot(long)
                .await,
            StopReason::BodyNotReplayable,
        ),
    ];
    for (result, reason) in refusals {
        assert_eq!(result.refused().stop_reason(), reason);
    }
    assert_eq!(budget.available(), 5);
}

/// Promise (load): A retry sent earlier than a cool-down's response asked for costs budget.
///
/// Only a retry that waits as long as the response asked for is paced.
#[tokio::test(start_paused = true)]
async fn retry_before_cooldown_ends_costs_budget() {
    let budget = Budget::new(0, 0.0);
    for (wait, attempts) in [(9, 1), (10, 2)] {
        let after = Duration::from_secs(wait);
        let policy = policy_fn(move |attempt| match attempt.number() {
            1 => Decision::Retry { after },
            _ => Decision::Stop(StopReason::StoppedByPolicy),
        });
        let service = layer().policy(policy).budget(budget.clone());
        let service = service.layer(Script::new([answer(429).retry_after("10")]));
        let error = service.oneshot(get()).await.refused();
        assert_eq!(error.attempts(), attempts, "{error}");
    }
}

/// Promise (load): The budget is asked last, and a retry that is not sent returns to it.
#[tokio::test(start_paused = true)]
async fn cancelled_retry_is_returned() {
    let budget = Budget::new(5, 0.0);
    let layer = hasty().budget(budget.clone());
    let service = layer.layer(Script::new([answer(503).retry_after("10")]));
    let request = tokio::spawn(service.oneshot(get()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(budget.available(), 4, "withdrawn while it sleeps");
    request.abort();
    assert!(request.await.expect_err("aborted").is_cancelled());
    assert_eq!(budget.available(), 5);
}

/// Promise (load): A request that is sent once makes its deposit too.
#[tokio::test]
async fn never_retry_makes_deposits_alone() {
    let budget = Budget::new(1, 0.5);
    send(&once_more(&budget), 1, &[503]).await;
    let service = hasty()
        .never_retry()
        .budget(budget.clone())
        .layer(Script::new([503]));
    for _ in 0..2 {
        let error = service.clone().oneshot(get()).await.refused();
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    // For this policy no status is retryable, so each response makes a deposit.
    assert_eq!(budget.available(), 1);
}

/// Returns a budget that one request has exhausted, and its layer.
async fn emptied(reserve: u32, per_request: f64) -> (Budget, RevioStatusLayer) {
    let budget = Budget::new(reserve, per_request);
    let policy = StandardPolicy::default().max_attempts(u32::MAX);
    let layer = hasty().budget(budget.clone());
    let patient = layer.clone().policy(policy.backoff(Backoff::none()));
    let error = patient
        .layer(Script::new([503]))
        .oneshot(get())
        .await
        .refused();
    assert_eq!((error.attempts(), budget.available()), (reserve + 1, 0));
    (budget, layer)
}

/// Promise (load): The budget is exact, also across threads.
#[tokio::test]
async fn six_digit_ratio_is_exact() {
    for millionths in [290_000, 570_000, 580_000, 123_457, 999_999, 2_900, 249] {
        let ratio = f64::from(millionths) / 1e6;
        let (budget, layer) = emptied(1_000, ratio).await;
        let until_one = 1_000_000_u32.div_ceil(millionths);
        assert_eq!(send(&layer, until_one - 1, &[200]).await, 0);
        assert_eq!(budget.available(), 0, "at {ratio}");
        send(&layer, 1, &[200]).await;
        assert_eq!(budget.available(), 1, "at {ratio}");
    }
    let (budget, layer) = emptied(1_000, 0.29).await;
    send(&layer, 100, &[200]).await;
    assert_eq!(budget.available(), 29);
}

#[tokio::test]
async fn deposits_stop_at_the_reserve() {
    let (budget, layer) = emptied(10, 7.5).await;
    send(&layer, 3, &[200]).await;
    assert_eq!(budget.available(), 10);
    let policy = StandardPolicy::default().max_attempts(u32::MAX);
    let patient = layer.policy(policy.backoff(Backoff::none()));
    let error = patient
        .layer(Script::new([503]))
        .oneshot(get())
        .await
        .refused();
    assert_eq!(error.attempts(), 11);
}

#[tokio::test(start_paused = true)]
async fn external_retries_share_the_budget() {
    let budget = Budget::new(2, 0.5);
    assert!(budget.withdraw());
    let layer = once_more(&budget);
    assert_eq!(send(&layer, 1, &[503, 503]).await, 1);
    assert!(!budget.withdraw(), "the layer took the last one");
    budget.deposit();
    assert!(!budget.withdraw());
    budget.deposit();
    assert!(budget.withdraw());
}
