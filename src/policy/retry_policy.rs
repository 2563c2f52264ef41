//! The questions that a policy answers, and what it says where it is silent.

use std::{error::Error, sync::Arc, time::Duration};

use http::{Method, StatusCode, request};

use super::{Attempt, Idempotent, MaxAttempts};
use crate::failure::{self, StopReason};

/// Decides whether a failed request is sent again.
///
/// The layer asks in this order, and the first no is the [`StopReason`]: is the
/// [status](Self::is_retryable) or the [error](Self::is_retryable_error) retryable,
/// [may the request be resent](Self::resend), are there [attempts](Self::attempt_limit) left, what
/// does [`decide`](Self::decide) say, is the deadline far enough, can the body be replayed, is there
/// a budget left. A policy neither waits nor counts: the layer does both.
///
/// Most users want [`StandardPolicy`](crate::StandardPolicy); for a decision in one closure there is
/// [`policy_fn`](crate::policy_fn).
pub trait RetryPolicy {
    /// Whether answers with this status may be retried. Asked for failures only.
    ///
    /// Default: 503 and 504.
    fn is_retryable(&self, status: StatusCode) -> bool {
        is_temporary(status)
    }

    /// Whether an attempt that ended with this error is known not to have reached the server. Asked
    /// for errors without an answer only.
    ///
    /// An attempt whose recorded body was read from counts as sent, whatever this says. Say yes only
    /// where what is below sends each request once: a client that follows redirects or retries by
    /// itself may have been heard before the connection that failed.
    ///
    /// Default: yes for a connect error of hyper-util's client (feature `hyper-util`) that no other
    /// error of hyper-util or hyper is around, and for an error of this crate that says so and of
    /// which nothing may have been applied. Everything else may come after the server has read all.
    fn is_unsent(&self, error: &(dyn Error + 'static)) -> bool {
        failure::is_unsent(error)
    }

    /// Whether an attempt that ended with this error, without an answer, may be retried. `is_unsent`
    /// is what the layer made of [`is_unsent`](Self::is_unsent).
    ///
    /// Default: no.
    fn is_retryable_error(&self, error: &(dyn Error + 'static), is_unsent: bool) -> bool {
        let _ = (error, is_unsent);
        false
    }

    /// Whether this request may be sent again, and when. Asked once, before the first attempt.
    ///
    /// Default: [`Resend::Always`] or [`Resend::Never`], by what [`Idempotent`] in its extensions
    /// says, else by the method. The idempotent methods of [RFC 9110 §9.2.2] are GET, HEAD, OPTIONS,
    /// TRACE, PUT and DELETE, in capitals.
    ///
    /// [RFC 9110 §9.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
    fn resend(&self, request: &request::Parts) -> Resend {
        match is_idempotent(request) {
            true => Resend::Always,
            false => Resend::Never,
        }
    }

    /// The most attempts for this request, the first included. Asked once, before the first attempt.
    ///
    /// Of the last one only the method and the URI are kept: its headers are not cloned, its body
    /// not recorded. When it fails the request ends with [`StopReason::AttemptsExhausted`], and
    /// [`decide`](Self::decide) is not asked. A policy that wraps another passes this on.
    ///
    /// Default: what [`MaxAttempts`] in the request's extensions says, else [`u32::MAX`], for a
    /// policy that does not count.
    fn attempt_limit(&self, request: &request::Parts) -> u32 {
        MaxAttempts::of(&request.extensions).unwrap_or(u32::MAX)
    }

    /// What to do about this failed attempt. Asked only when the others said yes.
    ///
    /// The layer waits just as long as [`Decision::Retry`] says: include
    /// [`Attempt::retry_after`], or the request comes earlier than the server asked for.
    fn decide(&self, attempt: &Attempt<'_>) -> Decision;

    /// Whether an answer with this status speaks for the whole account, and arms the
    /// [`Cooldown`](crate::Cooldown). Asked only where its waiting time can be read.
    ///
    /// Default: 429 and 403, which the gateway in front of the API says of an account that called too
    /// often.
    fn cools_down(&self, status: StatusCode) -> bool {
        is_of_the_account(status)
    }

    /// How long a request may be held by a [`Cooldown`](crate::Cooldown), in all. Longer ones are
    /// refused at once; zero refuses all. `None` pays cool-downs no heed.
    ///
    /// Default: 60 s. The account's limit is one of calls a minute.
    fn max_hold(&self) -> Option<Duration> {
        Some(MAX_HOLD)
    }
}

pub(super) const MAX_HOLD: Duration = Duration::from_secs(60);

/// Whether a request may be sent again, and when: the answer of [`RetryPolicy::resend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resend {
    /// Never. Nothing is kept of it: its body is not recorded, its head not cloned.
    Never,
    /// As long as none of its attempts may have been applied
    /// ([`Attempt::may_have_been_applied`]).
    IfUnapplied,
    /// Whatever came of it: it may be applied twice.
    Always,
}

pub(super) fn is_of_the_account(status: StatusCode) -> bool {
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

/// Whether the request may be applied twice, by its caller's word or by the RFC's own list: methods
/// that a newer `http` learns are not ours to resend.
#[inline]
pub(super) fn is_idempotent(request: &request::Parts) -> bool {
    if let Some(Idempotent(word)) = request.extensions.get() {
        return *word;
    }
    matches!(
        request.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// Lets a policy be chosen at run time: `Arc<dyn RetryPolicy + Send + Sync>` is one.
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
