//! The policy that most users want.

use std::{error::Error, time::Duration};

use http::{StatusCode, request};

use super::{
    Attempt, Backoff, Decision, MaxAttempts, Resend, RetryPolicy,
    retry_policy::{MAX_HOLD, cooldown_wait, is_idempotent, is_of_the_account, is_temporary},
};
use crate::{
    failure::{StopReason, is_lost, may_be_applied},
    shared::{random, spread},
};

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
    retry_unsent: bool,
    retry_transient: bool,
    cool_down_on: Vec<StatusCode>,
    max_hold: Duration,
}

impl StandardPolicy {
    /// A start for a service whose users wait: 2 attempts, backoff from 250 ms to 1 s, and no wait of
    /// more than 1 s, neither for `Retry-After` nor for a cool-down.
    pub fn interactive() -> Self {
        let second = Duration::from_secs(1);
        Self::default()
            .max_attempts(2)
            .backoff(Backoff::exponential(Duration::from_millis(250), second))
            .max_retry_after(second)
            .max_hold(second)
    }

    /// A start for a job that can wait: 5 attempts, backoff from 2 s to 60 s, 429 too, `Retry-After` up
    /// to 5 min, and up to 15 min for cool-downs. Of an account's limit of calls a minute a request
    /// can miss its share several times.
    pub fn batch() -> Self {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        Self::default()
            .max_attempts(5)
            .backoff(Backoff::exponential(second.saturating_mul(2), minute))
            .max_retry_after(minute.saturating_mul(5))
            .max_hold(minute.saturating_mul(15))
            .retry_on(StatusCode::TOO_MANY_REQUESTS)
    }

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
    /// A request that may not be applied twice is sent again after a status that says that it was
    /// not applied, such as 429, unless an attempt before that one may have been applied.
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

    /// Retries attempts that are known not to have reached the server, of any request, a POST too:
    /// see [`RetryPolicy::is_unsent`]. Default: an error without an answer is not retried.
    pub fn retry_unsent(self) -> Self {
        Self {
            retry_unsent: true,
            ..self
        }
    }

    /// Retries attempts that are known not to have reached the server, of any request, and lost
    /// answers of requests that may be applied twice. Default: an error without an answer is not
    /// retried.
    ///
    /// An answer is lost where the connection was reset, aborted, closed or broken off in
    /// mid-message, or a time-out ended the wait: I/O's, hyper's, and tower's `Elapsed` (feature
    /// `tokio`). What sending again cannot mend is not retried: a malformed message, the request
    /// body's own error. Nor is what cannot be told apart from that: the reset of a single HTTP/2
    /// stream, and reqwest's own time-out. Put a `timeout` layer below this one instead.
    pub fn retry_transient(self) -> Self {
        Self {
            retry_transient: true,
            ..self
        }
    }

    /// Lets this status arm the [`Cooldown`](crate::Cooldown) too, beside 429 and 403, where it says how
    /// long to wait. Can be said of several.
    ///
    /// 503 is none of them by default: one back end of many may have said it.
    ///
    /// # Panics
    ///
    /// If the status is no failure, that is, below 400.
    pub fn cool_down_on(mut self, status: StatusCode) -> Self {
        assert!(
            status.as_u16() >= 400,
            "cool_down_on({}): that is no failure",
            status.as_u16()
        );
        self.cool_down_on.push(status);
        self
    }

    /// Holds a request by a [`Cooldown`](crate::Cooldown) for no longer than this, in all. Default: 60 s.
    ///
    /// Longer ones are refused at once. It also takes the place of
    /// [`max_retry_after`](Self::max_retry_after) for answers that arm a cool-down: the account must
    /// wait in any case. Zero refuses all.
    pub fn max_hold(self, limit: Duration) -> Self {
        Self {
            max_hold: limit,
            ..self
        }
    }

    /// Whether one of the failures that are retried leaves the request unapplied.
    #[inline]
    fn retries_unapplied(&self) -> bool {
        let is_unapplied = |status: &StatusCode| !may_be_applied(*status);
        self.retry_unsent || self.retry_transient || self.retry_on.iter().any(is_unapplied)
    }

    fn most_attempts(&self, request: &request::Parts) -> u32 {
        MaxAttempts::of(&request.extensions).unwrap_or(self.max_attempts)
    }
}

impl Default for StandardPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::default(),
            max_retry_after: Duration::from_secs(30),
            retry_on: Vec::new(),
            retry_unsent: false,
            retry_transient: false,
            cool_down_on: Vec::new(),
            max_hold: MAX_HOLD,
        }
    }
}

impl RetryPolicy for StandardPolicy {
    fn is_retryable(&self, status: StatusCode) -> bool {
        is_temporary(status) || self.retry_on.contains(&status)
    }

    fn is_retryable_error(&self, error: &(dyn Error + 'static), is_unsent: bool) -> bool {
        let retries_unsent = self.retry_unsent || self.retry_transient;
        is_unsent && retries_unsent || self.retry_transient && is_lost(error)
    }

    /// A request that may not be applied twice is kept only where that can help.
    #[inline]
    fn resend(&self, request: &request::Parts) -> Resend {
        if is_idempotent(request) {
            Resend::Always
        } else if self.retries_unapplied() {
            Resend::IfUnapplied
        } else {
            Resend::Never
        }
    }

    #[inline]
    fn attempt_limit(&self, request: &request::Parts) -> u32 {
        self.most_attempts(request)
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        let asked = attempt.retry_after().unwrap_or(Duration::ZERO);
        let starts_cooldown =
            cooldown_wait(self, attempt.status(), attempt.retry_after()).is_some();
        let limit = match starts_cooldown {
            true => self.max_hold,
            false => self.max_retry_after,
        };
        if attempt.number() >= self.most_attempts(attempt.request()) {
            return Decision::Stop(StopReason::AttemptsExhausted);
        }
        if asked > limit {
            return Decision::Stop(StopReason::RetryAfterTooLong);
        }
        let backoff = match self.backoff.jitter_range(attempt.number()) {
            // Retries are spread as widely as the requests that the cool-down holds.
            Some(range) if starts_cooldown => random(spread(asked, attempt.remaining(), range)),
            _ => self.backoff.delay(attempt.number()),
        };
        let after = asked.saturating_add(backoff);
        Decision::Retry { after }
    }

    fn cools_down(&self, status: StatusCode) -> bool {
        is_of_the_account(status) || self.cool_down_on.contains(&status)
    }

    #[inline]
    fn max_hold(&self) -> Option<Duration> {
        Some(self.max_hold)
    }
}
