//! What is told of decisions, for metrics.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, StatusCode};

use super::Attempt;
use crate::{failure::Error, shared::Cooldown};

/// What happens to requests, as [`RevioStatusLayer::on_event`](crate::RevioStatusLayer::on_event) is
/// told.
///
/// `Debug` shows no header, no query and no body.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An attempt failed, and another one will follow.
    #[non_exhaustive]
    RetryScheduled {
        /// The attempt that failed.
        attempt: &'a Attempt<'a>,
        /// The wait before the next one.
        after: Duration,
    },
    /// A request is given up after a retryable failure, or was refused by a cool-down. One whose last
    /// attempt got another answer, such as a 404, is none.
    #[non_exhaustive]
    GivenUp {
        /// The method of the request.
        method: &'a Method,
        /// What its caller gets.
        error: &'a Error,
    },
    /// A request, or a resend, is held by a cool-down.
    #[non_exhaustive]
    Held {
        /// The method of the request.
        method: &'a Method,
        /// What the cool-down had left, without the spread.
        remaining: Duration,
    },
    /// An answer armed a cool-down, or extended it by a second or more. [`Cooldown::extend_until`] is not
    /// told.
    #[non_exhaustive]
    CooldownStarted {
        /// The cool-down.
        cooldown: &'a Cooldown,
        /// The status of the answer.
        status: StatusCode,
        /// Until when, on the layer's clock.
        until: Instant,
    },
}

/// Who is told.
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
