//! The delays before retries and the deadline, to the millisecond, on a paused clock.

use std::{collections::HashSet, time::Duration};

use crate::support::{self, Refused, get, hasty, layer, script::*};
use futures_util::future::join_all;
use http::StatusCode;
use revio_status::{Backoff, Cooldown, StandardPolicy, StopReason};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Returns the waits of a GET that fails until `attempts` are exhausted.
async fn waits(backoff: Backoff, attempts: u32, failure: impl Into<Answer>) -> Vec<Duration> {
    let policy = StandardPolicy::default();
    let policy = policy.max_attempts(attempts).backoff(backoff);
    let script = Script::new([failure]);
    let service = layer().policy(policy).layer(script.clone());
    let error = service.oneshot(get()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::AttemptsExhausted);
    script.waits()
}

/// Returns the waits of each of 200 concurrent requests.
async fn many_waits(backoff: Backoff, attempts: u32, failure: Answer) -> Vec<Vec<Duration>> {
    join_all((0..200).map(|_| waits(backoff, attempts, failure.clone()))).await
}

/// Promise (load): No attempt is sent before `Retry-After` is over, whatever the timer does.
#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_exactly() {
    for (field, value, expected) in [
        ("retry-after", "7", ms(7_000)),
        ("retry-after-ms", "1500", ms(1_500)),
        ("x-ms-retry-after-ms", "1", ms(1)),
        ("retry-after", "0", ms(0)),
    ] {
        let failure = answer(503).header(field, value);
        assert_eq!(
            waits(Backoff::none(), 3, failure).await,
            [expected; 2],
            "{field}: {value}"
        );
    }
}

/// Promise (load): No attempt is sent before `Retry-After` is over, whatever the timer does.
#[tokio::test(start_paused = true)]
async fn retry_after_and_backoff_add_up() {
    let failure = answer(503).retry_after("3");
    assert_eq!(
        waits(Backoff::fixed(ms(250)), 2, failure).await,
        [ms(3_250)]
    );
}

#[tokio::test(start_paused = true)]
async fn fixed_backoff_is_exact() {
    assert_eq!(waits(Backoff::fixed(ms(250)), 4, 503).await, [ms(250); 3]);
}

#[tokio::test(start_paused = true)]
async fn unjittered_backoff_doubles_to_maximum() {
    let backoff = Backoff::exponential(ms(100), ms(700)).without_jitter();
    let expected = [100, 200, 400, 700, 700].map(ms);
    assert_eq!(waits(backoff, 6, 504).await, expected);
}

/// Promise (load): The backoff has full jitter within its bounds, drawn for each request.
#[tokio::test(start_paused = true)]
async fn default_jitter_is_within_bounds() {
    for waits in many_waits(Backoff::default(), 3, answer(503)).await {
        assert!(waits[0] <= ms(500) && waits[1] <= SECOND, "{waits:?}");
    }
}

/// Promise (load): The backoff has full jitter within its bounds, drawn for each request.
#[tokio::test(start_paused = true)]
async fn concurrent_requests_draw_own_jitter() {
    let all = many_waits(
        Backoff::exponential(60 * SECOND, 3600 * SECOND),
        4,
        answer(503),
    )
    .await;
    let sequences: HashSet<_> = all.iter().collect();
    assert_eq!(sequences.len(), all.len());
    let halves = all.iter().filter(|waits| waits[0] < 30 * SECOND).count();
    assert!(
        (40..160).contains(&halves),
        "{halves} of 200 in the lower half"
    );
}

#[tokio::test(start_paused = true)]
async fn jitter_is_finer_than_a_second() {
    let backoff = Backoff::exponential(SECOND, SECOND);
    for waits in many_waits(backoff, 3, answer(503)).await {
        assert!(waits.iter().all(|wait| *wait <= SECOND));
    }
    let drawn: HashSet<_> = (0..100)
        .flat_map(|_| [backoff.delay(1), backoff.delay(9)])
        .collect();
    assert!(
        drawn.len() > 190,
        "only {} of 200 draws differ",
        drawn.len()
    );
}

/// Promise (load): No attempt is sent before `Retry-After` is over, whatever the timer does.
#[tokio::test(start_paused = true)]
async fn jitter_follows_retry_after() {
    let failure = answer(503).retry_after("2");
    for waits in many_waits(Backoff::default(), 2, failure).await {
        assert!((2 * SECOND..=ms(2_500)).contains(&waits[0]), "{waits:?}");
    }
}

/// Promise (load): A `Retry-After` above the limit ends the request at once.
#[tokio::test(start_paused = true)]
async fn retry_after_above_limit_ends_at_once() {
    let begun = Instant::now();
    for (value, stops) in [
        ("30", false),
        ("31", true),
        ("3600", true),
        ("99999999999999999999", true),
    ] {
        let script = Script::new([answer(503).retry_after(value), answer(200)]);
        let result = hasty().layer(script.clone()).oneshot(get()).await;
        assert_eq!(result.is_err(), stops, "{value}");
        if stops {
            let error = result.refused();
            assert_eq!(
                (error.stop_reason(), script.count()),
                (StopReason::RetryAfterTooLong, 1)
            );
            assert!(error.retry_after() > Some(30 * SECOND));
        }
    }
    assert_eq!(
        begun.elapsed(),
        30 * SECOND,
        "only the accepted wait took time"
    );
}

#[tokio::test(start_paused = true)]
async fn max_retry_after_is_configurable() {
    for (limit, value, attempts) in [(5, "5", 3), (5, "6", 1), (120, "120", 3), (120, "121", 1)] {
        let policy = StandardPolicy::default().backoff(Backoff::none());
        let policy = policy.max_retry_after(Duration::from_secs(limit));
        let service = layer()
            .policy(policy)
            .layer(Script::new([answer(503).retry_after(value)]));
        let error = service.oneshot(get()).await.refused();
        assert_eq!(error.attempts(), attempts, "{value} s of at most {limit} s");
    }
}

/// Promise (load): A `Retry-After` above the limit ends the request at once.
#[tokio::test(start_paused = true)]
async fn backoff_does_not_count_for_max_retry_after() {
    let policy = StandardPolicy::default().backoff(Backoff::fixed(60 * SECOND));
    let script = Script::new([answer(503).retry_after("30"), answer(200)]);
    let service = layer().policy(policy).layer(script.clone());
    service.oneshot(get()).await.expect("retried");
    assert_eq!(script.waits(), [90 * SECOND]);
}

/// Promise (load): Nothing is sent at or after the deadline, and no wait starts that would end
/// there.
#[tokio::test(start_paused = true)]
async fn wait_ending_at_deadline_does_not_start() {
    for (deadline, expected) in [
        (ms(2_000), 1),
        (ms(2_001), 2),
        (ms(4_000), 2),
        (ms(4_001), 3),
    ] {
        let begun = Instant::now();
        let script = Script::new([answer(503).retry_after("2")]);
        let service = hasty().time_limit(deadline).layer(script.clone());
        let error = service.oneshot(get()).await.refused();
        let reason = match expected {
            3 => StopReason::AttemptsExhausted,
            _ => StopReason::DeadlineExceeded,
        };
        assert_eq!(
            (error.attempts(), error.stop_reason()),
            (expected, reason),
            "{deadline:?}"
        );
        assert_eq!(begun.elapsed(), (expected - 1) * 2 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn instant_retry_at_deadline_is_not_sent() {
    let service = hasty().time_limit(Duration::ZERO).layer(Script::new([503]));
    let error = service.oneshot(get()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::DeadlineExceeded);
}

/// Promise (load): Nothing is sent at or after the deadline, and no wait starts that would end
/// there.
#[tokio::test(start_paused = true)]
async fn hold_counts_toward_the_deadline() {
    let cooldown = Cooldown::default();
    let until = Instant::now().into_std() + 6 * SECOND;
    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until);
    let script = Script::new([answer(503).retry_after("5"), answer(200)]);
    let layer = hasty().cooldown(cooldown).time_limit(10 * SECOND);
    let error = layer.layer(script).oneshot(get()).await.refused();
    let got = (error.attempts(), error.stop_reason());
    assert_eq!(got, (1, StopReason::DeadlineExceeded));
}

#[tokio::test(start_paused = true)]
async fn overflowing_time_limit_is_no_deadline() {
    let script = Script::new([answer(503).retry_after("1"), answer(200)]);
    let service = hasty().time_limit(Duration::MAX).layer(script);
    assert_eq!(service.oneshot(get()).await.expect("retried").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn deadline_does_not_cancel_attempt() {
    let slow = tower::service_fn(|_| async {
        tokio::time::sleep(60 * SECOND).await;
        Ok::<_, std::convert::Infallible>(http::Response::new(support::no_body()))
    });
    let service = layer().time_limit(SECOND).layer(slow);
    assert_eq!(
        service.oneshot(get()).await.expect("a response").status(),
        200
    );
}

/// Promise (bounds): No number from the wire overflows.
#[test]
fn last_attempt_number_gives_the_cap() {
    let cap = Duration::from_secs(20);
    let backoff = Backoff::exponential(ms(500), cap);
    assert_eq!(backoff.without_jitter().delay(u32::MAX), cap);
    assert!(backoff.delay(u32::MAX) <= cap);
    assert_eq!(
        Backoff::exponential(cap, Duration::MAX)
            .without_jitter()
            .delay(u32::MAX),
        Duration::MAX
    );
    assert_eq!(
        Backoff::exponential(Duration::ZERO, cap).delay(u32::MAX),
        Duration::ZERO
    );
    assert_eq!(
        backoff.without_jitter().delay(0),
        ms(500),
        "0 counts as the first attempt"
    );
}
