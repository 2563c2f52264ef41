//! A policy in one closure.

use std::fmt;

use http::StatusCode;

use super::{Attempt, Decision, RetryPolicy};

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
