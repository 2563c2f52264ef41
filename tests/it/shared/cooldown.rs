//! Cool-downs: which response starts one, for how long, and for which requests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{Refused, body::*, get, layer, post, quiet::*, request, script::*};
use http::{Method, StatusCode};
use revio_status::{Cooldown, Error, Event, RevioStatusLayer};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

/// Promise (load): A 429 or an exhausted quota holds all requests of the account, whatever the
/// method.
#[tokio::test(start_paused = true)]
async fn quota_or_429_starts_cooldown() {
    for status in [429, 403] {
        for method in [Method::GET, Method::POST] {
            let (layer, cooldown) = shared();
            let response = answer(status).retry_after("40");
            answered(&layer, response, request(method)).await;
            let left = rest(&cooldown).expect("started");
            assert!(left >= 40 * SECOND && left < 40 * SECOND + TICK, "{left:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_response_starts_no_cooldown() {
    for response in [
        answer(429),
        answer(429).retry_after("soon"),
        answer(429).retry_after("0"),
        answer(403),
        answer(503).retry_after("40"),
        answer(400).retry_after("40"),
        answer(200).retry_after("40"),
    ] {
        let (layer, cooldown) = shared();
        answered(&layer, response, post()).await;
        assert_eq!(cooldown.until(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn cool_down_on_503_starts_cooldown() {
    let cooldown = Cooldown::default();
    let policy = policy().cool_down_on(StatusCode::SERVICE_UNAVAILABLE);
    let layer = layer().policy(policy).cooldown(cooldown.clone());
    answered(&layer, answer(503).retry_after("40"), post()).await;
    assert!(rest(&cooldown) >= Some(40 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn cooldown_starts_before_the_body_ends() {
    let (layer, cooldown) = shared();
    let slow =
        answer(429)
            .retry_after("40")
            .body([data("so"), Step::Wait(3 * SECOND), data(" what")]);
    let call = tokio::spawn(layer.layer(Script::new([slow])).oneshot(post()));
    sleep(SECOND).await;
    assert!(rest(&cooldown).is_some(), "before the end of the body");
    call.await.expect("no panic").refused();
}

#[tokio::test(start_paused = true)]
async fn cooldown_is_clamped_and_error_is_not() {
    let (layer, cooldown) = shared();
    let service = layer.layer(Script::new([answer(429).retry_after("3600")]));
    let error = service.oneshot(post()).await.refused();
    assert_eq!(error.retry_after(), Some(3_600 * SECOND));
    let left = rest(&cooldown).expect("started");
    assert!(left >= 300 * SECOND && left < 300 * SECOND + TICK);
}

#[tokio::test(start_paused = true)]
async fn cooldown_is_not_shortened_until_cleared() {
    let (layer, cooldown) = shared();
    let layer = layer.policy(Heedless);
    for (asked, expected) in [("20", 20), ("40", 40), ("5", 40)] {
        answered(&layer, answer(429).retry_after(asked), post()).await;
        assert!(rest(&cooldown) >= Some(expected * SECOND));
        let before = cooldown.until();
        let service = layer.layer(Script::new([200]));
        service.oneshot(get()).await.expect("200");
        assert_eq!(cooldown.until(), before, "a success clears nothing");
    }
    cooldown.clear();
    assert_eq!(cooldown.until(), None);
    begin(&cooldown, SECOND);
    assert!(rest(&cooldown) <= Some(SECOND + TICK));
}

#[test]
fn concurrent_extensions_keep_the_longest() {
    let cooldown = Cooldown::default();
    let start = std::time::Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let cooldown = &cooldown;
            scope.spawn(move || {
                for turn in 0..10_000_u64 {
                    let time = (turn * 8 + thread) * 7_919 % 80_000;
                    let until = start + Duration::from_millis(time);
                    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until);
                    assert!(cooldown.until() >= Some(until), "nothing is shortened");
                }
            });
        }
    });
    let longest = cooldown.until().expect("started") - start;
    assert_eq!(longest.as_millis(), 79_999);
}

#[tokio::test(start_paused = true)]
async fn accounts_share_a_layer_separately() {
    let (layer, of_the_layer) = shared();
    let [cooling, idle] = [Cooldown::default(), Cooldown::default()];
    let of = |account: &Cooldown| {
        let mut request = post();
        request.extensions_mut().insert(account.clone());
        request
    };
    answered(&layer, answer(429).retry_after("40"), of(&cooling)).await;
    let begun = Instant::now();
    let service = layer.no_cooldown().layer(Script::new([200]));
    service.clone().oneshot(of(&idle)).await.expect("200");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    service.oneshot(of(&cooling)).await.expect("200");
    assert!(begun.elapsed() >= 40 * SECOND);
    assert_eq!((of_the_layer.until(), idle.until()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn events_report_start_extension_and_hold() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let notes = events.clone();
    let (layer, cooldown) = shared();
    let layer = layer.on_event(move |event| {
        let line = match event {
            Event::CooldownStarted {
                cooldown,
                status,
                until,
                ..
            } => {
                assert_eq!(cooldown.until(), Some(*until));
                format!("{} started", status.as_u16())
            }
            Event::Held {
                method, remaining, ..
            } => format!("{method} held {}", remaining.as_secs()),
            Event::GivenUp { method, error, .. } => format!("{method}: {error}"),
            _ => "another".to_owned(),
        };
        notes.lock().expect("no panic").push(line);
    });
    for asked in ["20", "20", "20.9", "40"] {
        let layer = layer.clone().policy(Heedless);
        answered(&layer, answer(429).retry_after(asked), post()).await;
    }
    layer
        .layer(Script::new([200]))
        .oneshot(get())
        .await
        .expect("200");
    begin(&cooldown, 90 * SECOND);
    let error: Error = layer
        .layer(Script::new([200]))
        .oneshot(get())
        .await
        .map(drop)
        .expect_err("refused");
    assert_eq!(error.attempts(), 0);
    assert_eq!(
        *events.lock().expect("no panic"),
        [
            "429 started",
            "429 started",
            "GET held 40",
            "GET: 429 Too Many Requests: the request was not sent (cooling_down)",
        ]
    );
}

#[test]
#[should_panic(expected = "the cool-down's maximum is 0ns")]
fn zero_maximum_panics() {
    let _ = Cooldown::new(Duration::ZERO);
}

#[test]
fn extend_until_below_400_counts_as_429() {
    let (cooldown, until) = (Cooldown::default(), std::time::Instant::now());
    cooldown.extend_until(StatusCode::OK, until);
    assert!(format!("{cooldown:?}").contains("429"), "{cooldown:?}");
}

#[test]
fn cooldown_equals_its_clone_alone() {
    let cooldown = Cooldown::default();
    assert_eq!(cooldown, cooldown.clone());
    assert_ne!(cooldown, Cooldown::default());
}

#[tokio::test(start_paused = true)]
async fn short_cooldown_after_an_end_is_reported() {
    let started = Arc::new(Mutex::new(0));
    let count = started.clone();
    let layer = layer().policy(Heedless).on_event(move |event| {
        if let Event::CooldownStarted { .. } = event {
            *count.lock().expect("no panic") += 1;
        }
    });
    for (wait, expected) in [("500", 1), ("1499", 1), ("2499", 2)] {
        let response = answer(429).header("retry-after-ms", wait);
        answered(&layer, response, post()).await;
        assert_eq!(*started.lock().expect("no panic"), expected, "{wait} ms");
    }
    sleep(3 * SECOND).await;
    answered(&layer, answer(429).header("retry-after-ms", "5"), post()).await;
    assert_eq!(*started.lock().expect("no panic"), 3);
}

/// Returns a layer whose policy ignores cool-downs, and the number of `CooldownStarted` events.
fn counted(cooldown: Cooldown) -> (RevioStatusLayer<Heedless>, Arc<Mutex<u32>>) {
    let started = Arc::new(Mutex::new(0));
    let count = started.clone();
    let layer = layer().policy(Heedless).cooldown(cooldown);
    let layer = layer.on_event(move |event| {
        if let Event::CooldownStarted { .. } = event {
            *count.lock().expect("no panic") += 1;
        }
    });
    (layer, started)
}

/// Promise (load): Many small extensions are reported when their sum reaches a second.
#[tokio::test(start_paused = true)]
async fn small_extensions_are_reported_each_second() {
    let cooldown = Cooldown::default();
    let (layer, started) = counted(cooldown);
    let mut seen = Vec::new();
    for tenth in 0..=25 {
        let wait = (10_000 + 100 * tenth).to_string();
        let response = answer(429).header("retry-after-ms", &wait);
        answered(&layer, response, post()).await;
        seen.push(*started.lock().expect("no panic"));
    }
    let expected: Vec<_> = (0..=25).map(|tenth| 1 + tenth / 10).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn extend_until_counts_as_reported() {
    let cooldown = Cooldown::default();
    let (layer, started) = counted(cooldown.clone());
    for (asked, reported) in [("9500", 0), ("10900", 0), ("11000", 1)] {
        begin(&cooldown, 10 * SECOND);
        let response = answer(429).header("retry-after-ms", asked);
        answered(&layer, response, post()).await;
        assert_eq!(*started.lock().expect("no panic"), reported, "{asked} ms");
    }
    cooldown.clear();
    answered(&layer, answer(429).retry_after("1"), post()).await;
    assert_eq!(*started.lock().expect("no panic"), 2, "starts again");
}

/// Promise (load): No `Retry-After`, however large, is lost to an overflow of the clock.
#[tokio::test(start_paused = true)]
async fn endless_wait_without_maximum_starts_one() {
    for asked in [
        "99999999999",
        "18446744073709551615",
        "9999999999999999999999",
    ] {
        let cooldown = Cooldown::new(Duration::MAX);
        let (layer, started) = counted(cooldown.clone());
        answered(&layer, answer(429).retry_after(asked), post()).await;
        let century = 100 * 365 * 24 * 3_600 * SECOND;
        assert!(rest(&cooldown) > Some(century), "{asked}");
        assert_eq!(*started.lock().expect("no panic"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn start_is_reported_before_body_and_retry() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let notes = events.clone();
    let layer = layer().policy(patient()).on_event(move |event| {
        let line = match event {
            Event::CooldownStarted { .. } => "started",
            Event::RetryScheduled { .. } => "retry",
            _ => "another",
        };
        notes.lock().expect("no panic").push((line, Instant::now()));
    });
    let slow = answer(429)
        .retry_after("40")
        .body([Step::Wait(SECOND), data("later")]);
    let begun = Instant::now();
    let service = layer.layer(Script::new([slow, answer(200)]));
    service.oneshot(post()).await.expect("200");
    let events = events.lock().expect("no panic");
    assert_eq!(*events, [("started", begun), ("retry", begun + SECOND)]);
}

#[test]
fn until_returns_the_given_time() {
    let now = std::time::Instant::now();
    let until = |until| {
        let cooldown = Cooldown::default();
        cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until);
        cooldown.until().expect("started")
    };
    let micro = Duration::from_micros(1);
    for given in [now - SECOND, now, now + 400 * SECOND] {
        let got = until(given);
        assert!(got >= given && got < given + micro, "{given:?}: {got:?}");
    }
    let year = 365 * 24 * 3_600 * SECOND;
    assert!(until(now + 1_000 * year) > now + 200 * year);
}

/// Real threads on the real clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_thread_sends_before_the_end() {
    let cooldown = Cooldown::default();
    let now = std::time::Instant::now;
    let begin = |time| cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, now() + time);
    begin(30 * TICK);
    let first = cooldown.until().expect("started");
    let script = Script::new([200]);
    let service = layer().cooldown(cooldown.clone()).layer(script.clone());
    let calls: Vec<_> = (0..200)
        .map(|_| tokio::spawn(service.clone().oneshot(post())))
        .collect();
    begin(60 * TICK);
    let was_in_time = now() < first;
    for call in calls {
        call.await.expect("no panic").expect("200");
    }
    let end = match was_in_time {
        true => cooldown.until().expect("started"),
        false => first, // the machine was too slow to extend it in time
    };
    let sent = script.sent();
    assert_eq!(sent.len(), 200);
    assert!(sent.iter().all(|sent| sent.at.into_std() >= end));
}
