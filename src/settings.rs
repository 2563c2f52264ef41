//! What a layer was told, shared by all requests of a service.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Extensions;
use hyper::rt::Sleep;

use crate::{
    policy::{Observer, RetryPolicy, TimeLimit},
    shared::{Armed, Budget, Cooldown},
};

#[derive(Clone, Debug)]
pub(crate) struct Settings<P> {
    pub(crate) policy: P,
    pub(crate) timer: Timer,
    pub(crate) budget: Option<Budget>,
    pub(crate) cooldown: Option<Cooldown>,
    pub(crate) observer: Option<Observer>,
    pub(crate) deadline: Option<Duration>,
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
            deadline: None,
            error_body_limit: 64 * 1024,
            error_body_timeout: Duration::from_secs(5),
            replay_body_limit: 64 * 1024,
        }
    }

    pub(crate) fn with_policy<Q>(self, policy: Q) -> Settings<Q> {
        let Self {
            policy: _,
            timer,
            budget,
            cooldown,
            observer,
            deadline,
            error_body_limit,
            error_body_timeout,
            replay_body_limit,
        } = self;
        Settings {
            policy,
            timer,
            budget,
            cooldown,
            observer,
            deadline,
            error_body_limit,
            error_body_timeout,
            replay_body_limit,
        }
    }

    /// When the deadline of a request with these extensions is. One beyond all time is none.
    #[inline]
    pub(crate) fn end(
        &self,
        extensions: &Extensions,
        started: impl FnOnce() -> Instant,
    ) -> Option<Instant> {
        let own = extensions.get().map(|TimeLimit(time)| *time);
        let time = own.or(self.deadline)?;
        started().checked_add(time)
    }

    /// Whether a request with these extensions came while its account is to be quiet, and when. A
    /// cool-down that was never armed costs one load.
    #[inline]
    pub(crate) fn quiet(&self, extensions: &Extensions) -> Option<(Armed, Instant)>
    where
        P: RetryPolicy,
    {
        self.policy.max_hold()?; // or it pays no heed
        let own = extensions.get::<Cooldown>();
        let armed = own.or(self.cooldown.as_ref())?.armed()?;
        let now = self.timer.now();
        (!armed.rest(now).is_zero()).then_some((armed, now))
    }

    /// The time until then.
    pub(crate) fn remaining(&self, end: Option<Instant>) -> Option<Duration> {
        end.map(|end| end.saturating_duration_since(self.timer.now()))
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
