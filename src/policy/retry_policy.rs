//! Whether to send again, and when: pure decisions, without futures and clocks.

use std::{fmt, sync::Arc, time::Duration};

use http::{Method, StatusCode, request};

use super::{Attempt, Backoff, Idempotent};
use crate::failure::StopReason;

/// Decides whether a failed request is sent again.
///
/// The layer asks in this order, and the first no is the [`StopReason`]: is the status
/// [retryable](Self::is_retryable), [may the request be resent](Self::may_resend), what does
/// [`decide`](Self::decide) say, is the deadline far enough, can the body be replayed, is there a
/// budget left. A policy neither waits nor counts: the layer does both.
///
/// Most users want [`StandardPolicy`]; for a decision in one closure there is [`policy_fn`].
pub trait RetryPolicy {
    /// Whether answers with this status may be retried. Asked for failures only.
    ///
    /// Default: 503 and 504.
    fn is_retryable(&self, status: StatusCode) -> bool {
        is_temporary(status)
    }

    /// Whether this request may reach the server twice. Asked once, before the first attempt.
    ///
    /// Nothing is kept of a request that may not: its body is not recorded, its head not cloned.
    ///
    /// Default: what [`Idempotent`] in its extensions says, else true for the idempotent methods
    /// of [RFC 9110 §9.2.2]: GET, HEAD, OPTIONS, TRACE, PUT and DELETE, in capitals.
    ///
    /// [RFC 9110 §9.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
    fn may_resend(&self, request: &request::Parts) -> bool {
        match request.extensions.get::<Idempotent>() {
            Some(Idempotent(word)) => *word,
            None => is_idempotent(&request.method),
        }
    }

    /// What to do about this failed attempt. Asked only when the other two said yes.
    ///
    /// The layer waits just as long as [`Decision::Retry`] says: include
    /// [`Attempt::retry_after`], or the request comes earlier than the server asked for.
    fn decide(&self, attempt: &Attempt<'_>) -> Decision;

    /// The most attempts that [`decide`](Self::decide) agrees to for a request, the first included.
    /// Asked once, before the first attempt.
    ///
    /// Of the last one only the method and the URI are kept: its headers are not cloned, its body
    /// not recorded. When it fails the request ends with [`StopReason::AttemptsExhausted`], and
    /// `decide` is not asked. A policy that wraps another passes this on.
    ///
    /// Default: [`u32::MAX`], for a policy that does not count.
    fn attempt_limit(&self) -> u32 {
        u32::MAX
    }
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

/// The RFC's own list: methods that a newer `http` learns are not ours to resend.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// Lets a policy be chosen at run time: `Arc<dyn RetryPolicy + Send + Sync>` is one.
impl<P: RetryPolicy + ?Sized> RetryPolicy for Arc<P> {
    fn is_retryable(&self, status: StatusCode) -> bool {
        (**self).is_retryable(status)
    }

    fn may_resend(&self, request: &request::Parts) -> bool {
        (**self).may_resend(request)
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        (**self).decide(attempt)
    }

    fn attempt_limit(&self) -> u32 {
        (**self).attempt_limit()
    }
}

/// The answer of a [`RetryPolicy`]. There is no third one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send the request again.
    Retry {
        /// The delay before it, counted from now. Zero does not go through the timer.
        after: Duration,
    },
    /// Return the failure, with this reason.
    Stop(StopReason),
}

/// Up to three attempts, full-jitter exponential backoff, and never earlier than the server asks.
///
/// The delay is `Retry-After`, if the server sent one, plus the backoff: clients that were told
/// the same moment do not all come back at it.
///
/// ```
/// use std::time::Duration;
/// use http::StatusCode;
/// use revio_status::{Backoff, StandardPolicy};
///
/// let patient = StandardPolicy::default()
///     .max_attempts(5)
///     .backoff(Backoff::exponential(Duration::from_secs(1), Duration::from_secs(60)))
///     .max_retry_after(Duration::from_secs(120))
///     .retry_on(StatusCode::TOO_MANY_REQUESTS);
/// ```
///
#[doc = include_str!("choosing.md")]
#[derive(Clone, Debug)]
#[must_use]
pub struct StandardPolicy {
    max_attempts: u32,
    backoff: Backoff,
    max_retry_after: Duration,
    retry_on: Vec<StatusCode>,
}

impl StandardPolicy {
    /// Sends a request at most this often, the first time included. Default: 3.
    ///
    /// # Panics
    ///
    /// If `attempts` is 0.
    pub fn max_attempts(self, attempts: u32) -> Self {
        assert!(attempts > 0, "max_attempts is 0: the first attempt counts");
        Self {
            max_attempts: attempts,
            ..self
        }
    }

    /// Sets the wait that is added to `Retry-After`. Default: `Backoff::exponential(500 ms, 20 s)`.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Gives up at once when the server asks for a longer wait than this. Default: 30 s.
    ///
    /// [`StatusError::retry_after`](crate::StatusError::retry_after) then tells when to come back.
    pub fn max_retry_after(self, limit: Duration) -> Self {
        Self {
            max_retry_after: limit,
            ..self
        }
    }

    /// Retries this status too, beside 503 and 504. Can be said of several.
    ///
    /// # Panics
    ///
    /// If the status is no failure, that is, below 400.
    pub fn retry_on(mut self, status: StatusCode) -> Self {
        assert!(
            status.as_u16() >= 400,
            "retry_on({}): that is no failure",
            status.as_u16()
        );
        self.retry_on.push(status);
        self
    }
}

impl Default for StandardPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::default(),
            max_retry_after: Duration::from_secs(30),
            retry_on: Vec::new(),
        }
    }
}

impl RetryPolicy for StandardPolicy {
    fn is_retryable(&self, status: StatusCode) -> bool {
        is_temporary(status) || self.retry_on.contains(&status)
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        let asked = attempt.retry_after().unwrap_or(Duration::ZERO);
        if attempt.number() >= self.max_attempts {
            Decision::Stop(StopReason::AttemptsExhausted)
        } else if asked > self.max_retry_after {
            Decision::Stop(StopReason::RetryAfterTooLong)
        } else {
            let after = asked.saturating_add(self.backoff.delay(attempt.number()));
            Decision::Retry { after }
        }
    }

    fn attempt_limit(&self) -> u32 {
        self.max_attempts
    }
}

/// Sends every request once: typed errors without retries.
#[derive(Clone, Copy, Debug, Default)]
pub struct NeverRetry;

impl RetryPolicy for NeverRetry {
    fn is_retryable(&self, _: StatusCode) -> bool {
        false
    }

    fn may_resend(&self, _: &request::Parts) -> bool {
        false
    }

    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Stop(StopReason::NotRetryable)
    }

    fn attempt_limit(&self) -> u32 {
        1
    }
}

/// Makes a policy of a closure that decides about every failed attempt, whatever its status.
///
/// Which requests may be resent is still decided as [`RetryPolicy::may_resend`] does by default.
/// The closure says where it ends: no number of attempts ends it. As every failure counts as
/// retryable, none earns anything for the budget, and each one given up is an event at WARN.
///
/// ```
/// use std::time::Duration;
/// use revio_status::{Decision, StatusKind, StopReason, policy_fn};
///
/// let patient_with_gateways = policy_fn(|attempt| match attempt.kind() {
///     StatusKind::GatewayTimeout if attempt.number() < 5 => Decision::Retry {
///         after: attempt.retry_after().unwrap_or(Duration::from_secs(1)),
///     },
///     _ => Decision::Stop(StopReason::StoppedByPolicy),
/// });
/// ```
pub fn policy_fn<F>(decide: F) -> PolicyFn<F>
where
    F: Fn(&Attempt<'_>) -> Decision,
{
    PolicyFn(decide)
}

/// The policy that [`policy_fn`] returns.
#[derive(Clone, Copy)]
#[must_use]
pub struct PolicyFn<F>(F);

impl<F> RetryPolicy for PolicyFn<F>
where
    F: Fn(&Attempt<'_>) -> Decision,
{
    fn is_retryable(&self, _: StatusCode) -> bool {
        true
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        (self.0)(attempt)
    }
}

impl<F> fmt::Debug for PolicyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyFn")
    }
}
