//! The events that `on_event` receives, for metrics.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, StatusCode};

use super::Attempt;
use crate::{failure::Error, shared::Cooldown};

/// An event that [`RevioStatusLayer::on_event`](crate::RevioStatusLayer::on_event) receives.
///
/// `Debug` shows no header, no query and no body.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An attempt failed, and a retry is scheduled.
    #[non_exhaustive]
    RetryScheduled {
        /// The attempt that failed.
        attempt: &'a Attempt<'a>,
        /// The delay before the retry.
        after: Duration,
    },
    /// A request is given up after a retryable failure, or refused by a cool-down.
    ///
    /// A request whose last response is not retryable, such as a 404, has no event.
    #[non_exhaustive]
    GivenUp {
        /// The method of the request.
        method: &'a Method,
        /// The error that the caller receives.
        error: &'a Error,
    },
    /// A cool-down holds a request or a resend.
    #[non_exhaustive]
    Held {
        /// The method of the request.
        method: &'a Method,
        /// The remaining time of the cool-down, without the spread.
        remaining: Duration,
    },
    /// A response started a cool-down, or extended it at least a second beyond the end that was last
    /// reported. [`Cooldown::extend_until`] is not reported.
    #[non_exhaustive]
    CooldownStarted {
        /// The cool-down.
        cooldown: &'a Cooldown,
        /// The status of the response.
        status: StatusCode,
        /// The end, on the layer's clock.
        until: Instant,
    },
}

/// The callback set by `on_event`.
#[derive(Clone)]
pub(crate) struct Observer(Arc<dyn Fn(&Event<'_>) + Send + Sync>);

impl Observer {
    pub(crate) fn new(observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observer))
    }

    pub(crate) fn notify(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fn")
    }
}
