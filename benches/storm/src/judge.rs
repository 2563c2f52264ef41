//! What becomes of a failure: the layer's questions, in its order.

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
    /// Whether the allowance paid for it.
    pub is_paid: bool,
}

/// Asks: retryable? repeatable? what says the policy?
/// is there a retry left?
pub fn judge(
    rules: &dyn RetryPolicy,
    allowance: &mut Allowance,
    has_cooldown: bool,
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
            let is_paced = has_cooldown && paces(rules, attempt, after);
            let is_granted = is_paced || allowance.withdraw(now, Failure::of(status));
            let is_paid = !is_paced;
            is_granted.then_some(Retry { after, is_paid })
        }
        Decision::Stop(_) => None,
    }
}

/// Whether a cool-down paces a retry, so that the budget need not.
fn paces(rules: &dyn RetryPolicy, attempt: &Attempt<'_>, after: Duration) -> bool {
    let asked = attempt.retry_after().unwrap_or_default();
    let cools_down = attempt
        .status()
        .is_some_and(|status| rules.cools_down(status));
    cools_down && !asked.is_zero() && after >= asked
}
