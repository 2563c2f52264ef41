//! How a failed request ended, and what came before: the same for both kinds of error.

use std::{fmt, time::Duration};

use http::StatusCode;

use super::StopReason;

/// An error keeps this many of the attempts before the last one.
const MOST: usize = 16;

/// An attempt that failed and was followed by another one.
///
/// [`Error::previous_attempts`](crate::Error::previous_attempts) lists those of a request.
#[derive(Clone, Debug)]
pub struct PreviousAttempt {
    status: Option<StatusCode>,
    is_unsent: bool,
    delay: Duration,
}

impl PreviousAttempt {
    pub(crate) fn new(status: Option<StatusCode>, is_unsent: bool, delay: Duration) -> Self {
        Self {
            status,
            is_unsent,
            delay,
        }
    }

    /// The status that came back, or `None` where no answer came.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Whether it is known not to have reached the server.
    pub fn is_unsent(&self) -> bool {
        self.is_unsent
    }

    /// The wait that was planned after it.
    pub fn delay(&self) -> Duration {
        self.delay
    }
}

/// The latest of the attempts that failed, oldest first. Allocates nothing until there is one.
#[derive(Default)]
pub(crate) struct History(Vec<PreviousAttempt>);

impl History {
    pub(crate) fn push(&mut self, attempt: PreviousAttempt) {
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(attempt);
    }
}

/// What an error says about its request as a whole.
pub(crate) struct Outcome {
    pub(super) attempts: u32,
    pub(super) stop_reason: StopReason,
    pub(super) may_have_been_applied: bool,
    /// A layer further down has said all this already.
    is_concluded: bool,
    history: History,
}

impl Outcome {
    /// One attempt, nothing decided yet.
    pub(super) fn of_attempt(may_have_been_applied: bool) -> Self {
        Self {
            attempts: 1,
            stop_reason: StopReason::NotRetryable,
            may_have_been_applied,
            is_concluded: false,
            history: History::default(),
        }
    }

    pub(super) fn previous_attempts(&self) -> &[PreviousAttempt] {
        &self.history.0
    }

    /// Makes it the result of a request. Other attempts may have been applied as well. What another
    /// layer has concluded keeps all else that it says; where it knows of no failure before, ours are
    /// those.
    pub(super) fn conclude(
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

    pub(super) fn keep(&mut self) {
        self.is_concluded = true;
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_concluded
    }
}

/// The end of a line: the attempts if there were several, and the reason unless such a failure is
/// never retried.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.attempts, self.stop_reason) {
            (0 | 1, StopReason::NotRetryable) => Ok(()),
            (0 | 1, reason) => write!(f, " ({reason})"),
            (attempts, reason) => write!(f, " ({attempts} attempts, {reason})"),
        }
    }
}
