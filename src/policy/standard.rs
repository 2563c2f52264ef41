//! The policy that most users want.

use std::time::Duration;

use http::StatusCode;

use super::{Attempt, Backoff, Decision, RetryPolicy, retry_policy::is_temporary};
use crate::failure::StopReason;

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
/// Which settings fit whom is told in [`guide::choosing`](crate::guide::choosing).
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
