//! Cool-downs: statuses and events at their exact limits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::support::{Refused, get, layer, quiet::*, script::*};
use http::StatusCode;
use revio_status::{Event, RevioStatusLayer};
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt};

/// Promise (load): A failure's status is kept; any other counts as 429.
#[tokio::test(start_paused = true)]
async fn extend_until_keeps_a_failures_status() {
    for (status, expected) in [(200, 429), (399, 429), (400, 400), (503, 503)] {
        let (layer, cooldown) = shared();
        let until = Instant::now().into_std() + 100 * SECOND;
        let status = StatusCode::from_u16(status).expect("valid");
        cooldown.extend_until(status, until);
        let error = layer.layer(Script::new([200])).oneshot(get()).await;
        assert_eq!(error.refused().status(), expected);
    }
}

/// Returns a layer and its number of `CooldownStarted` events.
fn counted() -> (RevioStatusLayer<Heedless>, Arc<AtomicU32>) {
    let reports = Arc::new(AtomicU32::new(0));
    let count = reports.clone();
    let layer = layer().policy(Heedless).on_event(move |event| {
        let is_start = matches!(event, Event::CooldownStarted { .. });
        count.fetch_add(u32::from(is_start), SeqCst);
    });
    (layer, reports)
}

/// Promise (load): A cool-down that starts when the last one has ended is reported, however short.
#[tokio::test(start_paused = true)]
async fn start_at_the_reported_end_is_reported() {
    let half = Duration::from_millis(500);
    for (pause, expected) in [(half - TICK, 1), (half, 2), (half + TICK, 2)] {
        let (layer, reports) = counted();
        let response = answer(429).header("retry-after-ms", "500");
        answered(&layer, response.clone(), get()).await;
        advance(pause).await;
        answered(&layer, response, get()).await;
        assert_eq!(reports.load(SeqCst), expected, "after {pause:?}");
    }
}

/// Promise (load): An extension by a second is reported, a shorter one is not.
#[tokio::test(start_paused = true)]
async fn extension_by_a_whole_second_is_reported() {
    let (layer, reports) = counted();
    for (pause, expected) in [(0, 1), (999_999, 1), (1, 2)] {
        advance(Duration::from_micros(pause)).await;
        answered(&layer, answer(429).retry_after("10"), get()).await;
        assert_eq!(reports.load(SeqCst), expected, "after {pause} µs");
    }
}
