//! The settings of a layer, and its timer, shared by all requests of a service.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Extensions;
use hyper::rt::Sleep;

use crate::{
    policy::{Deadline, Observer, RetryPolicy, TimeLimit},
    shared::{Active, Budget, Cooldown},
};

#[derive(Clone, Debug)]
pub(crate) struct Settings<P> {
    pub(crate) policy: P,
    pub(crate) timer: Timer,
    pub(crate) budget: Option<Budget>,
    pub(crate) cooldown: Option<Cooldown>,
    pub(crate) observer: Option<Observer>,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) error_body_limit: usize,
    pub(crate) error_body_timeout: Duration,
    pub(crate) replay_body_limit: usize,
}

impl<P> Settings<P> {
    pub(crate) fn new(policy: P, timer: Timer) -> Self {
        Self {
            policy,
            timer,
            budget: Some(Budget::default()),
            cooldown: Some(Cooldown::default()),
            observer: None,
            time_limit: None,
            error_body_limit: 64 * 1024,
            error_body_timeout: Duration::from_secs(5),
            replay_body_limit: 64 * 1024,
        }
    }

    pub(crate) fn with_policy<Q>(self, policy: Q) -> Settings<Q> {
        Settings {
            policy,
            timer: self.timer,
            budget: self.budget,
            cooldown: self.cooldown,
            observer: self.observer,
            time_limit: self.time_limit,
            error_body_limit: self.error_body_limit,
            error_body_timeout: self.error_body_timeout,
            replay_body_limit: self.replay_body_limit,
        }
    }

    /// Returns the deadline of a request with these extensions, and adds it to them, unless they have
    /// an earlier one. Overflow means no deadline.
    #[inline]
    pub(crate) fn set_deadline(
        &self,
        extensions: &mut Extensions,
        started: impl FnOnce() -> Instant,
    ) -> Option<Instant> {
        let own = extensions.get().map(|TimeLimit(time)| *time);
        let time = own.or(self.time_limit)?;
        let deadline = started().checked_add(time)?;
        let earlier = extensions.get().map(|Deadline(earlier)| *earlier);
        if earlier.is_none_or(|earlier| earlier > deadline) {
            extensions.insert(Deadline(deadline));
        }
        Some(deadline)
    }

    /// Returns the cool-down that holds a request with these extensions. Costs one load, and no clock,
    /// if the cool-down never started.
    #[inline]
    pub(crate) fn active_cooldown(&self, extensions: &Extensions) -> Option<Active>
    where
        P: RetryPolicy,
    {
        self.policy.max_hold()?; // `None` ignores cool-downs
        let own = extensions.get::<Cooldown>();
        let active = own.or(self.cooldown.as_ref())?.active()?;
        (!active.wait(self.timer.now()).is_zero()).then_some(active)
    }
}

#[derive(Clone)]
pub(crate) struct Timer(Arc<dyn hyper::rt::Timer + Send + Sync>);

impl Timer {
    pub(crate) fn new(timer: impl hyper::rt::Timer + Send + Sync + 'static) -> Self {
        Self(Arc::new(timer))
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.0.now()
    }

    pub(crate) fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.0.sleep(duration)
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timer")
    }
}
