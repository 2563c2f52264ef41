//! Asks the layer's questions about a failure, in the layer's order.

use std::time::Duration;

use revio_status::{Attempt, Decision, Resend, RetryPolicy};

use super::{
    allowance::{Allowance, Failure},
    events::Nanos,
};

/// A retry that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub after: Duration,
    /// `false` for the request's one free paced retry.
    pub is_paid: bool,
}

/// Returns the retry, if every question ends in "yes". `can_be_paced`: the process has a cool-down, and no retry
/// of the request was paced yet.
pub fn judge(
    rules: &dyn RetryPolicy,
    allowance: &mut Allowance,
    can_be_paced: bool,
    attempt: &Attempt<'_>,
    now: Nanos,
) -> Option<Retry> {
    let status = attempt.status().expect("all are answered");
    if !rules.is_retryable(status) {
        allowance.fail_for_good();
        return None;
    }
    match rules.resend(attempt.request()) {
        Resend::Always => {}
        Resend::IfUnapplied if !attempt.may_have_been_applied() => {}
        _ => return None,
    }
    match rules.decide(attempt) {
        Decision::Retry { after } => {
            let is_paced = can_be_paced && paces(rules, attempt, after);
            let is_granted = is_paced || allowance.withdraw(now, Failure::of(status));
            let is_paid = !is_paced;
            is_granted.then_some(Retry { after, is_paid })
        }
        Decision::Stop(_) => None,
    }
}

/// Returns `true` if the retry waits as long as the response that started a cool-down asked for.
fn paces(rules: &dyn RetryPolicy, attempt: &Attempt<'_>, after: Duration) -> bool {
    let asked = attempt.retry_after().unwrap_or_default();
    let cools_down = attempt
        .status()
        .is_some_and(|status| rules.cools_down(status));
    cools_down && !asked.is_zero() && after >= asked
}
