//! What a failed call returns: an answer that says no, or no answer at all.

use std::{error::Error as StdError, fmt, io, sync::Arc};

use super::{status::StatusKind, status_error::StatusError};

/// Any error that is not ours: the inner service's, or a request body's.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The error of a [`RevioStatus`](crate::RevioStatus) service.
///
/// It is 16 bytes. There is no third case: either an answer came or none did.
///
/// # Formatting
///
/// [`Status`](Self::Status) prints as its [`StatusError`] does. [`Service`](Self::Service) prints
/// a fixed sentence; the inner error's own text is one step down, at
/// [`source`](StdError::source). What that text shows is the inner service's choice: reqwest's
/// shows the URL with its query.
///
/// # Source
///
/// `Service` has the inner error as its source, `Status` has none.
#[derive(Debug)]
pub enum Error {
    /// The API answered, and the answer was a failure.
    Status(StatusError),
    /// No answer came: the inner service failed, for instance to connect, or timed out.
    Service(BoxError),
}

impl Error {
    /// The failed answer, if one came.
    pub fn status_error(&self) -> Option<&StatusError> {
        match self {
            Self::Status(error) => Some(error),
            Self::Service(_) => None,
        }
    }

    /// The kind of the failed answer, if one came.
    pub fn kind(&self) -> Option<StatusKind> {
        self.status_error().map(StatusError::kind)
    }

    /// Whether the server may have done what the request asked for, although the call failed.
    ///
    /// Always true for [`Service`](Self::Service): where no answer came nobody knows. For
    /// [`Status`](Self::Status) see [`StatusError::may_have_been_applied`]. The method is not looked
    /// at: where a GET may have been applied there is nothing to undo.
    pub fn may_have_been_applied(&self) -> bool {
        self.status_error()
            .is_none_or(StatusError::may_have_been_applied)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(error) => error.fmt(f),
            Self::Service(_) => f.write_str("no answer came from the API"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Status(_) => None,
            Self::Service(error) => Some(&**error),
        }
    }
}

/// Brings the typed error back from below a layer that boxes errors, such as tower's `Timeout` or
/// `Buffer`: `.map_err(Error::from)` above it.
///
/// An [`Error`] or a [`StatusError`] in the box is moved out. Anything else, the boxing layer's own
/// error for instance, becomes [`Error::Service`].
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
        let status = match error.downcast::<Self>() {
            Ok(ours) => return *ours,
            Err(other) => other.downcast::<StatusError>(),
        };
        status.map_or_else(Self::Service, |status| Self::Status(*status))
    }
}

impl From<StatusError> for Error {
    fn from(error: StatusError) -> Self {
        Self::Status(error)
    }
}

impl StatusError {
    /// Finds a `StatusError` in an error or anywhere below it, through whatever layers wrapped it.
    ///
    /// Follows [`source`](StdError::source), and looks into [`io::Error`] and [`Arc`], which hide
    /// what they hold from that chain.
    ///
    /// ```
    /// use revio_status::StatusError;
    ///
    /// fn status_of(error: &(dyn std::error::Error + 'static)) -> Option<http::StatusCode> {
    ///     StatusError::find(error).map(StatusError::status)
    /// }
    /// ```
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = Self::of(error) {
                return Some(found);
            }
            let hidden = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            next = match hidden {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }

    fn of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let ours = |error: &'a Error| error.status_error();
        error
            .downcast_ref::<Self>()
            .or_else(|| error.downcast_ref::<Arc<Self>>().map(|arc| &**arc))
            .or_else(|| error.downcast_ref::<Error>().and_then(ours))
            .or_else(|| error.downcast_ref::<Arc<Error>>().and_then(|arc| ours(arc)))
    }
}
