//! Resends during a cool-down: held, refused, or exempt.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::support::{Refused, body::*, get, layer, post, quiet::*, script::*};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use revio_status::{
    Attempt, Backoff, Budget, Cooldown, Decision, ReplayBody, RetryPolicy, StandardPolicy,
    StatusError, StatusKind, StopReason, policy_fn,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit, service_fn};

#[tokio::test(start_paused = true)]
async fn own_cooldown_does_not_hold_retry() {
    let script = Script::new([answer(429).retry_after("40"), answer(200)]);
    let service = layer().policy(patient()).layer(script.clone());
    service.oneshot(post()).await.expect("200");
    assert_eq!(script.waits(), [40 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn cooldown_during_delay_holds_resend() {
    let cooldown = Cooldown::default();
    let layer = layer().policy(policy()).cooldown(cooldown.clone());
    let script = Script::new([answer(503).retry_after("5"), answer(200)]);
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(get()));
    sleep(SECOND).await;
    begin(&cooldown, 30 * SECOND);
    call.await.expect("no panic").expect("200");
    let wait = script.waits()[0];
    assert!(wait >= 31 * SECOND && wait <= 34 * SECOND, "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_resend_returns_own_failure() {
    let (cooldown, budget) = (Cooldown::default(), Budget::new(5, 0.0));
    let layer = layer()
        .policy(policy())
        .budget(budget.clone())
        .cooldown(cooldown.clone());
    let script = Script::new([answer(503).retry_after("5").text("busy")]);
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(get()));
    sleep(SECOND).await;
    begin(&cooldown, 100 * SECOND);
    let error: StatusError = call.await.expect("no panic").refused();
    assert_eq!(
        (error.kind(), error.message()),
        (StatusKind::ServiceUnavailable, Some("busy"))
    );
    assert_eq!(
        (error.attempts(), error.stop_reason()),
        (1, StopReason::CoolingDown)
    );
    assert!(error.may_have_been_applied());
    let asked = error.retry_after().expect("the longer one");
    assert!(
        asked >= 96 * SECOND && asked < 96 * SECOND + TICK,
        "{asked:?}"
    );
    assert_eq!(budget.available(), 5, "the withdrawal is returned");
    assert_eq!(error.headers()["retry-after"], "5", "unchanged");
    let served = error.into_response();
    assert_eq!(served.headers()["retry-after"], "96", "the remaining time");
}

#[tokio::test(start_paused = true)]
async fn paced_retry_costs_no_budget() {
    let none = || Budget::new(0, 0.0);
    let script = || Script::new([answer(429).retry_after("40"), answer(200)]);
    let paced = layer().policy(patient()).budget(none());
    paced.layer(script()).oneshot(post()).await.expect("200");
    let unpaced = layer().policy(patient()).budget(none()).no_cooldown();
    let error = unpaced.layer(script()).oneshot(post()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::BudgetExhausted);
    let paced = layer().policy(patient()).budget(none());
    let bare = Script::new([answer(429), answer(200)]);
    let error = paced.layer(bare).oneshot(post()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::BudgetExhausted);
}

/// `max_retry_after` (30 s) does not apply: the whole account waits anyway.
#[tokio::test(start_paused = true)]
async fn max_hold_limits_retry_after_of_429() {
    for (asked, is_retried) in [("60", true), ("61", false)] {
        for layer in [
            layer().policy(patient()),
            layer().policy(patient()).no_cooldown(),
        ] {
            let script = Script::new([answer(429).retry_after(asked), answer(200)]);
            let result = layer.layer(script).oneshot(post()).await;
            match is_retried {
                true => drop(result.expect("200")),
                false => assert_eq!(
                    result.refused().stop_reason(),
                    StopReason::RetryAfterTooLong
                ),
            }
        }
    }
}

fn with_cooldown(cooldown: &Cooldown) -> Request<Full<Bytes>> {
    let mut request = get();
    request.extensions_mut().insert(cooldown.clone());
    request
}

#[tokio::test(start_paused = true)]
async fn resend_checks_own_cooldown() {
    let (layer, layers_own) = shared();
    let own = Cooldown::default();
    let script = Script::new([answer(503).retry_after("5"), answer(200)]);
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(with_cooldown(&own)));
    sleep(SECOND).await;
    begin(&layers_own, 50 * SECOND);
    begin(&own, 20 * SECOND);
    call.await.expect("no panic").expect("200");
    let wait = script.waits()[0];
    assert!(wait >= 21 * SECOND && wait <= 23 * SECOND, "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn longer_cooldown_holds_paced_retry() {
    let (layer, cooldown) = shared();
    let layer = layer.policy(patient());
    let script = Script::new([answer(429).retry_after("10"), answer(200)]);
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(post()));
    sleep(SECOND).await;
    begin(&cooldown, 30 * SECOND);
    call.await.expect("no panic").expect("200");
    assert!(script.waits()[0] >= 31 * SECOND);
}

/// Returns the waits of a POST that gets two 429s and then a 200, if its policy waits for this part of
/// the time that each 429 asks for. Another request started a cool-down of 39.5 s before.
async fn waits_after_429s(part: u32) -> Vec<Duration> {
    let policy = policy_fn(move |attempt| Decision::Retry {
        after: attempt.retry_after().unwrap_or_default() * part / 100,
    });
    let (layer, cooldown) = shared();
    let script = Script::new([
        answer(429)
            .retry_after("40")
            .body([Step::Wait(SECOND / 100), data("slow")]),
        answer(429).retry_after("5"),
        answer(200),
    ]);
    let service = layer.policy(policy).layer(script.clone());
    let call = tokio::spawn(service.oneshot(post()));
    sleep(SECOND / 1_000).await;
    begin(&cooldown, 39 * SECOND + SECOND / 2);
    call.await.expect("no panic").expect("200");
    script.waits()
}

#[tokio::test(start_paused = true)]
async fn retry_that_waits_as_asked_is_not_held() {
    assert_eq!(
        waits_after_429s(100).await,
        [40 * SECOND + SECOND / 100, 5 * SECOND]
    );
}

#[tokio::test(start_paused = true)]
async fn retry_earlier_than_asked_is_held() {
    for part in [0, 99] {
        let waits = waits_after_429s(part).await;
        assert!(waits[0] >= 40 * SECOND && waits[0] <= 44 * SECOND + SECOND / 10);
        assert!(waits[1] > 5 * SECOND, "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn immediate_resend_checks_before_readiness() {
    let (layer, cooldown) = shared();
    let busy = Arc::new(Semaphore::new(1));
    let slow = answer(503).body([Step::Wait(3 * SECOND)]);
    let limit = ConcurrencyLimit::with_semaphore(Script::new([slow]), busy.clone());
    let begun = Instant::now();
    let call = tokio::spawn(layer.layer(limit).oneshot(get()));
    sleep(SECOND).await;
    let _place = busy
        .acquire()
        .await
        .expect("released with the response's head");
    begin(&cooldown, 100 * SECOND);
    let result = timeout(1_000 * SECOND, call).await.expect("no wait");
    let error = result.expect("no panic").refused();
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    assert_eq!(begun.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn ready_resend_held_releases_permit() {
    let (layer, cooldown) = shared();
    let places = Arc::new(Semaphore::new(1));
    let script = Script::new([answer(503).retry_after("5"), answer(200)]);
    let limit = ConcurrencyLimit::with_semaphore(script.clone(), places.clone());
    let call = tokio::spawn(layer.layer(limit).oneshot(get()));
    sleep(SECOND).await;
    let place = places.acquire().await.expect("free");
    sleep(6 * SECOND).await; // the resend waits for the permit
    begin(&cooldown, 20 * SECOND);
    drop(place);
    sleep(SECOND).await;
    assert_eq!((places.available_permits(), script.count()), (1, 1));
    call.await.expect("no panic").expect("200");
    assert!(script.waits()[0] >= 27 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn holds_add_up_to_max_hold() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 40 * SECOND);
    let script = Script::new([answer(503).retry_after("10")]);
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(get()));
    sleep(46 * SECOND).await; // sent after at most 44 s, and due after 50
    begin(&cooldown, 25 * SECOND); // 61 s in all
    let error = call.await.expect("no panic").refused();
    assert_eq!(
        (error.attempts(), error.stop_reason()),
        (1, StopReason::CoolingDown)
    );
}

#[tokio::test(start_paused = true)]
async fn unpaced_retry_costs_budget() {
    let none = || layer().budget(Budget::new(0, 0.0));
    let hasty = policy_fn(|_| Decision::Retry { after: SECOND });
    let error = none()
        .policy(hasty)
        .layer(Script::new([answer(429).retry_after("40")]));
    let error = error.oneshot(post()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::BudgetExhausted);
    for response in [answer(429).retry_after("0"), answer(503).retry_after("5")] {
        let service = none().policy(patient()).layer(Script::new([response]));
        let error = service.oneshot(get()).await.refused();
        assert_eq!(error.stop_reason(), StopReason::BudgetExhausted);
    }
    // Paced by the cool-down of the request, in a layer without one.
    let script = Script::new([answer(429).retry_after("40"), answer(200)]);
    let service = none().no_cooldown().policy(patient()).layer(script);
    service
        .oneshot(with_cooldown(&Cooldown::default()))
        .await
        .expect("200");
}

/// Without a response, the cool-down's remaining time is the only wait to report.
#[tokio::test(start_paused = true)]
async fn refused_no_response_has_retry_after() {
    let (layer, cooldown) = shared();
    let policy = StandardPolicy::default()
        .backoff(Backoff::fixed(5 * SECOND))
        .retry_transient();
    let lost = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
        let error = io::Error::from(io::ErrorKind::ConnectionReset);
        Err::<Response<Full<Bytes>>, _>(error)
    });
    let call = tokio::spawn(layer.policy(policy).layer(lost).oneshot(get()));
    sleep(SECOND).await;
    begin(&cooldown, 100 * SECOND);
    let error = call.await.expect("no panic").expect_err("refused");
    assert!(error.service_error().is_some());
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    let left = error.retry_after().expect("the remaining time");
    assert!(left >= 96 * SECOND && left < 96 * SECOND + TICK, "{left:?}");
}

/// A policy that retries after 5 s and ignores cool-downs.
#[derive(Clone)]
struct IgnoresCooldowns;

impl RetryPolicy for IgnoresCooldowns {
    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Retry { after: 5 * SECOND }
    }

    fn max_hold(&self) -> Option<Duration> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn ignored_cooldown_holds_no_resend() {
    let (layer, cooldown) = shared();
    let script = Script::new([503, 200]);
    let call = tokio::spawn(
        layer
            .policy(IgnoresCooldowns)
            .layer(script.clone())
            .oneshot(get()),
    );
    sleep(SECOND).await;
    begin(&cooldown, 30 * SECOND);
    call.await.expect("no panic").expect("200");
    assert_eq!(script.waits(), [5 * SECOND]);
}

/// A policy that counts calls of `cools_down`.
#[derive(Clone)]
struct Asked(Arc<AtomicUsize>);

impl RetryPolicy for Asked {
    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Retry { after: SECOND }
    }

    fn cools_down(&self, _: StatusCode) -> bool {
        self.0.fetch_add(1, Relaxed);
        false
    }
}

#[tokio::test(start_paused = true)]
async fn cools_down_is_asked_only_with_a_time() {
    for (response, is_asked) in [(answer(503), false), (answer(503).retry_after("1"), true)] {
        let asked = Asked(Arc::default());
        let script = Script::new([response, 200.into()]);
        let service = layer().policy(asked.clone()).layer(script);
        service.oneshot(get()).await.expect("200");
        assert_eq!(asked.0.load(Relaxed) > 0, is_asked);
    }
}
