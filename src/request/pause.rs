//! A wait before something is sent: a delay before a resend, or a hold.

use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) time: Duration,
    /// `None`: beyond all time.
    due: Option<Instant>,
}

impl Pause {
    pub(crate) fn new(now: Instant, time: Duration) -> Self {
        Self {
            time,
            due: now.checked_add(time),
        }
    }

    /// The time from `now` until it is over.
    pub(crate) fn rest(&self, now: Instant) -> Duration {
        self.due
            .map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }
}
