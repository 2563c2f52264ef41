//! What one answer says to all requests of an account: armed, held, refused.

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use revio_status::{
    Attempt, Backoff, Budget, Cooldown, Deadline, Decision, Error, Event, RetryPolicy,
    RevioStatusLayer, StandardPolicy, StatusError, StatusKind, StopReason,
};
use support::{Refused, body::*, get, layer, post, request, script::*, with_body};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1); // the timer's

fn policy() -> StandardPolicy {
    StandardPolicy::default().backoff(Backoff::none())
}

/// A layer whose cool-down the test holds as well.
fn shared() -> (RevioStatusLayer, Cooldown) {
    let cooldown = Cooldown::default();
    (
        layer().policy(policy()).cooldown(cooldown.clone()),
        cooldown,
    )
}

fn rest(cooldown: &Cooldown) -> Option<Duration> {
    let until = cooldown.until()?;
    Some(until.saturating_duration_since(Instant::now().into_std()))
}

fn begin(cooldown: &Cooldown, time: Duration) {
    let until = Instant::now().into_std() + time;
    cooldown.begin(StatusCode::TOO_MANY_REQUESTS, until);
}

/// Arms cool-downs, and pays them no heed.
#[derive(Clone)]
struct Heedless;

impl RetryPolicy for Heedless {
    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Stop(StopReason::StoppedByPolicy)
    }

    fn max_hold(&self) -> Option<Duration> {
        None
    }
}

async fn answered<P>(layer: &RevioStatusLayer<P>, answer: Answer, request: Request<Full<Bytes>>)
where
    P: RetryPolicy + Clone,
{
    let service = layer.layer(Script::new([answer]));
    let _ = service.oneshot(request).await;
}

#[tokio::test(start_paused = true)]
async fn a_429_and_a_quota_arm_it_whatever_the_method() {
    for status in [429, 403] {
        for method in [Method::GET, Method::POST] {
            let (layer, cooldown) = shared();
            let answer = answer(status).retry_after("40");
            answered(&layer, answer, request(method)).await;
            let rest = rest(&cooldown).expect("armed");
            assert!(rest >= 40 * SECOND && rest < 40 * SECOND + TICK, "{rest:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_asks_for_no_wait_or_speaks_for_itself_alone_arms_nothing() {
    for answer in [
        answer(429),
        answer(429).retry_after("soon"),
        answer(429).retry_after("0"),
        answer(403),
        answer(503).retry_after("40"),
        answer(400).retry_after("40"),
        answer(200).retry_after("40"),
    ] {
        let (layer, cooldown) = shared();
        answered(&layer, answer, post()).await;
        assert_eq!(cooldown.until(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_named_503_arms_it_too() {
    let cooldown = Cooldown::default();
    let policy = policy().cool_down_on(StatusCode::SERVICE_UNAVAILABLE);
    let layer = layer().policy(policy).cooldown(cooldown.clone());
    answered(&layer, answer(503).retry_after("40"), post()).await;
    assert!(rest(&cooldown) >= Some(40 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_head_arms_it_before_the_body_ends() {
    let (layer, cooldown) = shared();
    let slow =
        answer(429)
            .retry_after("40")
            .body([data("so"), Step::Wait(3 * SECOND), data(" what")]);
    let call = tokio::spawn(layer.layer(Script::new([slow])).oneshot(post()));
    sleep(SECOND).await;
    assert!(rest(&cooldown).is_some(), "the body is still on its way");
    call.await.expect("no panic").refused();
}

#[tokio::test(start_paused = true)]
async fn it_is_clamped_and_the_answer_s_own_word_is_not() {
    let (layer, cooldown) = shared();
    let service = layer.layer(Script::new([answer(429).retry_after("3600")]));
    let error = service.oneshot(post()).await.refused();
    assert_eq!(error.retry_after(), Some(3_600 * SECOND));
    let rest = rest(&cooldown).expect("armed");
    assert!(rest >= 300 * SECOND && rest < 300 * SECOND + TICK);
}

#[tokio::test(start_paused = true)]
async fn it_is_extended_and_never_shortened_until_it_is_lifted() {
    let (layer, cooldown) = shared();
    let layer = layer.policy(Heedless);
    for (asked, expected) in [("20", 20), ("40", 40), ("5", 40)] {
        answered(&layer, answer(429).retry_after(asked), post()).await;
        assert!(rest(&cooldown) >= Some(expected * SECOND));
        cooldown_is_untouched_by_success(&cooldown).await;
    }
    cooldown.end();
    assert_eq!(cooldown.until(), None);
    begin(&cooldown, SECOND);
    assert!(rest(&cooldown) <= Some(SECOND + TICK));
}

/// A request that was on its way before says nothing about the account's quiet.
async fn cooldown_is_untouched_by_success(cooldown: &Cooldown) {
    let before = cooldown.until();
    let cleared = layer().no_cooldown().layer(Script::new([200]));
    cleared.oneshot(get()).await.expect("200");
    assert_eq!(cooldown.until(), before);
}

#[test]
fn eight_threads_leave_the_longest_time() {
    let cooldown = Cooldown::default();
    let start = std::time::Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let cooldown = &cooldown;
            scope.spawn(move || {
                for turn in 0..10_000_u64 {
                    let time = (turn * 8 + thread) * 7_919 % 80_000;
                    let until = start + Duration::from_millis(time);
                    cooldown.begin(StatusCode::TOO_MANY_REQUESTS, until);
                    assert!(cooldown.until() >= Some(until), "nothing is shortened");
                }
            });
        }
    });
    let rest = cooldown.until().expect("armed") - start;
    assert_eq!(rest.as_millis(), 79_999);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_held_till_the_end_and_a_spread_and_arrives_once_and_whole() {
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

/// Never early; and the deciles of ten thousand spreads are where those of a uniform one are.
/// (By chance outside: less than once in 10^20.)
#[tokio::test(start_paused = true)]
async fn held_requests_are_sent_all_over_the_spread() {
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
async fn a_rest_beyond_max_hold_is_refused_at_once() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 61 * SECOND);
    let (begun, script) = (Instant::now(), Script::new([200]));
    let error = layer.layer(script.clone()).oneshot(post()).await.refused();
    assert_eq!((begun.elapsed(), script.count()), (Duration::ZERO, 0));
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
}

#[tokio::test(start_paused = true)]
async fn a_refused_one_says_what_is_left_and_nothing_of_the_other_s_answer() {
    let (layer, cooldown) = shared();
    let answer = answer(403)
        .retry_after("90")
        .header("set-cookie", "secret")
        .text("secret");
    answered(&layer, answer, post()).await;
    let error = layer
        .layer(Script::new([200]))
        .oneshot(get())
        .await
        .refused();
    let left = rest(&cooldown).expect("armed");
    assert_eq!(error.kind(), StatusKind::QuotaExceeded);
    assert_eq!(error.status(), StatusCode::FORBIDDEN);
    assert_eq!((error.attempts(), error.earlier().len()), (0, 0));
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    let told = error.retry_after().expect("what is left");
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
async fn zero_holds_nobody_and_no_heed_is_paid_by_never_retry_and_no_cooldown() {
    let cooldown = Cooldown::default();
    begin(&cooldown, SECOND);
    let none = policy().max_hold(Duration::ZERO);
    let layer = || layer().cooldown(cooldown.clone());
    let service = layer().policy(none).layer(Script::new([200]));
    let error = service.oneshot(get()).await.refused();
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);

    let begun = Instant::now();
    let heedless = layer().never_retry().layer(Script::new([200]));
    heedless.oneshot(get()).await.expect("200");
    let without = layer().no_cooldown().layer(Script::new([200]));
    without.oneshot(get()).await.expect("200");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let arming = layer().never_retry().cooldown(Cooldown::default());
    let service = arming.layer(Script::new([answer(429).retry_after("9")]));
    service.oneshot(get()).await.refused();
    service_is_quick(arming).await;
}

async fn service_is_quick<P: revio_status::RetryPolicy + Clone>(layer: RevioStatusLayer<P>) {
    let begun = Instant::now();
    let service = layer.policy(policy()).layer(Script::new([200]));
    service.oneshot(get()).await.expect("200");
    assert_eq!(begun.elapsed(), Duration::ZERO, "never_retry arms nothing");
}

#[tokio::test(start_paused = true)]
async fn two_accounts_go_through_one_layer() {
    let (layer, of_the_layer) = shared();
    let [quiet, flowing] = [Cooldown::default(), Cooldown::default()];
    let of = |account: &Cooldown| {
        let mut request = post();
        request.extensions_mut().insert(account.clone());
        request
    };
    answered(&layer, answer(429).retry_after("40"), of(&quiet)).await;
    let begun = Instant::now();
    let service = layer.no_cooldown().layer(Script::new([200]));
    service.clone().oneshot(of(&flowing)).await.expect("200");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    service.oneshot(of(&quiet)).await.expect("200");
    assert!(begun.elapsed() >= 40 * SECOND);
    assert_eq!((of_the_layer.until(), flowing.until()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn who_is_held_is_held_again_where_it_was_extended_and_not_beyond_max_hold() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 20 * SECOND);
    let (begun, script) = (Instant::now(), Script::new([200]));
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(post()));
    sleep(10 * SECOND).await;
    begin(&cooldown, 30 * SECOND);
    call.await.expect("no panic").expect("200");
    assert!(begun.elapsed() >= 40 * SECOND);

    cooldown.end();
    begin(&cooldown, 30 * SECOND);
    let (begun, script) = (Instant::now(), Script::new([200]));
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(post()));
    sleep(10 * SECOND).await;
    begin(&cooldown, 60 * SECOND); // 30 s and a spread were planned, and 40 are left then
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
async fn lifting_it_wakes_nobody_early_and_lets_others_pass() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 20 * SECOND);
    let begun = Instant::now();
    let service = layer.layer(Script::new([200]));
    let call = tokio::spawn(service.clone().oneshot(post()));
    sleep(SECOND).await;
    cooldown.end();
    service.oneshot(post()).await.expect("200");
    assert_eq!(begun.elapsed(), SECOND);
    call.await.expect("no panic").expect("200");
    assert!(begun.elapsed() >= 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_before_the_deadline_or_is_none() {
    for (deadline, is_held) in [
        (20 * SECOND + Duration::from_millis(9), false),
        (20 * SECOND + Duration::from_millis(30), true),
        (19 * SECOND, false),
    ] {
        let (layer, cooldown) = shared();
        begin(&cooldown, 20 * SECOND);
        let (begun, script) = (Instant::now(), Script::new([200]));
        let mut post = post();
        post.extensions_mut().insert(Deadline(deadline));
        let result = layer.layer(script.clone()).oneshot(post).await;
        let held = begun.elapsed();
        if is_held {
            result.expect("in time");
            // In half of what is left.
            assert!(held >= 20 * SECOND && held <= 20 * SECOND + Duration::from_millis(17));
        } else {
            assert_eq!(result.refused().stop_reason(), StopReason::CoolingDown);
            assert_eq!((held, script.count()), (Duration::ZERO, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_before_it_is_ready_refuses_it() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 10 * SECOND);
    let busy = Arc::new(tokio::sync::Semaphore::new(1));
    let script = Script::new([200]);
    let limit = ConcurrencyLimit::with_semaphore(script.clone(), busy.clone());
    let service = layer.deadline(15 * SECOND).layer(limit);
    let begun = Instant::now();
    let call = tokio::spawn(service.oneshot(post()));
    sleep(SECOND).await;
    let _permit = busy
        .acquire()
        .await
        .expect("the ready service was given back");
    let error = call.await.expect("no panic").refused();
    assert_eq!(error.stop_reason(), StopReason::DeadlineExceeded);
    assert_eq!((error.attempts(), script.count()), (0, 0));
    assert_eq!(begun.elapsed(), 15 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn who_is_held_keeps_no_permit() {
    let (layer, cooldown) = shared();
    let limit = ConcurrencyLimit::new(Script::new([200]), 1);
    let service = layer.layer(limit);
    begin(&cooldown, 20 * SECOND);
    let calls: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(post())))
        .collect();
    sleep(SECOND).await;
    let heedless = Cooldown::default();
    let mut other = post();
    other.extensions_mut().insert(heedless);
    let begun = Instant::now();
    service.oneshot(other).await.expect("the permit is free");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    for call in calls {
        call.await.expect("no panic").expect("200");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_hold_leaves_nothing() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 20 * SECOND);
    let script = Script::new([200]);
    let call = layer.layer(script.clone()).oneshot(post());
    let cancelled = tokio::time::timeout(SECOND, call).await;
    assert!(cancelled.is_err());
    sleep(60 * SECOND).await;
    assert_eq!(script.count(), 0);
}

fn patient() -> StandardPolicy {
    policy().retry_on(StatusCode::TOO_MANY_REQUESTS)
}

#[tokio::test(start_paused = true)]
async fn a_retried_429_is_not_held_by_what_it_armed_itself() {
    let script = Script::new([answer(429).retry_after("40"), answer(200)]);
    let service = layer().policy(patient()).layer(script.clone());
    service.oneshot(post()).await.expect("200");
    assert_eq!(script.waits(), [40 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn a_resend_waits_on_where_somebody_else_was_told_to() {
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
async fn a_resend_that_may_not_wait_ends_with_its_own_failure_and_the_longer_wait() {
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
    assert_eq!(budget.available(), 5, "what was not sent is given back");
}

#[tokio::test(start_paused = true)]
async fn what_a_cool_down_paces_costs_no_budget_and_what_it_does_not_does() {
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

/// Not `max_retry_after`, of 30 s: the account must wait in any case.
#[tokio::test(start_paused = true)]
async fn of_what_arms_max_hold_is_the_limit_of_retry_after() {
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

#[tokio::test(start_paused = true)]
async fn it_is_told_when_one_begins_is_extended_and_holds_or_refuses() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let notes = told.clone();
    let (layer, cooldown) = shared();
    let layer = layer.on_event(move |event| {
        let line = match event {
            Event::CooldownBegan {
                cooldown,
                status,
                until,
                ..
            } => {
                assert_eq!(cooldown.until(), Some(*until));
                format!("{} began", status.as_u16())
            }
            Event::Held { method, rest, .. } => format!("{method} held {}", rest.as_secs()),
            Event::GivenUp { method, error, .. } => format!("{method}: {error}"),
            _ => "another".to_owned(),
        };
        notes.lock().expect("no panic").push(line);
    });
    for asked in ["20", "20", "20.9", "40"] {
        let heedless = layer.clone().policy(Heedless);
        answered(&heedless, answer(429).retry_after(asked), post()).await;
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
        *told.lock().expect("no panic"),
        [
            "429 began",
            "429 began",
            "GET held 40",
            "GET: 429 Too Many Requests: the request was not sent (cooling_down)",
        ]
    );
}

#[test]
#[should_panic(expected = "a cool-down of at most 0ns is none")]
fn a_cool_down_without_time_is_refused() {
    let _ = Cooldown::new(Duration::ZERO);
}

#[test]
#[should_panic(expected = "begin(200): that is no failure")]
fn what_is_no_failure_begins_none() {
    Cooldown::default().begin(StatusCode::OK, std::time::Instant::now());
}
