//! The error of a request without a response.

use std::{error::Error, fmt, time::Duration};

use super::{BoxError, outcome::Outcome};

/// No response: the inner service failed, for instance to connect, or timed out.
///
/// One pointer.
///
/// # Formatting
///
/// `Display` prints one line: that no response came, or that the request was not sent; the attempts if
/// there were several; and the stop reason (omitted for a single attempt that is not retryable): `no
/// response from the API (3 attempts, attempts_exhausted)`. The inner error's text is one step down, at
/// [`source`](Error::source). It belongs to the inner service: reqwest's shows the URL with its query.
/// `Debug` shows attempts, stop reason and the inner error's `Debug`.
///
/// # Source
///
/// The inner service's error.
pub struct ServiceError(Box<NoResponse>);

struct NoResponse {
    error: BoxError,
    is_unsent: bool,
    outcome: Outcome,
    /// The remaining time of the cool-down that ended the request.
    remaining: Option<Duration>,
}

impl ServiceError {
    /// Creates the error of one attempt that may have been applied, to test your own error handling.
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
        Self::of_attempt(error.into(), false)
    }

    /// Marks the attempt as known not to have reached the server, and so not applied, to test your own
    /// error handling.
    ///
    /// ```
    /// use revio_status::ServiceError;
    ///
    /// let error = ServiceError::new("connection refused").with_unsent();
    /// assert!(error.is_unsent() && !error.may_have_been_applied());
    /// ```
    #[must_use]
    pub fn with_unsent(mut self) -> Self {
        self.0.is_unsent = true;
        self.0.outcome.set_applied(false);
        self
    }

    pub(crate) fn of_attempt(error: BoxError, is_unsent: bool) -> Self {
        Self(Box::new(NoResponse {
            error,
            is_unsent,
            outcome: Outcome::of_attempt(!is_unsent),
            remaining: None,
        }))
    }

    pub(super) fn with_remaining(mut self, remaining: Option<Duration>) -> Self {
        self.0.remaining = remaining;
        self
    }

    pub(super) fn remaining(&self) -> Option<Duration> {
        self.0.remaining
    }

    /// Overrides an inner layer's verdict: if the body was read, the request was sent.
    pub(crate) fn with_sent(mut self, was_sent: bool) -> Self {
        if was_sent {
            self.0.is_unsent = false;
            self.0.outcome.set_applied(true);
        }
        self
    }

    pub(super) fn outcome(&self) -> &Outcome {
        &self.0.outcome
    }

    pub(super) fn outcome_mut(&mut self) -> &mut Outcome {
        &mut self.0.outcome
    }

    /// Returns `true` if an inner layer of this crate made this error.
    pub(crate) fn is_from_below(&self) -> bool {
        self.0.outcome.is_concluded()
    }

    /// Returns the inner service's error.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0.error
    }

    /// Unwraps the inner service's error.
    pub fn into_inner(self) -> BoxError {
        self.0.error
    }

    /// Returns `true` if the last attempt is known not to have reached the server: no connection was
    /// made, or the service was not ready.
    ///
    /// Earlier attempts may still have been applied. Use
    /// [`may_have_been_applied`](Self::may_have_been_applied) to decide whether to send the request
    /// again.
    pub fn is_unsent(&self) -> bool {
        self.0.is_unsent
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous = self.previous_attempts().iter();
        let was_sent = self.may_have_been_applied() || previous.any(|attempt| !attempt.is_unsent());
        f.write_str(match (self.is_unsent(), was_sent) {
            (false, _) => "no response from the API",
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
