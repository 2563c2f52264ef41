//! What a policy sees of a failed attempt.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, request, response};

use crate::failure::{StatusError, StatusKind, retry_after};

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
    status: StatusCode,
    kind: StatusKind,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    retry_after: Option<Duration>,
    elapsed: Duration,
    remaining: Option<Duration>,
}

impl<'a> Attempt<'a> {
    /// The first attempt, at once, without a deadline.
    ///
    /// A policy is asked about failures only. Of a response below 400,
    /// [`kind`](Self::kind) says [`StatusKind::OtherServer`].
    pub fn new(
        request: &'a request::Parts,
        response: &'a response::Parts,
        body: &'a Bytes,
    ) -> Self {
        let (status, headers) = (response.status, &response.headers);
        let retry_after = retry_after(headers);
        Self {
            number: 1,
            request,
            status,
            kind: StatusKind::of_failure(status, retry_after.is_some()),
            headers,
            body,
            retry_after,
            elapsed: Duration::ZERO,
            remaining: None,
        }
    }

    pub(crate) fn of_failure(request: &'a request::Parts, error: &'a StatusError) -> Self {
        Self {
            number: 1,
            request,
            status: error.status(),
            kind: error.kind(),
            headers: error.headers(),
            body: error.body(),
            retry_after: error.retry_after(),
            elapsed: Duration::ZERO,
            remaining: None,
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

    /// The status that came back.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What that status means.
    pub fn kind(&self) -> StatusKind {
        self.kind
    }

    /// The headers that came back.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The body that came back, as far as it was captured.
    pub fn body(&self) -> &'a Bytes {
        self.body
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
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("elapsed", &self.elapsed)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}
