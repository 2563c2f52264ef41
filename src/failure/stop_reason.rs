//! Why a request ended where it did.

use std::fmt;

/// Why a request was not sent again, or not at all.
///
/// `Display` prints the name in snake case, `attempts_exhausted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// A status or an error like this one is not retried.
    NotRetryable,
    /// An attempt may have been applied, and sending the request again could do its work twice.
    NotIdempotent,
    /// The request's body was too long to be kept, or broke.
    BodyNotReplayable,
    /// The policy's number of attempts is used up.
    AttemptsExhausted,
    /// The server asked for a longer wait than the policy accepts.
    RetryAfterTooLong,
    /// The next attempt would begin at the deadline or after it.
    DeadlineExceeded,
    /// Too many requests failed lately: the budget is empty.
    BudgetExhausted,
    /// The account is asked to be quiet for longer than the request can wait.
    CoolingDown,
    /// A policy of one's own said stop.
    StoppedByPolicy,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotRetryable => "not_retryable",
            Self::NotIdempotent => "not_idempotent",
            Self::BodyNotReplayable => "body_not_replayable",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::RetryAfterTooLong => "retry_after_too_long",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::BudgetExhausted => "budget_exhausted",
            Self::CoolingDown => "cooling_down",
            Self::StoppedByPolicy => "stopped_by_policy",
        })
    }
}
