//! What a policy sees of a failed attempt.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, request, response};

use crate::failure::{self, StatusKind, may_be_applied, retry_after};

/// One failed attempt, as a [`RetryPolicy`](crate::RetryPolicy) sees it: what was sent and what came back.
///
/// It can be made by hand, to test a policy of one's own:
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
    end: End<'a>,
    is_unsent: bool,
    may_have_been_applied: bool,
    retry_after: Option<Duration>,
    elapsed: Duration,
    remaining: Option<Duration>,
}

/// How it ended.
#[derive(Clone, Copy)]
enum End<'a> {
    Answer {
        status: StatusCode,
        kind: StatusKind,
        headers: &'a HeaderMap,
        body: &'a Bytes,
    },
    NoResponse(&'a (dyn Error + Send + Sync + 'static)),
}

impl<'a> Attempt<'a> {
    /// The first attempt, at once, without a deadline, and its answer.
    ///
    /// A policy is asked about failures only. Of a response below 400,
    /// [`kind`](Self::kind) says [`StatusKind::OtherServerError`].
    pub fn new(
        request: &'a request::Parts,
        response: &'a response::Parts,
        body: &'a Bytes,
    ) -> Self {
        let (status, headers) = (response.status, &response.headers);
        let retry_after = retry_after(headers);
        let kind = StatusKind::of_failure(status, retry_after.is_some());
        let end = End::Answer {
            status,
            kind,
            headers,
            body,
        };
        Self {
            retry_after,
            ..Self::first(request, end, may_be_applied(status))
        }
    }

    /// The first attempt, at once, without a deadline, and the error that came instead of an answer.
    /// It may have been applied, unless [`with_unsent`](Self::with_unsent) says that it was not sent.
    pub fn without_response(
        request: &'a request::Parts,
        error: &'a (dyn Error + Send + Sync + 'static),
    ) -> Self {
        Self::first(request, End::NoResponse(error), true)
    }

    fn first(request: &'a request::Parts, end: End<'a>, may_have_been_applied: bool) -> Self {
        Self {
            number: 1,
            request,
            end,
            is_unsent: false,
            may_have_been_applied,
            retry_after: None,
            elapsed: Duration::ZERO,
            remaining: None,
        }
    }

    pub(crate) fn of_failure(request: &'a request::Parts, error: &'a failure::Error) -> Self {
        match error {
            failure::Error::Status(error) => {
                let end = End::Answer {
                    status: error.status(),
                    kind: error.kind(),
                    headers: error.headers(),
                    body: error.body(),
                };
                Self {
                    retry_after: error.retry_after(),
                    ..Self::first(request, end, error.may_have_been_applied())
                }
            }
            failure::Error::Service(error) => Self {
                is_unsent: error.is_unsent(),
                ..Self::first(
                    request,
                    // What a layer further down has made of it, or the service's own.
                    End::NoResponse(match error.is_from_below() {
                        true => error,
                        false => error.get_ref(),
                    }),
                    error.may_have_been_applied(),
                )
            },
        }
    }

    /// It, or one before it, may have been applied.
    pub(crate) fn with_possibly_applied(self, may_have_been_applied: bool) -> Self {
        Self {
            may_have_been_applied,
            ..self
        }
    }

    /// Makes it the attempt of this number; the first is 1.
    #[must_use]
    pub fn with_number(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// Lets this time have passed since the request was made.
    #[must_use]
    pub fn with_elapsed(self, elapsed: Duration) -> Self {
        Self { elapsed, ..self }
    }

    /// Leaves this time until the deadline.
    #[must_use]
    pub fn with_remaining(self, remaining: Duration) -> Self {
        Self {
            remaining: Some(remaining),
            ..self
        }
    }

    /// Makes it known not to have reached the server, and so not applied.
    #[must_use]
    pub fn with_unsent(self) -> Self {
        Self {
            is_unsent: true,
            may_have_been_applied: false,
            ..self
        }
    }

    /// Which attempt this was; the first is 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The head of the request that was sent.
    pub fn request(&self) -> &'a request::Parts {
        self.request
    }

    /// The method of the request.
    pub fn method(&self) -> &'a Method {
        &self.request.method
    }

    /// The URI of the request.
    pub fn uri(&self) -> &'a Uri {
        &self.request.uri
    }

    /// The status that came back, or `None` where no answer came.
    pub fn status(&self) -> Option<StatusCode> {
        match self.end {
            End::Answer { status, .. } => Some(status),
            End::NoResponse(_) => None,
        }
    }

    /// What that status means.
    pub fn kind(&self) -> Option<StatusKind> {
        match self.end {
            End::Answer { kind, .. } => Some(kind),
            End::NoResponse(_) => None,
        }
    }

    /// The headers that came back.
    pub fn headers(&self) -> Option<&'a HeaderMap> {
        match self.end {
            End::Answer { headers, .. } => Some(headers),
            End::NoResponse(_) => None,
        }
    }

    /// The body that came back, as far as it was captured.
    pub fn body(&self) -> Option<&'a Bytes> {
        match self.end {
            End::Answer { body, .. } => Some(body),
            End::NoResponse(_) => None,
        }
    }

    /// The inner service's error, where no answer came: a [`ServiceError`](crate::ServiceError) where a
    /// layer of this kind further down has made one.
    pub fn error(&self) -> Option<&'a (dyn Error + Send + Sync + 'static)> {
        match self.end {
            End::Answer { .. } => None,
            End::NoResponse(error) => Some(error),
        }
    }

    /// Whether it is known not to have reached the server.
    pub fn is_unsent(&self) -> bool {
        self.is_unsent
    }

    /// Whether it, or in the layer any attempt before it, may have been applied.
    pub fn may_have_been_applied(&self) -> bool {
        self.may_have_been_applied
    }

    /// How long the server asked to be left alone, see
    /// [`StatusError::retry_after`](crate::StatusError::retry_after).
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The time since the request was made, earlier attempts and waits included.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The time until the deadline, or `None` where there is none.
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
