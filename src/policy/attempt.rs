//! A failed attempt, as a policy sees it.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, request, response};

use crate::failure::{self, StatusKind, may_be_applied, retry_after};

/// One failed attempt, as a [`RetryPolicy`](crate::RetryPolicy) sees it: what was sent and how it failed.
///
/// Two constructors exist to test your own policy:
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use revio_status::{Attempt, Decision, RetryPolicy, StandardPolicy, StopReason};
///
/// let (request, ()) = http::Request::get("http://localhost/v1/Customers/1001").body(())?.into_parts();
/// let (response, ()) = http::Response::builder().status(503).body(())?.into_parts();
/// let body = Bytes::new();
///
/// let third = Attempt::new(&request, &response, &body).with_number(3);
/// let decision = StandardPolicy::default().decide(&third);
/// assert_eq!(decision, Decision::Stop(StopReason::AttemptsExhausted));
/// # Ok::<_, http::Error>(())
/// ```
pub struct Attempt<'a> {
    number: u32,
    request: &'a request::Parts,
    failure: Failure<'a>,
    is_unsent: bool,
    may_have_been_applied: bool,
    retry_after: Option<Duration>,
    elapsed: Duration,
    remaining: Option<Duration>,
}

#[derive(Clone, Copy)]
enum Failure<'a> {
    Response {
        status: StatusCode,
        kind: StatusKind,
        headers: &'a HeaderMap,
        body: &'a Bytes,
    },
    NoResponse(&'a (dyn Error + Send + Sync + 'static)),
}

impl<'a> Attempt<'a> {
    /// Creates the first attempt, with this failed response, no elapsed time and no deadline.
    ///
    /// Policies see failures only: a response below 400 has the kind
    /// [`StatusKind::OtherServerError`].
    pub fn new(
        request: &'a request::Parts,
        response: &'a response::Parts,
        body: &'a Bytes,
    ) -> Self {
        let (status, headers) = (response.status, &response.headers);
        let retry_after = retry_after(headers);
        let kind = StatusKind::of_failure(status, retry_after.is_some());
        let failure = Failure::Response {
            status,
            kind,
            headers,
            body,
        };
        Self {
            retry_after,
            ..Self::first(request, failure, may_be_applied(status))
        }
    }

    /// Creates the first attempt, with this error and no response, no elapsed time and no deadline.
    ///
    /// The attempt may have been applied, unless it is marked [`with_unsent`](Self::with_unsent).
    pub fn without_response(
        request: &'a request::Parts,
        error: &'a (dyn Error + Send + Sync + 'static),
    ) -> Self {
        Self::first(request, Failure::NoResponse(error), true)
    }

    fn first(
        request: &'a request::Parts,
        failure: Failure<'a>,
        may_have_been_applied: bool,
    ) -> Self {
        Self {
            number: 1,
            request,
            failure,
            is_unsent: false,
            may_have_been_applied,
            retry_after: None,
            elapsed: Duration::ZERO,
            remaining: None,
        }
    }

    pub(crate) fn from_failure(request: &'a request::Parts, error: &'a failure::Error) -> Self {
        match error {
            failure::Error::Status(error) => {
                let failure = Failure::Response {
                    status: error.status(),
                    kind: error.kind(),
                    headers: error.headers(),
                    body: error.body(),
                };
                Self {
                    retry_after: error.retry_after(),
                    ..Self::first(request, failure, error.may_have_been_applied())
                }
            }
            failure::Error::Service(error) => Self {
                is_unsent: error.is_unsent() && !error.may_have_been_applied(),
                ..Self::first(
                    request,
                    // An inner layer's `ServiceError` as it is; otherwise the service's own error.
                    Failure::NoResponse(match error.is_from_below() {
                        true => error,
                        false => error.get_ref(),
                    }),
                    error.may_have_been_applied(),
                )
            },
        }
    }

    /// Sets whether this attempt, or an earlier one, may have been applied.
    pub(crate) fn with_possibly_applied(self, may_have_been_applied: bool) -> Self {
        Self {
            may_have_been_applied,
            ..self
        }
    }

    /// Sets the number of the attempt, counted from 1.
    #[must_use]
    pub fn with_number(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// Sets the elapsed time.
    #[must_use]
    pub fn with_elapsed(self, elapsed: Duration) -> Self {
        Self { elapsed, ..self }
    }

    /// Sets the time until the deadline.
    #[must_use]
    pub fn with_remaining(self, remaining: Duration) -> Self {
        Self {
            remaining: Some(remaining),
            ..self
        }
    }

    /// Marks the attempt as known not to have reached the server, and so not applied.
    #[must_use]
    pub fn with_unsent(self) -> Self {
        Self {
            is_unsent: true,
            may_have_been_applied: false,
            ..self
        }
    }

    /// Returns the number of the attempt, counted from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the head of the request, as sent.
    pub fn request(&self) -> &'a request::Parts {
        self.request
    }

    /// Returns the method of the request.
    pub fn method(&self) -> &'a Method {
        &self.request.method
    }

    /// Returns the URI of the request.
    pub fn uri(&self) -> &'a Uri {
        &self.request.uri
    }

    /// Returns the status of the response, or `None` without a response.
    pub fn status(&self) -> Option<StatusCode> {
        match self.failure {
            Failure::Response { status, .. } => Some(status),
            Failure::NoResponse(_) => None,
        }
    }

    /// Returns the kind of the response, or `None` without a response.
    pub fn kind(&self) -> Option<StatusKind> {
        match self.failure {
            Failure::Response { kind, .. } => Some(kind),
            Failure::NoResponse(_) => None,
        }
    }

    /// Returns the headers of the response, or `None` without a response.
    pub fn headers(&self) -> Option<&'a HeaderMap> {
        match self.failure {
            Failure::Response { headers, .. } => Some(headers),
            Failure::NoResponse(_) => None,
        }
    }

    /// Returns the body of the response as far as it was read, or `None` without a response.
    pub fn body(&self) -> Option<&'a Bytes> {
        match self.failure {
            Failure::Response { body, .. } => Some(body),
            Failure::NoResponse(_) => None,
        }
    }

    /// Returns the inner service's error, or `None` if a response came.
    ///
    /// If an inner layer of this crate made the error, it is a [`ServiceError`](crate::ServiceError).
    pub fn error(&self) -> Option<&'a (dyn Error + Send + Sync + 'static)> {
        match self.failure {
            Failure::Response { .. } => None,
            Failure::NoResponse(error) => Some(error),
        }
    }

    /// Returns `true` if the attempt is known not to have reached the server.
    pub fn is_unsent(&self) -> bool {
        self.is_unsent
    }

    /// Returns `true` if the attempt may have been applied.
    ///
    /// In the layer, earlier attempts count too.
    pub fn may_have_been_applied(&self) -> bool {
        self.may_have_been_applied
    }

    /// Returns the wait that the server asked for: see
    /// [`StatusError::retry_after`](crate::StatusError::retry_after).
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns the time since `call`, earlier attempts and waits included.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the time until the deadline, or `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.remaining
    }
}

/// Shows no header, no URI and no body.
impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("number", &self.number)
            .field("method", self.method())
            .field("status", &self.status())
            .field("is_unsent", &self.is_unsent)
            .field("retry_after", &self.retry_after)
            .field("elapsed", &self.elapsed)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}
