//! The `Deadline` extension: the end of a request's time limit, for the layers below.

use std::time::Duration;

use crate::support::{get, hasty, layer, quiet::*, request, script::*};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use revio_status::{Deadline, RevioStatusLayer, TimeLimit};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Sends the request, and returns the deadline that each attempt carried.
async fn deadlines(
    layer: &RevioStatusLayer,
    request: Request<Full<Bytes>>,
) -> Vec<Option<Deadline>> {
    let script = Script::new([answer(503).retry_after("2"), answer(200)]);
    let _ = layer.layer(script.clone()).oneshot(request).await;
    let sent = script.sent();
    sent.iter()
        .map(|sent| sent.head.extensions.get().copied())
        .collect()
}

/// Promise (load): Every attempt of a request with a time limit carries its `Deadline`, and an
/// earlier one stays.
#[tokio::test(start_paused = true)]
async fn every_attempt_carries_the_deadline() {
    let end = now() + 9 * SECOND;
    let found = deadlines(&hasty().time_limit(9 * SECOND), get()).await;
    assert_eq!(found, [Some(Deadline(end)); 2]);

    let mut own = request(Method::GET);
    own.extensions_mut().insert(TimeLimit(4 * SECOND));
    let end = now() + 4 * SECOND;
    let found = deadlines(&hasty().time_limit(9 * SECOND), own).await;
    assert_eq!(found, [Some(Deadline(end)); 2]);
}

#[tokio::test(start_paused = true)]
async fn post_sent_once_carries_the_deadline() {
    let end = now() + 9 * SECOND;
    let found = deadlines(&hasty().time_limit(9 * SECOND), request(Method::POST)).await;
    assert_eq!(found, [Some(Deadline(end))]);
}

#[tokio::test(start_paused = true)]
async fn held_request_counts_from_call() {
    let (layer, cooldown) = shared();
    begin(&cooldown, 5 * SECOND);
    let end = now() + 30 * SECOND;
    let script = Script::new([200]);
    let service = layer.time_limit(30 * SECOND).layer(script.clone());
    service.oneshot(request(Method::POST)).await.expect("200");
    let sent = script.sent();
    assert!(now() >= end - 25 * SECOND);
    assert_eq!(sent[0].head.extensions.get(), Some(&Deadline(end)));
}

/// Promise (load): Every attempt of a request with a time limit carries its `Deadline`, and an
/// earlier one stays.
#[tokio::test(start_paused = true)]
async fn earlier_deadline_wins() {
    for (callers, expected) in [(5, 5), (9, 9), (20, 9)] {
        let start = now();
        let mut request = request(Method::GET);
        let callers = Deadline(start + callers * SECOND);
        request.extensions_mut().insert(callers);
        let found = deadlines(&hasty().time_limit(9 * SECOND), request).await;
        assert_eq!(found, [Some(Deadline(start + expected * SECOND)); 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn no_time_limit_keeps_callers_deadline() {
    assert_eq!(deadlines(&hasty(), get()).await, [None, None]);
    let endless = hasty().time_limit(Duration::MAX);
    assert_eq!(deadlines(&endless, get()).await, [None, None]);
    for layer in [hasty(), endless] {
        let mut request = get();
        let callers = Deadline(now() + SECOND);
        request.extensions_mut().insert(callers);
        let found = deadlines(&layer, request).await;
        assert_eq!(found, [Some(callers); 2], "and does not end the request");
    }
}

/// Promise (load): Every attempt of a request with a time limit carries its `Deadline`, and an
/// earlier one stays.
///
/// The outer layer's deadline is the earlier one for the attempts of the inner layer.
#[tokio::test(start_paused = true)]
async fn outer_layers_deadline_reaches_the_wire() {
    let end = now() + 6 * SECOND;
    let script = Script::new([200]);
    let inner = layer().time_limit(60 * SECOND).layer(script.clone());
    sleep(Duration::ZERO).await;
    let service = layer().time_limit(6 * SECOND).layer(inner);
    service.oneshot(get()).await.expect("200");
    let sent = script.sent();
    assert_eq!(sent[0].head.extensions.get(), Some(&Deadline(end)));
}
