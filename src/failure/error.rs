//! What a failed call returns: an answer that says no, or no answer at all.

use std::{error::Error as StdError, fmt, time::Duration};

use super::{
    PreviousAttempt, ServiceError, StatusError, StatusKind, StopReason, chain::chain,
    outcome::History,
};

/// Any error that is not ours: the inner service's, or a request body's.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The error of a [`RevioStatus`](crate::RevioStatus) service.
///
/// It is 16 bytes. There is no third case: either an answer came or none did.
///
/// # Formatting
///
/// It prints as the [`StatusError`] or the [`ServiceError`] that it holds.
///
/// # Source
///
/// [`Service`](Self::Service) has the inner service's error as its source, [`Status`](Self::Status)
/// has none. Where the last try was not sent, but an attempt before it may have been applied, the
/// [`ServiceError`] stands in between: nobody who follows the chain takes the one for the other.
#[derive(Debug)]
pub enum Error {
    /// The API answered, and the answer was a failure. Or the request was not sent, because an answer
    /// to another one had asked the account for quiet.
    Status(StatusError),
    /// No answer came: the inner service failed, for instance to connect, or timed out.
    Service(ServiceError),
}

impl Error {
    /// The failed answer, if one came.
    pub fn status_error(&self) -> Option<&StatusError> {
        match self {
            Self::Status(error) => Some(error),
            Self::Service(_) => None,
        }
    }

    /// What is known where no answer came.
    pub fn service_error(&self) -> Option<&ServiceError> {
        match self {
            Self::Status(_) => None,
            Self::Service(error) => Some(error),
        }
    }

    /// The kind of the failed answer, if one came.
    pub fn kind(&self) -> Option<StatusKind> {
        self.status_error().map(StatusError::kind)
    }

    /// How often the request was sent or tried to be sent, the first time included. 0: never, or not
    /// known.
    pub fn attempts(&self) -> u32 {
        match self {
            Self::Status(error) => error.attempts(),
            Self::Service(error) => error.attempts(),
        }
    }

    /// Why the request was not sent again.
    pub fn stop_reason(&self) -> StopReason {
        match self {
            Self::Status(error) => error.stop_reason(),
            Self::Service(error) => error.stop_reason(),
        }
    }

    /// Whether the server may have done what the request asked for, although the call failed.
    ///
    /// Once true for one attempt, true for the request: see
    /// [`StatusError::may_have_been_applied`] and [`ServiceError::may_have_been_applied`]. The method
    /// is not looked at: where a GET may have been applied there is nothing to undo.
    pub fn may_have_been_applied(&self) -> bool {
        match self {
            Self::Status(error) => error.may_have_been_applied(),
            Self::Service(error) => error.may_have_been_applied(),
        }
    }

    /// How long the server asked to be left alone, see [`StatusError::retry_after`]. Where no
    /// answer came: what a cool-down had left, if one ended the request.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(error) => error.retry_after(),
            Self::Service(error) => error.rest(),
        }
    }

    /// The failed attempts before the last one, oldest first: the last 16 of them.
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
        match self {
            Self::Status(error) => error.previous_attempts(),
            Self::Service(error) => error.previous_attempts(),
        }
    }

    /// What another layer of this kind has said, taken out of its box.
    pub(crate) fn ours(error: BoxError) -> Result<Self, BoxError> {
        let error = match error.downcast::<Self>() {
            Ok(ours) => return Ok(*ours),
            Err(other) => other,
        };
        let error = match error.downcast::<StatusError>() {
            Ok(status) => return Ok(Self::Status(*status)),
            Err(other) => other,
        };
        error
            .downcast::<ServiceError>()
            .map(|error| Self::Service(*error))
    }

    /// An error of a service that was asked before the first attempt whether it is ready.
    pub(crate) fn of_readiness(error: BoxError) -> Self {
        Self::ours(error).unwrap_or_else(|error| {
            let error = ServiceError::of_readiness(error);
            error.with_attempts(0).into()
        })
    }

    /// Makes it the result of a request.
    pub(crate) fn conclude(
        self,
        attempts: u32,
        reason: StopReason,
        may_have_been_applied: bool,
        history: History,
    ) -> Self {
        match self {
            Self::Status(error) => error
                .conclude(attempts, reason, may_have_been_applied, history)
                .into(),
            Self::Service(error) => error
                .conclude(attempts, reason, may_have_been_applied, history)
                .into(),
        }
    }

    /// Lets it ask for a wait of at least this, if there is one.
    pub(crate) fn with_rest(self, rest: Option<Duration>) -> Self {
        match self {
            Self::Status(error) => error.with_rest(rest).into(),
            Self::Service(error) => error.with_rest(rest).into(),
        }
    }

    /// What another layer of this kind has said stays so.
    pub(crate) fn keep(self) -> Self {
        match self {
            Self::Status(error) => error.keep().into(),
            Self::Service(error) => error.keep().into(),
        }
    }

    /// This failure, once another attempt follows it.
    pub(crate) fn into_attempt(self, delay: Duration) -> PreviousAttempt {
        let status = self.status_error().map(StatusError::status);
        let is_unsent = self.service_error().is_some_and(ServiceError::is_unsent);
        PreviousAttempt::new(status, is_unsent, delay)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(error) => error.fmt(f),
            Self::Service(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Status(_) => None,
            Self::Service(error) if error.is_unsent() && error.may_have_been_applied() => {
                Some(error)
            }
            Self::Service(error) => error.source(),
        }
    }
}

/// Brings the typed error back from below a layer that boxes errors, such as tower's `Timeout` or
/// `Buffer`: `.map_err(Error::from)` above it.
///
/// An [`Error`], a [`StatusError`] or a [`ServiceError`] in the box is moved out. Anything else, the
/// boxing layer's own error for instance, becomes [`Error::Service`] of a request of which nothing is
/// known: 0 attempts, possibly applied.
///
/// ```
/// use revio_status::{BoxError, Error, StatusKind};
///
/// fn advice(error: BoxError) -> &'static str {
///     match Error::from(error) {
///         Error::Status(e) if e.kind() == StatusKind::NotFound => "no such customer",
///         Error::Status(_) => "the API refused",
///         Error::Service(_) => "no answer came",
///     }
/// }
/// ```
impl From<BoxError> for Error {
    fn from(error: BoxError) -> Self {
        Self::ours(error).unwrap_or_else(|error| ServiceError::of_unknown(error).into())
    }
}

impl From<StatusError> for Error {
    fn from(error: StatusError) -> Self {
        Self::Status(error)
    }
}

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl StatusError {
    /// Finds a `StatusError` in an error or anywhere below it, through whatever layers wrapped it.
    ///
    /// Follows [`source`](StdError::source), and looks into [`io::Error`](std::io::Error),
    /// [`Arc`](std::sync::Arc) and `Box`, which hide what they hold from that chain: into
    /// `Arc<dyn Error + Send + Sync>`, and into those of an `io::Error` or an error of this crate.
    ///
    /// ```
    /// use revio_status::StatusError;
    ///
    /// fn status_of(error: &(dyn std::error::Error + 'static)) -> Option<http::StatusCode> {
    ///     StatusError::find(error).map(StatusError::status)
    /// }
    /// ```
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        chain(error).find_map(Self::of)
    }

    pub(super) fn of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let ours = || error.downcast_ref::<Error>()?.status_error();
        error.downcast_ref().or_else(ours)
    }
}
