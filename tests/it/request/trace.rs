//! `tracing` events, with fields named by OpenTelemetry's HTTP conventions.

use std::collections::BTreeMap;

use crate::support::{body::*, events::*, get, hasty, layer, post, quiet::*, request, script::*};
use http::Method;
use revio_status::{Backoff, Error, StandardPolicy, StopReason};
use tower::{Layer, ServiceExt};
use tracing::Level;

/// Sends one request to this script, and returns its events.
async fn events_of(
    request: http::Request<http_body_util::Full<bytes::Bytes>>,
    script: Script,
) -> (Vec<Record>, Option<Error>) {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let result = hasty().layer(script).oneshot(request).await;
    (events.ours(), result.err())
}

fn record<const N: usize>(level: Level, fields: [(&'static str, &str); N]) -> Record {
    Record {
        level,
        target: "revio_status".into(),
        fields: BTreeMap::from(fields.map(|(name, value)| (name, value.to_owned()))),
    }
}

#[tokio::test(start_paused = true)]
async fn retry_is_debug_final_failure_is_warn() {
    let script = Script::new([answer(503).retry_after("2"), answer(504), answer(503)]);
    let (events, error) = events_of(get(), script).await;
    let scheduled = |status: &str, resend: &str, delay: &str| {
        record(
            Level::DEBUG,
            [
                ("message", "retry scheduled"),
                ("http.request.method", "\"GET\""),
                ("server.address", "\"api.test\""),
                ("url.path", "\"/v1/Customers/1001\""),
                ("http.response.status_code", status),
                ("http.request.resend_count", resend),
                ("error.type", &format!("{status:?}")),
                ("retry.delay_ms", delay),
            ],
        )
    };
    let given_up = record(
        Level::WARN,
        [
            ("message", "request given up"),
            ("http.request.method", "\"GET\""),
            ("server.address", "\"api.test\""),
            ("url.path", "\"/v1/Customers/1001\""),
            ("http.response.status_code", "503"),
            ("http.request.resend_count", "2"),
            ("error.type", "\"503\""),
            ("retry.stop_reason", "attempts_exhausted"),
        ],
    );
    assert_eq!(
        events,
        [
            scheduled("503", "1", "2000"),
            scheduled("504", "2", "0"),
            given_up
        ]
    );
    assert!(error.is_some());
}

#[tokio::test(start_paused = true)]
async fn cooldown_hold_and_refusal_are_events() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let (layer, cooldown) = shared();
    answered(&layer, answer(429).retry_after("40"), get()).await;
    let service = layer.layer(Script::new([200]));
    service.clone().oneshot(post()).await.expect("200");
    begin(&cooldown, 90 * SECOND);
    service.oneshot(post()).await.expect_err("refused");
    let post = [
        ("http.request.method", "\"POST\""),
        ("server.address", "\"api.test\""),
        ("url.path", "\"/v1/Customers/1001\""),
    ];
    let quiet = [
        ("http.response.status_code", "429"),
        ("error.type", "\"429\""),
        ("retry.delay_ms", "40000"),
    ];
    let mut expected = [
        record(Level::DEBUG, [("message", "cool-down started")]),
        record(Level::DEBUG, [("message", "request held")]),
        record(
            Level::WARN,
            [
                ("message", "request given up"),
                ("http.response.status_code", "429"),
                ("http.request.resend_count", "0"),
                ("error.type", "\"429\""),
                ("retry.stop_reason", "cooling_down"),
            ],
        ),
    ];
    let owned = |(name, value): (_, &str)| (name, value.to_owned());
    let get = [("http.request.method", "\"GET\""), post[1], post[2]];
    expected[0]
        .fields
        .extend(get.into_iter().chain(quiet).map(owned));
    expected[1]
        .fields
        .extend(post.into_iter().chain(quiet).map(owned));
    expected[2].fields.extend(post.map(owned));
    assert_eq!(events.ours(), expected);
}

#[tokio::test(start_paused = true)]
async fn held_resend_has_its_number() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let (layer, cooldown) = shared();
    let slow = answer(503).body([Step::Wait(SECOND)]);
    let service = layer.layer(Script::new([slow, answer(200)]));
    let call = async {
        tokio::time::sleep(SECOND / 2).await;
        begin(&cooldown, 9 * SECOND);
    };
    let (result, ()) = tokio::join!(service.oneshot(get()), call);
    result.expect("200");
    let held = events.ours().pop().expect("the last event");
    assert_eq!(held.fields["message"], "request held");
    assert_eq!(held.fields["http.request.resend_count"], "1");
}

/// Layers nested by mistake report each event once.
#[tokio::test]
async fn nested_layers_report_once() {
    let (one_layers, _) = events_of(get(), Script::new([503])).await;
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let service = hasty().layer(hasty().layer(Script::new([503])));
    service.oneshot(get()).await.map(drop).expect_err("503");
    assert_eq!(one_layers.len(), 3);
    assert_eq!(events.ours(), one_layers);
}

/// Promise (cause): `on_event` and `tracing` report the same events, and each event names its
/// request.
#[tokio::test]
async fn request_sent_once_is_named() {
    let (events, _) = events_of(post(), Script::new([504])).await;
    let given_up = record(
        Level::WARN,
        [
            ("message", "request given up"),
            ("http.request.method", "\"POST\""),
            ("server.address", "\"api.test\""),
            ("url.path", "\"/v1/Customers/1001\""),
            ("http.response.status_code", "504"),
            ("http.request.resend_count", "0"),
            ("error.type", "\"504\""),
            ("retry.stop_reason", "not_idempotent"),
        ],
    );
    assert_eq!(events, [given_up]);
}

#[tokio::test]
async fn success_and_plain_failures_emit_nothing() {
    for status in [200, 301, 400, 404, 429, 500, 501] {
        for method in [Method::GET, Method::POST] {
            let (events, _) = events_of(request(method), Script::new([status])).await;
            assert_eq!(events, [], "{status}");
        }
    }
}

#[test]
fn stop_reasons_have_their_names() {
    let names = [
        (StopReason::NotRetryable, "not_retryable"),
        (StopReason::NotIdempotent, "not_idempotent"),
        (StopReason::BodyNotReplayable, "body_not_replayable"),
        (StopReason::AttemptsExhausted, "attempts_exhausted"),
        (StopReason::RetryAfterTooLong, "retry_after_too_long"),
        (StopReason::DeadlineExceeded, "deadline_exceeded"),
        (StopReason::BudgetExhausted, "budget_exhausted"),
        (StopReason::CoolingDown, "cooling_down"),
        (StopReason::StoppedByPolicy, "stopped_by_policy"),
    ];
    for (reason, name) in names {
        assert_eq!(reason.to_string(), name);
    }
}

#[tokio::test]
async fn ipv6_address_has_no_brackets() {
    let mut request = get();
    *request.uri_mut() = "http://[::1]:8080/v1/Bills".parse().expect("valid");
    let (events, _) = events_of(request, Script::new([503])).await;
    assert_eq!(events[0].fields["server.address"], "\"::1\"");
}

#[tokio::test]
async fn final_event_names_the_request() {
    for attempts in [1, 2, 3] {
        let events = Events::default();
        let _guard = tracing::subscriber::set_default(events.clone());
        let policy = StandardPolicy::default().max_attempts(attempts);
        let service = layer()
            .policy(policy.backoff(Backoff::none()))
            .layer(Script::new([503]));
        let put = request(Method::PUT);
        service.oneshot(put).await.expect_err("503");
        let all = events.ours();
        let warning = all.last().expect("a warning");
        assert_eq!(warning.level, Level::WARN);
        assert_eq!(warning.fields["http.request.method"], "\"PUT\"");
        assert_eq!(warning.fields["server.address"], "\"api.test\"");
    }
}
