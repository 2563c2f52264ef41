//! A policy made from one closure.

use std::{error::Error, fmt};

use http::{StatusCode, request};

use super::{Attempt, Decision, Resend, RetryPolicy, retry_policy::is_idempotent};

/// Creates a policy from a closure that decides about every failure, with or without a response.
///
/// A request that is not idempotent is resent only if none of its attempts may have been applied
/// ([`Resend::IfUnapplied`]).
///
/// Only the closure, or [`MaxAttempts`](crate::MaxAttempts), limits the number of attempts. Every failure
/// counts as retryable: it earns nothing for the budget, and to give up is a WARN event.
///
/// ```
/// use std::time::Duration;
/// use revio_status::{Decision, StatusKind, StopReason, policy_fn};
///
/// let patient_with_gateways = policy_fn(|attempt| match attempt.kind() {
///     Some(StatusKind::GatewayTimeout) if attempt.number() < 5 => Decision::Retry {
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

    fn is_retryable_error(&self, _: &(dyn Error + 'static), _: bool) -> bool {
        true
    }

    fn resend(&self, request: &request::Parts) -> Resend {
        match is_idempotent(request) {
            true => Resend::Always,
            false => Resend::IfUnapplied,
        }
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
