//! The outcome of a failed request, and its history. All three error types share it.

use std::{fmt, time::Duration};

use http::StatusCode;

use super::{Error, ServiceError, StatusError, StopReason};

/// The number of previous attempts that an error keeps.
const MAX_HISTORY: usize = 16;

/// A failed attempt that another attempt followed.
///
/// [`Error::previous_attempts`](crate::Error::previous_attempts) lists those of a request.
#[derive(Clone, Debug)]
pub struct PreviousAttempt {
    status: Option<StatusCode>,
    is_unsent: bool,
    delay: Duration,
}

impl PreviousAttempt {
    pub(super) fn new(status: Option<StatusCode>, is_unsent: bool, delay: Duration) -> Self {
        Self {
            status,
            is_unsent,
            delay,
        }
    }

    /// Returns the status of the response, or `None` if no response came.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Returns `true` if the attempt is known not to have reached the server.
    pub fn is_unsent(&self) -> bool {
        self.is_unsent
    }

    /// Returns the wait that was planned after the attempt.
    pub fn delay(&self) -> Duration {
        self.delay
    }
}

/// The last failures of a request, oldest first. The first one allocates.
#[derive(Default)]
pub(crate) struct History(Vec<PreviousAttempt>);

impl History {
    pub(crate) fn push(&mut self, attempt: PreviousAttempt) {
        if self.0.len() >= MAX_HISTORY {
            self.0.remove(0);
        }
        self.0.push(attempt);
    }
}

/// The facts about the request as a whole.
pub(crate) struct Outcome {
    attempts: u32,
    stop_reason: StopReason,
    may_have_been_applied: bool,
    /// An inner layer of this crate, or this one, has set attempts and reason.
    is_concluded: bool,
    history: History,
}

impl Outcome {
    /// Creates the outcome of one attempt that is not retryable.
    pub(super) fn of_attempt(may_have_been_applied: bool) -> Self {
        Self {
            attempts: 1,
            stop_reason: StopReason::NotRetryable,
            may_have_been_applied,
            is_concluded: false,
            history: History::default(),
        }
    }

    /// Makes the error the result of a request.
    ///
    /// An outcome set by an inner layer wins: only its missing history is filled in. Once an attempt
    /// may have been applied, so may the request.
    pub(crate) fn conclude(
        &mut self,
        attempts: u32,
        stop_reason: StopReason,
        may_have_been_applied: bool,
        history: History,
    ) {
        self.may_have_been_applied |= may_have_been_applied;
        if self.history.0.is_empty() {
            self.history = history;
        }
        if !self.is_concluded {
            self.attempts = attempts;
            self.stop_reason = stop_reason;
            self.is_concluded = true;
        }
    }

    /// Marks the outcome as set by an inner layer of this crate.
    pub(crate) fn conclude_below(&mut self) {
        self.is_concluded = true;
    }

    pub(super) fn is_concluded(&self) -> bool {
        self.is_concluded
    }

    pub(super) fn set_applied(&mut self, may_have_been_applied: bool) {
        self.may_have_been_applied = may_have_been_applied;
    }

    pub(super) fn set_attempts(&mut self, attempts: u32) {
        self.attempts = attempts;
    }
}

/// The end of an error's line: the attempts if there were several, and the stop reason. Empty for a single
/// attempt that is not retryable.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.attempts, self.stop_reason) {
            (0 | 1, StopReason::NotRetryable) => Ok(()),
            (0 | 1, reason) => write!(f, " ({reason})"),
            (attempts, reason) => write!(f, " ({attempts} attempts, {reason})"),
        }
    }
}

/// The four accessors of all three error types. Each type has `outcome`.
macro_rules! outcome_accessors {
    ($($error:ty),*) => {$(
        impl $error {
            /// Returns the number of attempts, the first included.
            ///
            /// 0: the request was never sent, or its history is unknown.
            pub fn attempts(&self) -> u32 {
                self.outcome().attempts
            }

            /// Returns the reason why the request was not sent again.
            pub fn stop_reason(&self) -> StopReason {
                self.outcome().stop_reason
            }

            /// Returns `true` if the server may have performed the request's effect although the call
            /// failed.
            ///
            /// `false` for a 4xx other than 408, for 501, and for attempts known not to have reached
            /// the server. `true` for every other failure: a 503 can come from a proxy whose upstream
            /// died half-way, and some gateways send 408 for slow work. Once `true` for one attempt,
            /// `true` for the request. The method does not matter: a GET that may have been applied
            /// has nothing to undo.
            ///
            /// If `true` for a payment, check whether the payment exists before you send it again.
            pub fn may_have_been_applied(&self) -> bool {
                self.outcome().may_have_been_applied
            }

            /// Returns the failed attempts before the last one, oldest first, at most 16.
            ///
            /// ```
            /// # use revio_status::Error;
            /// fn line(error: &Error) -> String {
            ///     let statuses = error.previous_attempts().iter().filter_map(|attempt| attempt.status());
            ///     match statuses.last() {
            ///         Some(status) => format!("{error}; before that {status}"),
            ///         None => error.to_string(),
            ///     }
            /// }
            /// ```
            pub fn previous_attempts(&self) -> &[PreviousAttempt] {
                &self.outcome().history.0
            }
        }
    )*};
}

outcome_accessors!(Error, StatusError, ServiceError);

/// The two setters for tests of a caller's own error handling.
macro_rules! outcome_setters {
    ($($error:ty),*) => {$(
        impl $error {
            /// Sets the number of attempts, to test your own error handling.
            #[must_use]
            pub fn with_attempts(mut self, attempts: u32) -> Self {
                self.outcome_mut().attempts = attempts;
                self
            }

            /// Sets the stop reason, to test your own error handling.
            #[must_use]
            pub fn with_stop_reason(mut self, reason: StopReason) -> Self {
                self.outcome_mut().stop_reason = reason;
                self
            }
        }
    )*};
}

outcome_setters!(StatusError, ServiceError);
