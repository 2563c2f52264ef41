//! The reason why a request ended.

use std::fmt;

/// Why the layer stopped: the first question, in this order, that was answered "no".
///
/// `Display` prints the name in snake case: `attempts_exhausted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The policy does not retry this status or error.
    NotRetryable,
    /// The request is not idempotent, and an attempt may have been applied or the policy never resends
    /// the request.
    NotIdempotent,
    /// All attempts that the policy or [`MaxAttempts`](crate::MaxAttempts) allows were made.
    AttemptsExhausted,
    /// The server asked for a longer wait than the policy accepts.
    ///
    /// [`StandardPolicy::max_hold`](crate::StandardPolicy::max_hold) (60 s by default) is the limit
    /// for a response that starts a cool-down: by default a 429 or 403 with a `Retry-After`
    /// above zero.
    /// [`StandardPolicy::max_retry_after`](crate::StandardPolicy::max_retry_after) (30 s by default)
    /// is the limit for all other responses.
    RetryAfterTooLong,
    /// A custom policy stopped the retries.
    StoppedByPolicy,
    /// The next attempt would start at or after the deadline.
    DeadlineExceeded,
    /// The request's body exceeded the replay limit, or failed.
    BodyNotReplayable,
    /// The retry budget is empty.
    BudgetExhausted,
    /// The cool-down lasts longer than the request may wait.
    CoolingDown,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotRetryable => "not_retryable",
            Self::NotIdempotent => "not_idempotent",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::RetryAfterTooLong => "retry_after_too_long",
            Self::StoppedByPolicy => "stopped_by_policy",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::BodyNotReplayable => "body_not_replayable",
            Self::BudgetExhausted => "budget_exhausted",
            Self::CoolingDown => "cooling_down",
        })
    }
}
