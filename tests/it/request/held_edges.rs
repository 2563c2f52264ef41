//! Holds, and resends during a cool-down: limits, readiness, and events.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{Refused, body::*, events::Events, get, quiet::*, script::*};
use bytes::Bytes;
use http::{Request, header::RETRY_AFTER};
use http_body_util::Full;
use revio_status::{
    Budget, Cooldown, Decision, Event, RetryPolicy, RevioStatusLayer, StopReason, policy_fn,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};

/// The events' names, with the remaining time of a hold in whole seconds.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn by<P>(&self, layer: RevioStatusLayer<P>) -> RevioStatusLayer<P> {
        let log = self.clone();
        layer.on_event(move |event| {
            let line = match event {
                Event::RetryScheduled { .. } => "retry".to_owned(),
                Event::GivenUp { error, .. } => format!("given up: {}", error.stop_reason()),
                Event::Held { remaining, .. } => {
                    format!("held {}", remaining.as_secs_f64().round())
                }
                _ => "cool-down".to_owned(),
            };
            log.0.lock().expect("no panic").push(line);
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

/// Sends a GET, and starts a cool-down of this length a second later.
async fn get_then_cooldown<P>(
    layer: RevioStatusLayer<P>,
    cooldown: &Cooldown,
    script: &Script,
    time: Duration,
) -> Result<http::Response<crate::support::AnyBody>, revio_status::Error>
where
    P: RetryPolicy + Clone + Send + Sync + 'static,
{
    let start = async {
        sleep(SECOND).await;
        begin(cooldown, time);
    };
    let call = layer.layer(script.clone()).oneshot(get());
    tokio::join!(call, start).0
}

/// The events of a held request show no query and no user info.
#[tokio::test(start_paused = true)]
async fn held_event_shows_no_secret() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let (layer, cooldown) = shared();
    begin(&cooldown, 5 * SECOND);
    let uri = "http://user:password@api.test/v1/Customers?key=secret";
    let request = Request::get(uri).body(Full::<Bytes>::default());
    let service = layer.layer(Script::new([200]));
    service
        .oneshot(request.expect("valid"))
        .await
        .expect("held, then sent");
    let held = events.ours();
    assert_eq!(held.len(), 1, "{held:?}");
    let fields = &held[0].fields;
    assert_eq!(fields["url.path"], "\"/v1/Customers\"");
    assert_eq!(fields["server.address"], "\"api.test\"");
    let all = format!("{held:?}");
    for secret in ["user", "password", "key", "secret"] {
        assert!(!all.contains(secret), "{all}");
    }
}

#[tokio::test(start_paused = true)]
async fn held_first_attempt_has_no_resend_count() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let (layer, cooldown) = shared();
    begin(&cooldown, 5 * SECOND);
    let service = layer.layer(Script::new([200]));
    service.oneshot(get()).await.expect("held, then sent");
    let held = events.ours();
    assert_eq!(held[0].fields["message"], "request held");
    assert!(!held[0].fields.contains_key("http.request.resend_count"));
}

/// `on_event` and `tracing` both get the event of a held resend.
#[tokio::test(start_paused = true)]
async fn held_resend_is_reported_to_both() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let (layer, cooldown) = shared();
    let log = Log::default();
    let script = Script::new([answer(503).retry_after("5"), answer(200)]);
    let result = get_then_cooldown(log.by(layer), &cooldown, &script, 30 * SECOND).await;
    result.expect("200");
    assert_eq!(log.take(), ["retry", "held 26"]);
    let traced = events.ours();
    let messages: Vec<_> = traced
        .iter()
        .map(|e| e.fields["message"].as_str())
        .collect();
    assert_eq!(messages, ["retry scheduled", "request held"]);
}

#[tokio::test(start_paused = true)]
async fn second_hold_is_reported() {
    let (layer, cooldown) = shared();
    let log = Log::default();
    begin(&cooldown, 10 * SECOND);
    let service = log.by(layer).layer(Script::new([200]));
    let call = tokio::spawn(service.oneshot(get()));
    sleep(5 * SECOND).await;
    begin(&cooldown, 20 * SECOND);
    call.await.expect("no panic").expect("200");
    let lines = log.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "held 10");
    assert!(["held 14", "held 15"].contains(&&*lines[1]), "{lines:?}");
}

/// `max_hold` limits the sum of a request's holds.
#[tokio::test(start_paused = true)]
async fn third_hold_above_max_hold_is_refused() {
    let (layer, cooldown) = shared();
    let script = Script::new([200]);
    let begun = Instant::now();
    begin(&cooldown, 25 * SECOND);
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(get()));
    for end in [51, 77] {
        sleep(begun + (end - 27) * SECOND - Instant::now()).await;
        begin(&cooldown, 27 * SECOND);
    }
    let error = call.await.expect("no panic").refused();
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    let held = begun.elapsed();
    assert!(held >= 51 * SECOND && held < 54 * SECOND, "{held:?}");
    assert_eq!(script.count(), 0);
}

fn one_permit(script: &Script) -> (ConcurrencyLimit<Script>, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(1));
    let limit = ConcurrencyLimit::with_semaphore(script.clone(), permits.clone());
    (limit, permits)
}

#[tokio::test(start_paused = true)]
async fn refusal_does_not_wait_for_readiness() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 61 * SECOND);
    let script = Script::new([200]);
    let (limit, permits) = one_permit(&script);
    let mut service = layer.layer(limit);
    let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await;
    let call = ready.expect("ready").call(get());
    let _other = permits.acquire().await.expect("given back by `call`");
    let begun = Instant::now();
    let result = timeout(1_000 * SECOND, call).await;
    let error = result.expect("no wait").refused();
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    assert_eq!((begun.elapsed(), error.attempts()), (Duration::ZERO, 0));
}

/// After a cool-down, the first attempt uses the instance that returned ready.
#[tokio::test(start_paused = true)]
async fn past_cooldown_keeps_the_ready_instance() {
    let (layer, cooldown) = shared();
    begin(&cooldown, SECOND);
    for (elapsed, free) in [(Duration::ZERO, 1), (SECOND + TICK, 0)] {
        sleep(elapsed).await;
        let (limit, permits) = one_permit(&Script::new([200]));
        let mut service = layer.layer(limit);
        let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await;
        let call = ready.expect("ready").call(get());
        assert_eq!(permits.available_permits(), free, "after {elapsed:?}");
        drop(call);
    }
}

/// A policy that ignores cool-downs keeps the instance that returned ready.
#[tokio::test(start_paused = true)]
async fn ignored_cooldown_keeps_the_ready_instance() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 30 * SECOND);
    let (limit, permits) = one_permit(&Script::new([200]));
    let mut service = layer.policy(Heedless).layer(limit);
    let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await;
    let call = ready.expect("ready").call(get());
    assert_eq!(permits.available_permits(), 0);
    call.await.expect("200");
}

/// No sleep starts that would end at the deadline.
#[tokio::test(start_paused = true)]
async fn retry_due_at_the_deadline_stops_at_once() {
    for (limit, expected) in [(4 * SECOND, 0), (4 * SECOND + TICK, 4)] {
        let begun = Instant::now();
        let script = Script::new([answer(503).retry_after("4"), answer(404)]);
        let service = shared().0.time_limit(limit).layer(script);
        let _ = service.oneshot(get()).await.refused();
        assert_eq!(begun.elapsed().as_secs(), expected);
    }
}

/// One paced retry per request is free, also with an unpaced retry between two paced ones.
#[tokio::test(start_paused = true)]
async fn unpaced_retry_earns_no_free_retry() {
    let budget = Budget::new(9, 0.0);
    let paced = answer(429).retry_after("1");
    let script = Script::new([paced.clone(), answer(503), paced, answer(200)]);
    let policy = patient().max_attempts(4);
    let layer = shared().0.policy(policy).budget(budget.clone());
    layer.layer(script).oneshot(get()).await.expect("200");
    assert_eq!(budget.available(), 7);
}

fn retry_after_5_s() -> impl RetryPolicy + Clone + Send + Sync + 'static {
    policy_fn(|_| Decision::Retry { after: 5 * SECOND })
}

/// The error of a cancelled retry has the longer of its own wait and the remaining time.
#[tokio::test(start_paused = true)]
async fn cancelled_retry_keeps_longer_retry_after() {
    for (time, expected) in [(90, "500"), (1_000, "996")] {
        let (layer, cooldown) = shared();
        let script = Script::new([answer(503).retry_after("500")]);
        let layer = layer.policy(retry_after_5_s());
        let result = get_then_cooldown(layer, &cooldown, &script, time * SECOND).await;
        let error = result.refused();
        assert_eq!(error.stop_reason(), StopReason::CoolingDown);
        let asked = error.retry_after().expect("the longer one");
        assert_eq!(asked.as_secs().to_string(), expected);
        let served = error.into_response();
        assert_eq!(served.headers()[RETRY_AFTER], *expected);
    }
}

/// A served error names one waiting time, in one header.
#[tokio::test(start_paused = true)]
async fn served_error_has_one_waiting_time() {
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        let (layer, cooldown) = shared();
        let response = answer(503).header(name, "5000").retry_after("5");
        let script = Script::new([response]);
        let result = get_then_cooldown(layer, &cooldown, &script, 100 * SECOND).await;
        let served = result.refused().into_response();
        assert_eq!(served.headers()[RETRY_AFTER], "96");
        assert!(!served.headers().contains_key(name), "{name}");
    }
}

/// A response's own wait is served unchanged if it is longer than the remaining time.
#[tokio::test(start_paused = true)]
async fn served_error_keeps_own_longer_wait() {
    let (layer, cooldown) = shared();
    let script = Script::new([answer(503).header("retry-after-ms", "500500")]);
    let layer = layer.policy(retry_after_5_s());
    let result = get_then_cooldown(layer, &cooldown, &script, 90 * SECOND).await;
    let served = result.refused().into_response();
    assert_eq!(served.headers()["retry-after-ms"], "500500");
    assert!(!served.headers().contains_key(RETRY_AFTER));
}

/// A retry that waits as long as its response asked for is not held, and has no spread.
#[tokio::test(start_paused = true)]
async fn unreported_own_429_exempts() {
    let (layer, cooldown) = shared();
    let script = Script::new([answer(429).retry_after("40"), answer(200)]);
    let upload = Steps::new([Step::Wait(SECOND), data("slow")]);
    let request = crate::support::with_body(http::Method::PUT, upload);
    let service = layer.policy(patient()).layer(script.clone());
    let start = async {
        sleep(SECOND / 2).await;
        begin(&cooldown, 40 * SECOND); // half a second shorter
    };
    tokio::join!(service.oneshot(request), start)
        .0
        .expect("200");
    assert_eq!(script.waits(), [41 * SECOND]);
}

/// `RetryScheduled` is reported only if the retry was approved.
#[tokio::test(start_paused = true)]
async fn retry_without_budget_is_not_reported() {
    let (layer, _) = shared();
    let log = Log::default();
    let layer = log.by(layer).budget(Budget::new(0, 0.0));
    let service = layer.layer(Script::new([503]));
    let _ = service.oneshot(get()).await.refused();
    assert_eq!(log.take(), ["given up: budget_exhausted"]);
}

#[tokio::test(start_paused = true)]
async fn second_on_event_replaces_the_first() {
    let (first, second) = (Log::default(), Log::default());
    let layer = second.by(first.by(shared().0));
    let service = layer.layer(Script::new([503, 200]));
    service.oneshot(get()).await.expect("200");
    assert_eq!(first.take(), [""; 0]);
    assert_eq!(second.take(), ["retry"]);
}

/// A request's own 429 does not exempt it from a cool-down that ends later.
#[tokio::test(start_paused = true)]
async fn shorter_own_429_does_not_exempt() {
    let (layer, cooldown) = shared();
    let slow = answer(429)
        .retry_after("10")
        .body([Step::Wait(SECOND), data("slow")]);
    let script = Script::new([slow, answer(200)]);
    let policy = patient();
    let call = layer.policy(policy).layer(script.clone()).oneshot(get());
    let start = async {
        sleep(SECOND / 2).await;
        begin(&cooldown, 30 * SECOND);
    };
    tokio::join!(call, start).0.expect("200");
    assert!(script.waits()[0] >= 30 * SECOND + SECOND / 2);
}
