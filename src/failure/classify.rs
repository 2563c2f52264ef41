//! A classifier for tower-http's `TraceLayer` and similar middleware, by this crate's kinds.

use std::{any::Any, error::Error as StdError, fmt};

use http::Response;
use tower_http::classify::{ClassifiedResponse, ClassifyResponse, NeverClassifyEos};

use super::{BoxError, Error, StatusError, StatusKind};

/// Classifies responses as [`RevioStatus`](crate::RevioStatus) does: 400 and above are failures.
///
/// In a `TraceLayer` below [`RevioStatusLayer`](crate::RevioStatusLayer) it classifies every attempt, above
/// that layer every request.
///
/// ```
/// use revio_status::classify::StatusClassifier;
/// use tower_http::classify::SharedClassifier;
///
/// let classifier = SharedClassifier::new(StatusClassifier::default());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusClassifier {
    _priv: (),
}

/// The class of a failure.
///
/// `Display` prints the kind in snake case, or `no_response`, and never an error's own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureClass {
    /// A failed response.
    Status(StatusKind),
    /// No response.
    NoResponse,
}

impl ClassifyResponse for StatusClassifier {
    type FailureClass = FailureClass;
    type ClassifyEos = NeverClassifyEos<FailureClass>;

    fn classify_response<B>(
        self,
        response: &Response<B>,
    ) -> ClassifiedResponse<FailureClass, Self::ClassifyEos> {
        let kind = StatusKind::classify(response.status(), response.headers());
        ClassifiedResponse::Ready(kind.map_or(Ok(()), |kind| Err(FailureClass::Status(kind))))
    }

    /// Classifies an error by its status: an [`Error`], a [`StatusError`], or a [`BoxError`] with one of
    /// them inside. Any other error type, whatever its source, is [`FailureClass::NoResponse`].
    fn classify_error<E>(self, error: &E) -> FailureClass
    where
        E: fmt::Display + 'static,
    {
        let error: &dyn Any = error;
        let (ours, status) = (
            error.downcast_ref::<Error>(),
            error.downcast_ref::<StatusError>(),
        );
        let error: Option<&(dyn StdError + 'static)> = match error.downcast_ref::<BoxError>() {
            Some(boxed) => Some(&**boxed),
            None => ours.map(|e| e as _).or(status.map(|e| e as _)),
        };
        match error.and_then(StatusError::find) {
            Some(error) => FailureClass::Status(error.kind()),
            None => FailureClass::NoResponse,
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(kind) => kind.fmt(f),
            Self::NoResponse => f.pad("no_response"),
        }
    }
}
