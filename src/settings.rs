//! What a layer was told, shared by all requests of a service.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::rt::Sleep;

use crate::shared::Budget;

#[derive(Clone, Debug)]
pub(crate) struct Settings<P> {
    pub(crate) policy: P,
    pub(crate) timer: Timer,
    pub(crate) budget: Option<Budget>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) capture_limit: usize,
    pub(crate) capture_timeout: Duration,
    pub(crate) replay_limit: usize,
}

impl<P> Settings<P> {
    pub(crate) fn new(policy: P, timer: Timer) -> Self {
        Self {
            policy,
            timer,
            budget: Some(Budget::default()),
            deadline: None,
            capture_limit: 64 * 1024,
            capture_timeout: Duration::from_secs(5),
            replay_limit: 64 * 1024,
        }
    }

    pub(crate) fn with_policy<Q>(self, policy: Q) -> Settings<Q> {
        let Self {
            policy: _,
            timer,
            budget,
            deadline,
            capture_limit,
            capture_timeout,
            replay_limit,
        } = self;
        Settings {
            policy,
            timer,
            budget,
            deadline,
            capture_limit,
            capture_timeout,
            replay_limit,
        }
    }

    /// The time until the deadline of a request that began at `started`.
    pub(crate) fn remaining(&self, started: Instant) -> Option<Duration> {
        let deadline = self.deadline?;
        let elapsed = self.timer.now().saturating_duration_since(started);
        Some(deadline.saturating_sub(elapsed))
    }
}

#[derive(Clone)]
pub(crate) struct Timer(Arc<dyn hyper::rt::Timer + Send + Sync>);

impl Timer {
    pub(crate) fn new(timer: impl hyper::rt::Timer + Send + Sync + 'static) -> Self {
        Self(Arc::new(timer))
    }

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
