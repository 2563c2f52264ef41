//! Layers that share their cool-down with the test, and policies for cool-downs.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use revio_status::{
    Attempt, Backoff, Cooldown, Decision, RetryPolicy, RevioStatusLayer, StandardPolicy, StopReason,
};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use super::{
    layer,
    script::{Answer, Script},
};

pub const SECOND: Duration = Duration::from_secs(1);
pub const TICK: Duration = Duration::from_millis(1); // the timer's

pub fn policy() -> StandardPolicy {
    StandardPolicy::default().backoff(Backoff::none())
}

pub fn patient() -> StandardPolicy {
    policy().retry_on(StatusCode::TOO_MANY_REQUESTS)
}

/// Returns a layer and its cool-down.
pub fn shared() -> (RevioStatusLayer, Cooldown) {
    let cooldown = Cooldown::default();
    (
        layer().policy(policy()).cooldown(cooldown.clone()),
        cooldown,
    )
}

/// Returns the cool-down's remaining time.
pub fn rest(cooldown: &Cooldown) -> Option<Duration> {
    let until = cooldown.until()?;
    Some(until.saturating_duration_since(Instant::now().into_std()))
}

/// Extends the cool-down to `time` from now.
pub fn begin(cooldown: &Cooldown, time: Duration) {
    let until = Instant::now().into_std() + time;
    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until);
}

/// A policy that starts cool-downs and ignores them.
#[derive(Clone)]
pub struct Heedless;

impl RetryPolicy for Heedless {
    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Stop(StopReason::StoppedByPolicy)
    }

    fn max_hold(&self) -> Option<Duration> {
        None
    }
}

/// Sends the request and returns after its response.
pub async fn answered<P>(layer: &RevioStatusLayer<P>, answer: Answer, request: Request<Full<Bytes>>)
where
    P: RetryPolicy + Clone,
{
    let service = layer.layer(Script::new([answer]));
    let _ = service.oneshot(request).await;
}
