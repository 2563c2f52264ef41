//! The default policy.

use std::{error::Error, time::Duration};

use http::{StatusCode, request};

use super::{
    Attempt, Backoff, Decision, MaxAttempts, Resend, RetryPolicy,
    retry_policy::{MAX_HOLD, cooldown_wait, is_idempotent, is_temporary, limits_account},
};
use crate::{
    failure::{StopReason, is_transient, may_be_applied},
    shared::{random, spread},
};

/// The default policy: up to 3 attempts for 503 and 504, with full-jitter exponential backoff, and
/// never earlier than the server asked.
///
/// The delay is `Retry-After`, if present, plus the random backoff, so that clients with the same
/// `Retry-After` do not all come back at once.
///
/// After a response that starts a cool-down (by default a 429 or 403 with `Retry-After` above zero) the random
/// time is uniform in zero to the backoff's range or the spread, whichever is longer. The spread is a
/// tenth of `Retry-After`, 100 ms to 5 s. If less is left before the deadline, the random time is at most
/// half of the time left. A backoff without jitter adds nothing random.
///
/// ```
/// use std::time::Duration;
/// use revio_status::{Backoff, StandardPolicy};
///
/// let patient = StandardPolicy::default()
///     .max_attempts(5)
///     .backoff(Backoff::exponential(Duration::from_secs(1), Duration::from_secs(60)))
///     .max_retry_after(Duration::from_secs(120)); // of a 503 or 504
/// ```
///
/// [`guide::choosing`](crate::guide::choosing) helps to choose settings.
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
    /// Creates a policy for a service whose users wait: 2 attempts, backoff up to 250 ms, doubling to
    /// 1 s, and at most 1 s for `Retry-After` or for a cool-down.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use revio_status::{RevioStatusLayer, StandardPolicy};
    ///
    /// let layer = RevioStatusLayer::new().policy(StandardPolicy::interactive());
    /// # }
    /// ```
    pub fn interactive() -> Self {
        let second = Duration::from_secs(1);
        Self::default()
            .max_attempts(2)
            .backoff(Backoff::exponential(Duration::from_millis(250), second))
            .max_retry_after(second)
            .max_hold(second)
    }

    /// Creates a policy for a job that can wait: 5 attempts, backoff up to 2 s, doubling to 60 s, 429
    /// retried too, `Retry-After` up to 5 min, and up to 15 min for cool-downs.
    ///
    /// Under a per-minute limit a request may have to wait for several windows.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use revio_status::{RevioStatusLayer, StandardPolicy};
    ///
    /// let layer = RevioStatusLayer::new().policy(StandardPolicy::batch());
    /// # }
    /// ```
    pub fn batch() -> Self {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        Self::default()
            .max_attempts(5)
            .backoff(Backoff::exponential(second.saturating_mul(2), minute))
            .max_retry_after(minute.saturating_mul(5))
            .max_hold(minute.saturating_mul(15))
            .retry_on(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Sets the maximum number of attempts, the first included. Default: 3.
    ///
    /// [`MaxAttempts`] in a request's extensions overrides the number for that request.
    ///
    /// ```
    /// # use revio_status::StandardPolicy;
    /// let policy = StandardPolicy::default().max_attempts(5);
    /// ```
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

    /// Sets the backoff, which is added to `Retry-After`. Default:
    /// `Backoff::exponential(500 ms, 20 s)`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use revio_status::{Backoff, StandardPolicy};
    /// let (base, max) = (Duration::from_secs(1), Duration::from_secs(60));
    /// let policy = StandardPolicy::default().backoff(Backoff::exponential(base, max));
    /// ```
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets the longest `Retry-After` to wait for. Default: 30 s.
    ///
    /// If the server asks for more, the request ends at once with [`StopReason::RetryAfterTooLong`], and
    /// [`StatusError::retry_after`](crate::StatusError::retry_after) returns the wait.
    ///
    /// This limit does not apply to a response that starts a cool-down (by default a 429 or 403 with
    /// `Retry-After`). Its limit is [`max_hold`](Self::max_hold), 60 s by default.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use revio_status::StandardPolicy;
    /// let policy = StandardPolicy::default().max_retry_after(Duration::from_secs(120));
    /// ```
    pub fn max_retry_after(self, limit: Duration) -> Self {
        Self {
            max_retry_after: limit,
            ..self
        }
    }

    /// Also retries this status. May be called more than once. Default: 503 and 504 alone.
    ///
    /// A request that is not idempotent, such as a POST, is resent only if none of its attempts may have
    /// been applied: after a 4xx other than 408, such as 429, or a 501.
    ///
    /// `retry_on(StatusCode::TOO_MANY_REQUESTS)` alone waits up to [`max_hold`](Self::max_hold), 60 s by
    /// default, because a 429 starts a cool-down.
    ///
    /// ```
    /// # use http::StatusCode;
    /// # use revio_status::StandardPolicy;
    /// let policy = StandardPolicy::default().retry_on(StatusCode::TOO_MANY_REQUESTS);
    /// ```
    ///
    /// # Panics
    ///
    /// If the status is below 400, and so not a failure.
    pub fn retry_on(mut self, status: StatusCode) -> Self {
        assert!(
            status.as_u16() >= 400,
            "retry_on({}): not a failure status",
            status.as_u16()
        );
        self.retry_on.push(status);
        self
    }

    /// Retries an attempt that is known not to have reached the server, also of a POST. Default: off.
    ///
    /// [`RetryPolicy::is_unsent`] decides which errors these are: by default those of a connection
    /// that could not be made.
    ///
    /// ```
    /// # use revio_status::StandardPolicy;
    /// let policy = StandardPolicy::default().retry_unsent();
    /// ```
    pub fn retry_unsent(self) -> Self {
        Self {
            retry_unsent: true,
            ..self
        }
    }

    /// Retries unsent attempts, as [`retry_unsent`](Self::retry_unsent) does, and, for idempotent
    /// requests, transient transport errors. Default: off.
    ///
    /// Transient errors: the connection was reset, aborted, closed, or broke off during a message; or
    /// I/O, hyper or tower's `Elapsed` (feature `tokio`) reported a timeout.
    ///
    /// A resend cannot fix a malformed message or an error of the request body: these are not retried.
    /// Nor are a reset of a single HTTP/2 stream and reqwest's own timeout, which cannot be told apart
    /// from such errors. For a timeout that is retried, put a `timeout` layer below this one.
    ///
    /// ```
    /// # use revio_status::StandardPolicy;
    /// let policy = StandardPolicy::default().retry_transient();
    /// ```
    pub fn retry_transient(self) -> Self {
        Self {
            retry_transient: true,
            ..self
        }
    }

    /// Also starts the [`Cooldown`](crate::Cooldown) on this status, if its waiting time can be read. May
    /// be called more than once. Default: 429 and 403 alone.
    ///
    /// 503 is opt-in, because one back end of many may have sent it.
    ///
    /// ```
    /// # use http::StatusCode;
    /// # use revio_status::StandardPolicy;
    /// let policy = StandardPolicy::default().cool_down_on(StatusCode::SERVICE_UNAVAILABLE);
    /// ```
    ///
    /// # Panics
    ///
    /// If the status is below 400, and so not a failure.
    pub fn cool_down_on(mut self, status: StatusCode) -> Self {
        assert!(
            status.as_u16() >= 400,
            "cool_down_on({}): not a failure status",
            status.as_u16()
        );
        self.cool_down_on.push(status);
        self
    }

    /// Sets how long a [`Cooldown`](crate::Cooldown) may hold a request, over all its holds. Default:
    /// 60 s, because the account's limit counts calls per minute.
    ///
    /// A request that would wait longer is refused at once. Zero refuses every request while a cool-down
    /// lasts.
    ///
    /// The limit also replaces [`max_retry_after`](Self::max_retry_after) for a response that starts a
    /// cool-down, because the account has to wait in any case.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use revio_status::StandardPolicy;
    /// let policy = StandardPolicy::default().max_hold(Duration::from_secs(5));
    /// ```
    pub fn max_hold(self, limit: Duration) -> Self {
        Self {
            max_hold: limit,
            ..self
        }
    }

    /// Returns `true` if a failure that leaves its request unapplied is retried.
    #[inline]
    fn retries_unapplied(&self) -> bool {
        let is_unapplied = |status: &StatusCode| !may_be_applied(*status);
        self.retry_unsent || self.retry_transient || self.retry_on.iter().any(is_unapplied)
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
        is_unsent && retries_unsent || self.retry_transient && is_transient(error)
    }

    /// `Never` keeps nothing: by default a POST costs nothing.
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
        MaxAttempts::get(&request.extensions).unwrap_or(self.max_attempts)
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        let asked = attempt.retry_after().unwrap_or(Duration::ZERO);
        let starts_cooldown =
            cooldown_wait(self, attempt.status(), attempt.retry_after()).is_some();
        let limit = match starts_cooldown {
            true => self.max_hold,
            false => self.max_retry_after,
        };
        if attempt.number() >= self.attempt_limit(attempt.request()) {
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
        limits_account(status) || self.cool_down_on.contains(&status)
    }

    #[inline]
    fn max_hold(&self) -> Option<Duration> {
        Some(self.max_hold)
    }
}
