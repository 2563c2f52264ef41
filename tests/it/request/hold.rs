//! First attempts during a cool-down: held, or refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::support::{Refused, body::*, get, layer, post, quiet::*, script::*, with_body};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use revio_status::{
    Cooldown, RetryPolicy, RevioStatus, RevioStatusLayer, StandardPolicy, StatusKind, StopReason,
    TimeLimit,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};

#[tokio::test(start_paused = true)]
async fn held_request_is_sent_after_the_spread() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 40 * SECOND);
    let (begun, script) = (Instant::now(), Script::new([201]));
    let body = Full::<Bytes>::from("pay");
    let service = layer.layer(script.clone());
    service
        .oneshot(with_body(Method::POST, body))
        .await
        .expect("201");
    let held = begun.elapsed();
    assert!(
        held >= 40 * SECOND && held <= 44 * SECOND + TICK,
        "{held:?}"
    );
    let sent = script.sent();
    assert_eq!((sent.len(), &*sent[0].body), (1, &b"pay"[..]));
}

/// Promise (load): Held requests are spread over the time after the cool-down.
///
/// No request is early, and the deciles of ten thousand spreads fit a uniform distribution.
/// (The test fails by chance less than once in 10^20 runs.)
#[tokio::test(start_paused = true)]
async fn held_requests_fill_the_spread() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 50 * SECOND);
    let end = Instant::now() + 50 * SECOND;
    let service = layer.layer(Script::new([200]));
    let calls = (0..10_000).map(|_| {
        let service = service.clone();
        tokio::spawn(async move {
            service.oneshot(get()).await.expect("200");
            Instant::now()
        })
    });
    let mut spreads = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        let at = call.await.expect("no panic");
        assert!(at >= end, "early");
        spreads.push((at - end).as_millis());
    }
    spreads.sort_unstable();
    assert!(*spreads.last().expect("many") <= 5_001);
    for decile in 1..10 {
        let (found, expected) = (spreads[decile * 1_000], decile as u128 * 500);
        assert!(found.abs_diff(expected) < 250, "{decile}: {found} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn remaining_above_max_hold_is_refused() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 61 * SECOND);
    let (begun, script) = (Instant::now(), Script::new([200]));
    let error = layer.layer(script.clone()).oneshot(post()).await.refused();
    assert_eq!((begun.elapsed(), script.count()), (Duration::ZERO, 0));
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
}

/// Promise (load): A refused request reports the remaining time, and nothing of another request's
/// response.
#[tokio::test(start_paused = true)]
async fn refused_request_reports_only_remaining() {
    let (layer, cooldown) = shared();
    let response = answer(403)
        .retry_after("90")
        .header("set-cookie", "secret")
        .text("secret");
    answered(&layer, response, post()).await;
    let error = layer
        .layer(Script::new([200]))
        .oneshot(get())
        .await
        .refused();
    let left = rest(&cooldown).expect("started");
    assert_eq!(error.kind(), StatusKind::QuotaExceeded);
    assert_eq!(error.status(), StatusCode::FORBIDDEN);
    assert_eq!((error.attempts(), error.previous_attempts().len()), (0, 0));
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    let told = error.retry_after().expect("the remaining time");
    assert!(left >= told && left - told < Duration::from_micros(1));
    assert!(!error.may_have_been_applied() && !error.is_body_truncated());
    assert_eq!((error.message(), error.body().len()), (None, 0));
    assert_eq!(
        error.to_string(),
        "403 Forbidden: the request was not sent (cooling_down)"
    );
    let response = error.into_response();
    assert_eq!(
        (response.status(), response.headers().len()),
        (StatusCode::FORBIDDEN, 1)
    );
    assert_eq!(response.headers()["retry-after"], "90");
    assert!(response.body().is_empty());
}

#[tokio::test(start_paused = true)]
async fn extended_cooldown_holds_up_to_max_hold() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 20 * SECOND);
    let (begun, script) = (Instant::now(), Script::new([200]));
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(post()));
    sleep(10 * SECOND).await;
    begin(&cooldown, 30 * SECOND);
    call.await.expect("no panic").expect("200");
    assert!(begun.elapsed() >= 40 * SECOND);

    cooldown.clear();
    begin(&cooldown, 30 * SECOND);
    let (begun, script) = (Instant::now(), Script::new([200]));
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(post()));
    sleep(10 * SECOND).await;
    begin(&cooldown, 60 * SECOND); // 30 s and a spread were planned; 40 s remain then
    let error = call.await.expect("no panic").refused();
    assert_eq!(
        (error.stop_reason(), script.count()),
        (StopReason::CoolingDown, 0)
    );
    let ended = begun.elapsed();
    assert!(
        ended >= 30 * SECOND && ended <= 33 * SECOND + TICK,
        "{ended:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn hold_past_deadline_is_refused() {
    for (deadline, is_held) in [
        (20 * SECOND + Duration::from_millis(9), false),
        (20 * SECOND + Duration::from_millis(10), true),
        (20 * SECOND + Duration::from_millis(30), true),
        (19 * SECOND, false),
    ] {
        let (layer, cooldown) = shared();
        begin(&cooldown, 20 * SECOND);
        let (begun, script) = (Instant::now(), Script::new([200]));
        let mut post = post();
        post.extensions_mut().insert(TimeLimit(deadline));
        let result = layer.layer(script.clone()).oneshot(post).await;
        let held = begun.elapsed();
        if is_held {
            result.expect("in time");
            // Within half of the time left until the deadline.
            assert!(held >= 20 * SECOND && held <= 20 * SECOND + Duration::from_millis(17));
        } else {
            assert_eq!(result.refused().stop_reason(), StopReason::CoolingDown);
            assert_eq!((held, script.count()), (Duration::ZERO, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_before_readiness_refuses() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 10 * SECOND);
    let busy = Arc::new(tokio::sync::Semaphore::new(1));
    let script = Script::new([200]);
    let limit = ConcurrencyLimit::with_semaphore(script.clone(), busy.clone());
    let service = layer.time_limit(15 * SECOND).layer(limit);
    let begun = Instant::now();
    let call = tokio::spawn(service.oneshot(post()));
    sleep(SECOND).await;
    let _permit = busy.acquire().await.expect("released by the held request");
    let error = call.await.expect("no panic").refused();
    assert_eq!(error.stop_reason(), StopReason::DeadlineExceeded);
    assert_eq!((error.attempts(), script.count()), (0, 0));
    assert_eq!(begun.elapsed(), 15 * SECOND);
}

/// Promise (load): A held request keeps no permit.
#[tokio::test(start_paused = true)]
async fn held_request_releases_permit() {
    let (layer, cooldown) = shared();
    let limit = ConcurrencyLimit::new(Script::new([200]), 1);
    let service = layer.layer(limit);
    begin(&cooldown, 20 * SECOND);
    let calls: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(post())))
        .collect();
    sleep(SECOND).await;
    let ignoring = Cooldown::default();
    let mut other = post();
    other.extensions_mut().insert(ignoring);
    let begun = Instant::now();
    service.oneshot(other).await.expect("the permit is free");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    for call in calls {
        call.await.expect("no panic").expect("200");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_hold_sends_nothing() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 20 * SECOND);
    let script = Script::new([200]);
    let call = layer.layer(script.clone()).oneshot(post());
    let cancelled = tokio::time::timeout(SECOND, call).await;
    assert!(cancelled.is_err());
    sleep(60 * SECOND).await;
    assert_eq!(script.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn max_hold_zero_refuses_opt_outs_send() {
    let cooldown = Cooldown::default();
    begin(&cooldown, SECOND);
    let none = policy().max_hold(Duration::ZERO);
    let layer = || layer().cooldown(cooldown.clone());
    let service = layer().policy(none).layer(Script::new([200]));
    let error = service.oneshot(get()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);

    let begun = Instant::now();
    let ignoring = layer().never_retry().layer(Script::new([200]));
    ignoring.oneshot(get()).await.expect("200");
    let without = layer().no_cooldown().layer(Script::new([200]));
    without.oneshot(get()).await.expect("200");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let never_retry = layer().never_retry().cooldown(Cooldown::default());
    let service = never_retry.layer(Script::new([answer(429).retry_after("9")]));
    service.oneshot(get()).await.refused();
    assert_not_held(never_retry).await;
}

async fn assert_not_held<P: revio_status::RetryPolicy + Clone>(layer: RevioStatusLayer<P>) {
    let begun = Instant::now();
    let service = layer.policy(policy()).layer(Script::new([200]));
    service.oneshot(get()).await.expect("200");
    assert_eq!(
        begun.elapsed(),
        Duration::ZERO,
        "never_retry starts no cool-down"
    );
}

#[tokio::test(start_paused = true)]
async fn clear_frees_new_requests_not_held_ones() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 20 * SECOND);
    let begun = Instant::now();
    let service = layer.layer(Script::new([200]));
    let call = tokio::spawn(service.clone().oneshot(post()));
    sleep(SECOND).await;
    cooldown.clear();
    service.oneshot(post()).await.expect("200");
    assert_eq!(begun.elapsed(), SECOND);
    call.await.expect("no panic").expect("200");
    assert!(begun.elapsed() >= 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn max_hold_is_inclusive() {
    for (rest, is_held) in [(60 * SECOND, true), (60 * SECOND + TICK, false)] {
        let (layer, cooldown) = shared();
        begin(&cooldown, rest);
        let result = layer.layer(Script::new([200])).oneshot(post()).await;
        assert_eq!(result.is_ok(), is_held, "{rest:?}");
    }
}

/// (The test fails by chance less than once in 10^13 runs.)
#[tokio::test(start_paused = true)]
async fn spread_is_a_tenth_of_remaining() {
    for (rest, deadline, spread) in [
        (SECOND / 2, None, SECOND / 10),
        (20 * SECOND, None, 2 * SECOND),
        (100 * SECOND, None, 5 * SECOND),
        // At most half of the time left until the deadline.
        (20 * SECOND, Some(21 * SECOND), SECOND / 2),
        (20 * SECOND, Some(23 * SECOND), 2 * SECOND),
    ] {
        let cooldown = Cooldown::default();
        let policy = policy().max_hold(100 * SECOND);
        let layer = layer().policy(policy).cooldown(cooldown.clone());
        begin(&cooldown, rest);
        let (end, script) = (Instant::now() + rest, Script::new([200]));
        let service = layer.layer(script.clone());
        let calls: Vec<_> = (0..1_000)
            .map(|_| {
                let mut post = post();
                if let Some(deadline) = deadline {
                    post.extensions_mut().insert(TimeLimit(deadline));
                }
                tokio::spawn(service.clone().oneshot(post))
            })
            .collect();
        for call in calls {
            call.await.expect("no panic").expect("200");
        }
        let last = script.sent().iter().map(|sent| sent.at - end).max();
        let last = last.expect("many");
        assert!(last > spread * 97 / 100, "{rest:?}, {deadline:?}: {last:?}");
        assert!(
            last <= spread + 2 * TICK,
            "{rest:?}, {deadline:?}: {last:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn spread_counts_for_max_hold() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 30 * SECOND);
    let service = layer.layer(Script::new([200]));
    let calls: Vec<_> = (0..20)
        .map(|_| tokio::spawn(service.clone().oneshot(post())))
        .collect();
    sleep(10 * SECOND).await;
    begin(&cooldown, 50 * SECOND + SECOND / 2); // 60.5 s in all
    for call in calls {
        let error = call.await.expect("no panic").refused();
        assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    }
}

#[tokio::test(start_paused = true)]
async fn refused_503_is_unapplied_and_rounds_up() {
    let cooldown = Cooldown::default();
    let policy = policy().cool_down_on(StatusCode::SERVICE_UNAVAILABLE);
    let layer = layer().policy(policy).cooldown(cooldown.clone());
    answered(&layer, answer(503).retry_after("90"), post()).await;
    sleep(SECOND / 2).await;
    let service = layer.layer(Script::new([200]));
    let error = service.oneshot(post()).await.refused();
    assert_eq!(error.kind(), StatusKind::ServiceUnavailable);
    assert!(!error.may_have_been_applied());
    assert_eq!(error.into_response().headers()["retry-after"], "90");
}

#[tokio::test(start_paused = true)]
async fn refusal_while_held_has_newest_status() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 10 * SECOND);
    let call = tokio::spawn(layer.layer(Script::new([200])).oneshot(post()));
    sleep(SECOND).await;
    cooldown.extend_until(
        StatusCode::FORBIDDEN,
        Instant::now().into_std() + 200 * SECOND,
    );
    let error = call.await.expect("no panic").refused();
    assert_eq!(error.kind(), StatusKind::QuotaExceeded);
    assert!(error.retry_after() > Some(180 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn policy_without_max_hold_ignores_cooldown() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 10 * SECOND);
    let begun = Instant::now();
    let service = layer.policy(Heedless).layer(Script::new([200]));
    service.oneshot(post()).await.expect("200");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn held_event_comes_from_poll_not_call() {
    let (layer, cooldown) = shared();
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let layer = layer.on_event(move |_| {
        count.fetch_add(1, Relaxed);
    });
    begin(&cooldown, 10 * SECOND);
    let call = layer.layer(Script::new([200])).call(post());
    assert_eq!(told.load(Relaxed), 0);
    call.await.expect("200");
    assert_eq!(told.load(Relaxed), 1);
}

/// Returns a service with one permit, and the semaphore.
fn limited(layer: &RevioStatusLayer, script: &Script) -> (Limited, Arc<Semaphore>) {
    let places = Arc::new(Semaphore::new(1));
    let limit = ConcurrencyLimit::with_semaphore(script.clone(), places.clone());
    (layer.layer(limit), places)
}

type Limited = RevioStatus<ConcurrencyLimit<Script>, StandardPolicy>;

#[tokio::test(start_paused = true)]
async fn second_hold_releases_permit() {
    let (layer, cooldown) = shared();
    let script = Script::new([200]);
    let (service, places) = limited(&layer, &script);
    begin(&cooldown, 10 * SECOND);
    let begun = Instant::now();
    let call = tokio::spawn(service.oneshot(post()));
    sleep(SECOND).await;
    let place = places.acquire().await.expect("free");
    sleep(11 * SECOND).await; // the request waits for the permit
    begin(&cooldown, 20 * SECOND);
    drop(place);
    sleep(SECOND).await;
    assert_eq!((places.available_permits(), script.count()), (1, 0));
    call.await.expect("no panic").expect("200");
    assert!(begun.elapsed() >= 32 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn cooldown_is_checked_before_readiness() {
    let (layer, cooldown) = shared();
    let (service, places) = limited(&layer, &Script::new([200]));
    begin(&cooldown, 10 * SECOND);
    let begun = Instant::now();
    let call = tokio::spawn(service.oneshot(post()));
    sleep(SECOND).await;
    let _place = places.acquire().await.expect("free");
    begin(&cooldown, 100 * SECOND);
    let result = timeout(1_000 * SECOND, call).await.expect("no wait");
    result.expect("no panic").refused();
    assert!(begun.elapsed() <= 11 * SECOND + TICK);
}

#[tokio::test(start_paused = true)]
async fn held_request_body_is_not_read() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 10 * SECOND);
    let begun = Instant::now();
    let body = Steps::new([data("pay")]).map_frame(move |frame| {
        assert!(begun.elapsed() >= 10 * SECOND, "read while held");
        frame
    });
    let script = Script::new([200]);
    let service = layer.layer(script.clone());
    let request = with_body(Method::PUT, body);
    service.oneshot(request).await.expect("200");
    assert_eq!(script.sent()[0].body, "pay");
}

#[tokio::test(start_paused = true)]
async fn hundred_thousand_held_are_all_sent() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 50 * SECOND);
    let end = Instant::now() + 50 * SECOND;
    let script = Script::new([200]);
    let service = layer.layer(script.clone());
    let calls: Vec<_> = (0..100_000)
        .map(|_| tokio::spawn(service.clone().oneshot(get())))
        .collect();
    for call in calls {
        call.await.expect("no panic").expect("200");
    }
    let mut by_second = [0; 6];
    let sent = script.sent();
    assert_eq!(sent.len(), 100_000);
    for sent in sent {
        assert!(sent.at >= end, "early");
        by_second[(sent.at - end).as_secs() as usize] += 1;
    }
    // The whole spread of 5 s is used, plus the timer's last tick.
    assert!(by_second[..5].iter().all(|&count| count > 18_000));
    assert!(by_second[5] < 1_000);
}

#[tokio::test(start_paused = true)]
async fn own_cooldown_replaces_the_layers() {
    let (layer, layers_own) = shared();
    let own = Cooldown::default();
    let service = layer.layer(Script::new([200]));
    let call = || {
        let mut post = post();
        post.extensions_mut().insert(own.clone());
        service.clone().oneshot(post)
    };
    begin(&layers_own, 10 * SECOND);
    let begun = Instant::now();
    call().await.expect("200");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    layers_own.clear();
    begin(&own, 10 * SECOND);
    call().await.expect("200");
    assert!(begun.elapsed() >= 10 * SECOND);
}

/// `Arc<dyn RetryPolicy>` forwards `cools_down` and `max_hold`.
#[tokio::test(start_paused = true)]
async fn arc_policy_sets_cooldown_and_max_hold() {
    let cooldown = Cooldown::default();
    let policy = policy()
        .cool_down_on(StatusCode::SERVICE_UNAVAILABLE)
        .max_hold(SECOND);
    let policy: Arc<dyn RetryPolicy + Send + Sync> = Arc::new(policy);
    let layer = layer().policy(policy).cooldown(cooldown.clone());
    answered(&layer, answer(503).retry_after("2"), post()).await;
    let service = layer.layer(Script::new([200]));
    let error = service.oneshot(post()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
}
