//! The questions that a policy answers, and what it says where it is silent.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode, request};

use super::{Attempt, Idempotent};
use crate::failure::StopReason;

/// Decides whether a failed request is sent again.
///
/// The layer asks in this order, and the first no is the [`StopReason`]: is the status
/// [retryable](Self::is_retryable), [may the request be resent](Self::may_resend), what does
/// [`decide`](Self::decide) say, is the deadline far enough, can the body be replayed, is there a
/// budget left. A policy neither waits nor counts: the layer does both.
///
/// Most users want [`StandardPolicy`](crate::StandardPolicy); for a decision in one closure there is [`policy_fn`](crate::policy_fn).
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

pub(super) fn is_temporary(status: StatusCode) -> bool {
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
