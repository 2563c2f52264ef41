//! The layer's clock in a simulation: tokio's, paused.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use http::StatusCode;
use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use revio_status::Cooldown;

use super::events::Nanos;

/// A cool-down counts whole microseconds from an instant of its own, and rounds up. This clock starts
/// at such a microsecond, so that each run rounds the same.
#[derive(Clone, Copy)]
pub struct Clock {
    origin: Instant,
    began: tokio::time::Instant,
}

impl Clock {
    /// Starts now, in a runtime whose clock is paused.
    pub fn start() -> Self {
        let began = tokio::time::Instant::now();
        let probe = Cooldown::default();
        probe.extend_until(StatusCode::TOO_MANY_REQUESTS, began.into_std());
        Self {
            origin: probe.until().expect("it was just armed"),
            began,
        }
    }

    pub fn nanos(&self) -> Nanos {
        self.began.elapsed().as_nanos() as Nanos
    }
}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.origin + self.began.elapsed()
    }
}
