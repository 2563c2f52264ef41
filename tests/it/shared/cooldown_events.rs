//! A `CooldownStarted` event means that the cool-down has started, or ends later than before.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{layer, post, quiet::*, script::*};
use revio_status::{Cooldown, Event};
use tokio::time::{Instant, sleep};

/// Promise (load): `CooldownStarted` is reported when a cool-down starts or ends later, and only
/// then.
#[tokio::test(start_paused = true)]
async fn shorter_wait_after_reported_end_is_silent() {
    let (cooldown, reported) = (Cooldown::default(), Arc::new(Mutex::new(Vec::new())));
    let ends = reported.clone();
    let layer = layer().policy(Heedless).cooldown(cooldown.clone());
    let layer = layer.on_event(move |event| {
        if let Event::CooldownStarted { until, .. } = event {
            ends.lock().expect("no panic").push(*until);
        }
    });
    // The second response extends the cool-down by less than a second: no event.
    for wait in ["500", "1400"] {
        answered(&layer, answer(429).header("retry-after-ms", wait), post()).await;
    }
    let end = cooldown.until().expect("started");
    // The reported end is over, the cool-down is not.
    sleep(Duration::from_millis(600)).await;
    answered(&layer, answer(429).header("retry-after-ms", "300"), post()).await;
    assert_eq!(cooldown.until(), Some(end));
    assert_eq!(reported.lock().expect("no panic").len(), 1, "not extended");
    answered(&layer, answer(429).header("retry-after-ms", "900"), post()).await;
    let last = reported.lock().expect("no panic").last().copied();
    assert_eq!(last, cooldown.until(), "extended");
    assert!(last > Some(Instant::now().into_std()));
}
