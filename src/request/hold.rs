//! Waiting for a cool-down: how long, how often, and when a request is refused instead.

use std::time::{Duration, Instant};

use http::Request;

use crate::{
    body::ReplayBody,
    failure::{StatusError, StopReason},
    shared::{Active, random, spread},
};

/// The time that must be left between the end of a cool-down and the deadline.
const LEAST_LEFT: Duration = Duration::from_millis(10);

/// A wait before an attempt: the delay of a retry, or a hold.
#[derive(Clone, Copy)]
pub(super) struct Wait {
    pub(super) time: Duration,
    /// `None`: later than the clock can express.
    end: Option<Instant>,
}

impl Wait {
    pub(super) fn new(now: Instant, time: Duration) -> Self {
        Self {
            time,
            end: now.checked_add(time),
        }
    }

    /// Returns the time to sleep on, if the timer fired early. If more than half of the wait is left,
    /// the timer and the clock disagree, and the wait is over.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.end?.saturating_duration_since(now);
        let half = self.time.checked_div(2).unwrap_or(left);
        (!left.is_zero() && left <= half).then_some(left)
    }
}

/// The part of a request's state that only a cool-down needs.
pub(super) struct Hold<S, B> {
    /// The time held so far, as planned, spreads included.
    time: Duration,
    /// The end that a response to this request set.
    own_end: Option<Instant>,
    unsent: Option<Unsent<S, B>>,
}

/// A request that was not sent yet.
pub(super) struct Unsent<S, B> {
    pub(super) service: S,
    pub(super) request: Request<ReplayBody<B>>,
    /// The cool-down that held the request last.
    active: Active,
}

impl<S, B> Default for Hold<S, B> {
    fn default() -> Self {
        Self {
            time: Duration::ZERO,
            own_end: None,
            unsent: None,
        }
    }
}

impl<S, B> Hold<S, B> {
    /// Keeps the first attempt until the cool-down is over.
    pub(super) fn keep(&mut self, service: S, request: Request<ReplayBody<B>>, active: Active) {
        self.unsent = Some(Unsent {
            service,
            request,
            active,
        });
    }

    pub(super) fn unsent(&self) -> Option<&Unsent<S, B>> {
        self.unsent.as_ref()
    }

    pub(super) fn unsent_service(&mut self) -> Option<&mut S> {
        Some(&mut self.unsent.as_mut()?.service)
    }

    pub(super) fn take_unsent(&mut self) -> Option<Unsent<S, B>> {
        self.unsent.take()
    }

    /// Plans a wait for the cool-down, or refuses one.
    pub(super) fn plan(
        &mut self,
        active: Active,
        now: Instant,
        max_hold: Duration,
        remaining: Option<Duration>,
    ) -> Result<Wait, StopReason> {
        if let Some(unsent) = &mut self.unsent {
            unsent.active = active;
        }
        let cooldown = active.remaining(now);
        let left = remaining.map(|remaining| remaining.saturating_sub(cooldown));
        if self.time.saturating_add(cooldown) > max_hold || left.is_some_and(|l| l < LEAST_LEFT) {
            return Err(StopReason::CoolingDown);
        }
        let range = spread(cooldown, remaining, Duration::ZERO);
        let time = active.wait(now).saturating_add(random(range));
        self.time = self.time.saturating_add(time);
        Ok(Wait::new(now, time))
    }

    /// Records the end that this request's own response set.
    pub(super) fn set_own_end(&mut self, end: Instant) {
        self.own_end = self.own_end.max(Some(end));
    }

    /// Drops the exemption: the retry comes earlier than the response asked.
    pub(super) fn clear_own_end(&mut self) {
        self.own_end = None;
    }

    /// Returns `true` if the request's own delay covers this cool-down.
    pub(super) fn is_exempt(&self, active: Active) -> bool {
        self.own_end >= Some(active.until)
    }
}

impl<S, B> Unsent<S, B> {
    /// Returns the error of a request that is not sent at all. The cool-down may have been extended
    /// since it held the request.
    pub(super) fn refuse(&self, latest: Option<Active>, now: Instant) -> StatusError {
        let active = latest.unwrap_or(self.active);
        StatusError::refused(active.status, active.remaining(now))
    }
}
