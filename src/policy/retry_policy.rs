//! The trait of retry policies, and its defaults.

use std::{error::Error, sync::Arc, time::Duration};

use http::{Method, StatusCode, request};

use super::{Attempt, Idempotent, MaxAttempts};
use crate::failure::{self, StopReason};

/// Decides whether a failed request is sent again.
///
/// After a failure the layer asks these questions in order. The first "no" is the [`StopReason`].
///
/// 1. Is the [status](Self::is_retryable) or the [error](Self::is_retryable_error) retryable?
/// 2. May the request be [resent](Self::resend)?
/// 3. Are [attempts](Self::attempt_limit) left?
/// 4. Does [`decide`](Self::decide) return [`Decision::Retry`]?
/// 5. Does the delay end before the deadline?
/// 6. Can the body be replayed?
/// 7. Does the budget have a retry left?
///
/// Most users want [`StandardPolicy`](crate::StandardPolicy); [`policy_fn`](crate::policy_fn) creates a
/// policy from one closure. Wrappers should forward every method.
pub trait RetryPolicy {
    /// Returns `true` if a response with this status may be retried. Asked for failures only.
    ///
    /// Default: 503 and 504.
    fn is_retryable(&self, status: StatusCode) -> bool {
        is_temporary(status)
    }

    /// Returns `true` if an attempt that ended with this error, and no response, is known not to have
    /// reached the server.
    ///
    /// Return `true` only if the inner service sends each request once: a client that follows redirects
    /// or retries by itself may have reached the server before. The layer overrides `true` if the attempt
    /// has begun to read its recorded body.
    ///
    /// Default: `true` for a connect error of hyper-util's client (feature `hyper-util`), unless another
    /// error of hyper-util or hyper is around it; and for an error of this crate that is unsent, if none of
    /// its attempts may have been applied. Any other error may come after the server has read the request.
    fn is_unsent(&self, error: &(dyn Error + 'static)) -> bool {
        failure::is_unsent(error)
    }

    /// Returns `true` if an attempt that ended with this error, and no response, may be retried.
    ///
    /// `is_unsent` is the layer's verdict by [`is_unsent`](Self::is_unsent).
    ///
    /// Default: `false`.
    fn is_retryable_error(&self, error: &(dyn Error + 'static), is_unsent: bool) -> bool {
        let _ = (error, is_unsent);
        false
    }

    /// Returns the failures after which this request may be resent. Asked once, before the first attempt.
    ///
    /// Default: [`Resend::Always`] for an idempotent request, otherwise [`Resend::Never`].
    /// [`Idempotent`] in the extensions decides, otherwise the method: GET, HEAD, OPTIONS, TRACE, PUT and
    /// DELETE, case-sensitive, are idempotent ([RFC 9110 §9.2.2]).
    ///
    /// [RFC 9110 §9.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
    fn resend(&self, request: &request::Parts) -> Resend {
        match is_idempotent(request) {
            true => Resend::Always,
            false => Resend::Never,
        }
    }

    /// Returns the maximum number of attempts for this request, the first included; 0 counts as 1. Asked
    /// once, before the first attempt.
    ///
    /// Only the method and the URI are kept of the last attempt. If the attempt fails, the request ends with
    /// [`StopReason::AttemptsExhausted`], and [`decide`](Self::decide) is not asked.
    ///
    /// Default: [`MaxAttempts`] in the request's extensions, otherwise [`u32::MAX`].
    fn attempt_limit(&self, request: &request::Parts) -> u32 {
        MaxAttempts::get(&request.extensions).unwrap_or(u32::MAX)
    }

    /// Decides about this failed attempt. Called only for a retryable failure of a request that may be resent and has attempts left.
    ///
    /// The layer waits exactly as long as [`Decision::Retry`] says: include [`Attempt::retry_after`], or
    /// the retry comes earlier than the server asked.
    fn decide(&self, attempt: &Attempt<'_>) -> Decision;

    /// Returns `true` if a response with this status applies to the whole account and starts the
    /// [`Cooldown`](crate::Cooldown). Asked only if its waiting time can be read.
    ///
    /// Default: 429 and 403, the gateway's statuses for an account that called too often.
    fn cools_down(&self, status: StatusCode) -> bool {
        limits_account(status)
    }

    /// Returns how long a [`Cooldown`](crate::Cooldown) may hold a request, over all its holds.
    ///
    /// A request that would wait longer is refused at once; zero refuses every request while a cool-down
    /// lasts. `None` ignores cool-downs.
    ///
    /// Default: 60 s, because the account's limit counts calls per minute.
    fn max_hold(&self) -> Option<Duration> {
        Some(MAX_HOLD)
    }
}

pub(super) const MAX_HOLD: Duration = Duration::from_secs(60);

/// The failures after which a request may be resent, as returned by [`RetryPolicy::resend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resend {
    /// Never. The layer keeps nothing of the request: no recorded body, no cloned head.
    Never,
    /// As long as none of the request's attempts may have been applied
    /// ([`Attempt::may_have_been_applied`]).
    IfUnapplied,
    /// After any retryable failure: the request is idempotent.
    Always,
}

/// Returns `true` if the gateway uses this status when an account has called too often.
pub(super) fn limits_account(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::FORBIDDEN
    )
}

/// Returns the time for which a response starts a cool-down, or `None` if the response starts none.
pub(crate) fn cooldown_wait<P: RetryPolicy + ?Sized>(
    policy: &P,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
) -> Option<Duration> {
    let wait = retry_after.filter(|wait| !wait.is_zero())?;
    policy.cools_down(status?).then_some(wait)
}

pub(super) fn is_temporary(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Returns `true` if the request is idempotent. The methods are listed here, so that a request whose method
/// `http` adds later is not resent.
#[inline]
pub(super) fn is_idempotent(request: &request::Parts) -> bool {
    if let Some(Idempotent(is_idempotent)) = request.extensions.get() {
        return *is_idempotent;
    }
    matches!(
        request.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// A policy chosen at run time: `Arc<dyn RetryPolicy + Send + Sync>`.
impl<P: RetryPolicy + ?Sized> RetryPolicy for Arc<P> {
    fn is_retryable(&self, status: StatusCode) -> bool {
        (**self).is_retryable(status)
    }

    fn is_unsent(&self, error: &(dyn Error + 'static)) -> bool {
        (**self).is_unsent(error)
    }

    fn is_retryable_error(&self, error: &(dyn Error + 'static), is_unsent: bool) -> bool {
        (**self).is_retryable_error(error, is_unsent)
    }

    fn resend(&self, request: &request::Parts) -> Resend {
        (**self).resend(request)
    }

    fn attempt_limit(&self, request: &request::Parts) -> u32 {
        (**self).attempt_limit(request)
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        (**self).decide(attempt)
    }

    fn cools_down(&self, status: StatusCode) -> bool {
        (**self).cools_down(status)
    }

    fn max_hold(&self) -> Option<Duration> {
        (**self).max_hold()
    }
}

/// The decision of a [`RetryPolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send the request again.
    Retry {
        /// The delay before the resend. Zero does not use the timer.
        after: Duration,
    },
    /// Return the failure, with this stop reason.
    Stop(StopReason),
}
