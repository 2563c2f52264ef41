//! No answer came, with all that was learned about that.

use std::{error::Error, fmt, time::Duration};

use super::{
    BoxError, PreviousAttempt, StopReason,
    outcome::{History, Outcome},
};

/// No answer came: the inner service failed, for instance to connect, or timed out.
///
/// It is one pointer.
///
/// # Formatting
///
/// `Display` prints one line: whether the request or its resend was not sent or no answer came, how
/// many attempts there were if more than one, and why it was not sent again unless such an error is never
/// retried: `no answer came from the API (3 attempts, attempts_exhausted)`. The inner error's own
/// text is one step down, at [`source`](Error::source): what it shows is the inner service's choice;
/// reqwest's shows the URL with its query. `Debug` shows attempts, reason and the inner error's
/// `Debug`.
///
/// # Source
///
/// The inner service's error.
pub struct ServiceError(Box<NoResponse>);

struct NoResponse {
    error: BoxError,
    is_unsent: bool,
    outcome: Outcome,
    /// What a cool-down had left that ended the request.
    rest: Option<Duration>,
}

impl ServiceError {
    /// An error after one attempt that may have been applied, to test what your own code makes of
    /// it.
    ///
    /// ```
    /// use revio_status::{Error, ServiceError, StopReason};
    ///
    /// let error = ServiceError::new("connection reset")
    ///     .with_attempts(3)
    ///     .with_stop_reason(StopReason::AttemptsExhausted);
    /// assert!(Error::from(error).may_have_been_applied());
    /// ```
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(Box::new(NoResponse {
            error: error.into(),
            is_unsent: false,
            outcome: Outcome::of_attempt(true),
            rest: None,
        }))
    }

    /// An error of an attempt that is known, or not known, to have stayed here.
    pub(crate) fn of_attempt(error: BoxError, is_unsent: bool) -> Self {
        Self(Box::new(NoResponse {
            error,
            is_unsent,
            outcome: Outcome::of_attempt(!is_unsent),
            rest: None,
        }))
    }

    pub(super) fn with_rest(mut self, rest: Option<Duration>) -> Self {
        self.0.rest = rest;
        self
    }

    pub(super) fn rest(&self) -> Option<Duration> {
        self.0.rest
    }

    /// An error whose request is not known: it came out of a box.
    pub(crate) fn of_unknown(error: BoxError) -> Self {
        Self::new(error).with_attempts(0)
    }

    /// The service was not ready, so nothing was sent.
    pub(crate) fn of_readiness(error: BoxError) -> Self {
        Self::of_attempt(error, true)
    }

    /// Its body was read, so it was sent, whatever the error says.
    pub(crate) fn sent(mut self) -> Self {
        self.0.is_unsent = false;
        self.0.outcome.may_have_been_applied = true;
        self
    }

    /// Whether another layer of this kind, further down, has said all this.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.outcome.is_kept()
    }

    /// What another layer of this kind has said stays so.
    pub(crate) fn keep(mut self) -> Self {
        self.0.outcome.keep();
        self
    }

    pub(crate) fn conclude(
        mut self,
        attempts: u32,
        stop_reason: StopReason,
        may_have_been_applied: bool,
        history: History,
    ) -> Self {
        let outcome = &mut self.0.outcome;
        outcome.conclude(attempts, stop_reason, may_have_been_applied, history);
        self
    }

    /// Makes it the error of a request that was sent this often.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.outcome.attempts = attempts;
        self
    }

    /// Makes it the error of a request that was not sent again for this reason.
    #[must_use]
    pub fn with_stop_reason(mut self, reason: StopReason) -> Self {
        self.0.outcome.stop_reason = reason;
        self
    }

    /// The inner service's error.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0.error
    }

    /// The inner service's error, without what this crate knows of it.
    pub fn into_inner(self) -> BoxError {
        self.0.error
    }

    /// Whether the last try alone is known not to have reached the server: no connection was made,
    /// or the service was not ready.
    ///
    /// Earlier attempts may have been applied all the same. Whether to repeat the request says
    /// [`may_have_been_applied`](Self::may_have_been_applied).
    pub fn is_unsent(&self) -> bool {
        self.0.is_unsent
    }

    /// How often the request was sent or tried to be sent, the first time included. 0: never,
    /// because the service was not ready; or not known.
    pub fn attempts(&self) -> u32 {
        self.0.outcome.attempts
    }

    /// Why the request was not sent again.
    pub fn stop_reason(&self) -> StopReason {
        self.0.outcome.stop_reason
    }

    /// Whether the server may have done what the request asked for, although the call failed.
    ///
    /// False only where no attempt can have been applied. Once true for one attempt, true for the
    /// request. When this is true of a payment, look whether it exists before you send it again.
    pub fn may_have_been_applied(&self) -> bool {
        self.0.outcome.may_have_been_applied
    }

    /// The failed attempts before the last one, oldest first: the last 16 of them.
    pub fn previous_attempts(&self) -> &[PreviousAttempt] {
        self.0.outcome.previous_attempts()
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let was_heard =
            self.may_have_been_applied() || self.previous_attempts().iter().any(|a| !a.is_unsent());
        f.write_str(match (self.is_unsent(), was_heard) {
            (false, _) => "no answer came from the API",
            (true, false) => "the request was not sent",
            (true, true) => "the resend was not sent",
        })?;
        self.0.outcome.fmt(f)
    }
}

impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceError")
            .field("attempts", &self.attempts())
            .field("stop_reason", &self.stop_reason())
            .field("error", &self.0.error)
            .finish_non_exhaustive()
    }
}

impl Error for ServiceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0.error)
    }
}
