//! The error of a failed call: a failed response, or no response.

use std::{error::Error as StdError, fmt, time::Duration};

use super::{
    PreviousAttempt, ServiceError, StatusError, StatusKind, chain::chain, outcome::Outcome,
};

/// Any error of another crate: the inner service's, or a request body's.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The error of a [`RevioStatus`](crate::RevioStatus) service: a failed response, or no response.
///
/// 16 bytes.
///
/// # Formatting
///
/// `Display` prints the [`StatusError`] or [`ServiceError`] inside.
///
/// # Source
///
/// [`Status`](Self::Status) has no source. The source of [`Service`](Self::Service) is the inner
/// service's error. If the last attempt was not sent but an earlier one may have been applied, the
/// [`ServiceError`] stands in between, so that code that walks the source chain does not mistake the
/// request for an unsent one.
#[derive(Debug)]
pub enum Error {
    /// A failed response, or a request that a cool-down refused.
    Status(StatusError),
    /// No response: the inner service failed, for instance to connect, or timed out.
    Service(ServiceError),
}

impl Error {
    /// Returns the failed response, if one came.
    pub fn status_error(&self) -> Option<&StatusError> {
        match self {
            Self::Status(error) => Some(error),
            Self::Service(_) => None,
        }
    }

    /// Returns the error of the inner service, if no response came.
    pub fn service_error(&self) -> Option<&ServiceError> {
        match self {
            Self::Status(_) => None,
            Self::Service(error) => Some(error),
        }
    }

    /// Returns the kind of the failed response, if one came.
    pub fn kind(&self) -> Option<StatusKind> {
        self.status_error().map(StatusError::kind)
    }

    /// Returns the time to wait before the next call, if the server or a cool-down named one.
    ///
    /// For a failed response see [`StatusError::retry_after`]. Without a response: the remaining time
    /// of the cool-down that ended the request.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(error) => error.retry_after(),
            Self::Service(error) => error.remaining(),
        }
    }

    pub(super) fn outcome(&self) -> &Outcome {
        match self {
            Self::Status(error) => error.outcome(),
            Self::Service(error) => error.outcome(),
        }
    }

    /// Returns `true` if an inner layer of this crate made this error.
    pub(crate) fn is_from_below(&self) -> bool {
        self.outcome().is_concluded()
    }

    pub(crate) fn outcome_mut(&mut self) -> &mut Outcome {
        match self {
            Self::Status(error) => error.outcome_mut(),
            Self::Service(error) => error.outcome_mut(),
        }
    }

    /// Downcasts the box to one of this crate's error types.
    pub(crate) fn downcast(error: BoxError) -> Result<Self, BoxError> {
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

    /// Creates the error of a service that failed in `poll_ready`, before the first attempt.
    pub(crate) fn not_ready(error: BoxError) -> Self {
        Self::downcast(error).unwrap_or_else(|error| {
            let error = ServiceError::of_attempt(error, true);
            error.with_attempts(0).into()
        })
    }

    /// Raises `retry_after` to at least the remaining time of a cool-down.
    pub(crate) fn with_remaining(self, remaining: Option<Duration>) -> Self {
        match self {
            Self::Status(error) => error.with_remaining(remaining).into(),
            Self::Service(error) => error.with_remaining(remaining).into(),
        }
    }

    /// Converts the failure into a part of the history, because another attempt follows.
    pub(crate) fn into_previous(self, delay: Duration) -> PreviousAttempt {
        let status = self.status_error().map(StatusError::status);
        let is_unsent = |error: &ServiceError| error.is_unsent() && !error.may_have_been_applied();
        let is_unsent = self.service_error().is_some_and(is_unsent);
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

/// Unboxes the typed error above a layer that boxes errors, such as tower's `Timeout` or `Buffer`:
/// `.map_err(Error::from)`.
///
/// An [`Error`], a [`StatusError`] or a [`ServiceError`] is moved out of the box. Any other error, for
/// instance the boxing layer's own, becomes an [`Error::Service`] of unknown history: 0 attempts,
/// possibly applied.
///
/// ```
/// use revio_status::{BoxError, Error, StatusKind};
///
/// fn advice(error: BoxError) -> &'static str {
///     match Error::from(error) {
///         Error::Status(e) if e.kind() == StatusKind::NotFound => "no such customer",
///         Error::Status(_) => "the API refused",
///         Error::Service(_) => "no response",
///     }
/// }
/// ```
impl From<BoxError> for Error {
    fn from(error: BoxError) -> Self {
        Self::downcast(error)
            .unwrap_or_else(|error| ServiceError::new(error).with_attempts(0).into())
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
    /// Finds a `StatusError` in an error or anywhere below it, through the wrappers of other layers.
    ///
    /// Follows [`source`](StdError::source). Also looks into wrappers whose `source` skips the error
    /// inside: [`io::Error`](std::io::Error), `Arc<dyn Error + Send + Sync>`, and an
    /// [`Arc`](std::sync::Arc) or `Box` of an `io::Error` or of an error of this crate.
    ///
    /// ```
    /// use revio_status::StatusError;
    ///
    /// fn status_of(error: &(dyn std::error::Error + 'static)) -> Option<http::StatusCode> {
    ///     StatusError::find(error).map(StatusError::status)
    /// }
    /// ```
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        chain(error).find_map(Self::downcast)
    }

    /// Downcasts an error to a `StatusError`, also if it is an [`Error`].
    pub(super) fn downcast<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let ours = || error.downcast_ref::<Error>()?.status_error();
        error.downcast_ref().or_else(ours)
    }
}
