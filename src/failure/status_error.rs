//! The error of a failed response.

use std::{error::Error, fmt, sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::{Extensions, HeaderMap, StatusCode, Version, header::CONTENT_LENGTH, response};

use super::{
    StatusKind, fields, message, outcome::Outcome, retry_after::retry_after,
    status::may_be_applied, status_line,
};

/// A failed response: status 400 or above.
///
/// One pointer.
///
/// # Formatting
///
/// `Display` prints one line: the status, the server's [`message`](Self::message) without repetition of
/// the status, the attempts if there were several, and the stop reason (omitted for a single attempt that
/// is not retryable): `503 Service Unavailable: Back at noon (3 attempts, attempts_exhausted)`. If an
/// HTTP/1 server sent its own reason phrase, that phrase is shown (feature `hyper-util`). The line is safe
/// to print to a log or a terminal. `Debug` shows no text from the server.
pub struct StatusError(Box<Failure>);

struct Failure {
    head: response::Parts,
    kind: StatusKind,
    retry_after: Option<Duration>,
    body: Bytes,
    is_body_truncated: bool,
    /// A cool-down asks for a longer wait than the response did.
    has_longer_wait: bool,
    message: OnceLock<Option<Box<str>>>,
    outcome: Outcome,
}

impl StatusError {
    pub(crate) fn new(mut head: response::Parts) -> Self {
        let status = head.status;
        let retry_after = retry_after(&head.headers);
        let kind = StatusKind::of_failure(status, retry_after.is_some());
        fields::copy_values(&mut head.headers);
        Self(Box::new(Failure {
            head,
            kind,
            retry_after,
            body: Bytes::new(),
            is_body_truncated: false,
            has_longer_wait: false,
            message: OnceLock::new(),
            outcome: Outcome::of_attempt(may_be_applied(status)),
        }))
    }

    pub(crate) fn with_body(mut self, body: Bytes, is_truncated: bool) -> Self {
        self.0.body = body;
        self.0.is_body_truncated = is_truncated;
        self
    }

    pub(crate) fn announces_more_than(&self, length: usize) -> bool {
        fields::content_length(self.headers())
            .is_some_and(|announced| u64::try_from(length).is_ok_and(|length| length < announced))
    }

    /// Creates the error of a failed response, to test your own error handling: one attempt,
    /// [`StopReason::NotRetryable`](crate::StopReason::NotRetryable). Returns `None` if the status is below
    /// 400.
    ///
    /// If `Content-Length` is larger than the body, the body counts as truncated. For a response to HEAD,
    /// leave that header out.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use revio_status::{StatusError, StatusKind};
    ///
    /// let response = Response::builder().status(404).body(Bytes::new())?;
    /// let error = StatusError::from_response(response).expect("a failure");
    /// assert_eq!(error.kind(), StatusKind::NotFound);
    /// # Ok::<_, http::Error>(())
    /// ```
    pub fn from_response(response: http::Response<Bytes>) -> Option<Self> {
        let (head, body) = response.into_parts();
        if head.status.as_u16() < 400 {
            return None;
        }
        let error = Self::new(head);
        let is_truncated = error.announces_more_than(body.len());
        Some(error.with_body(body, is_truncated))
    }

    /// Creates the error of a request that a cool-down with this remaining time refused. It holds only the
    /// status of the response that started the cool-down.
    pub(crate) fn refused(status: StatusCode, remaining: Duration) -> Self {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = status;
        fields::set_retry_after(&mut head.headers, remaining);
        let mut error = Self::new(head);
        error.0.retry_after = Some(remaining);
        error.0.outcome.set_applied(false);
        error.0.outcome.set_attempts(0);
        error
    }

    /// Raises `retry_after` to at least the remaining time of a cool-down.
    pub(crate) fn with_remaining(mut self, remaining: Option<Duration>) -> Self {
        self.0.has_longer_wait = remaining > self.0.retry_after;
        self.0.retry_after = self.0.retry_after.max(remaining);
        self
    }

    pub(super) fn outcome(&self) -> &Outcome {
        &self.0.outcome
    }

    pub(super) fn outcome_mut(&mut self) -> &mut Outcome {
        &mut self.0.outcome
    }

    /// Returns the status of the last attempt's response.
    ///
    /// For a refused request: the status that started the cool-down.
    pub fn status(&self) -> StatusCode {
        self.0.head.status
    }

    /// Returns the kind of the response.
    pub fn kind(&self) -> StatusKind {
        self.0.kind
    }

    /// Returns the headers of the last attempt's response.
    ///
    /// For a refused request: `Retry-After` alone.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.head.headers
    }

    /// Returns the HTTP version of the last attempt's response.
    pub fn version(&self) -> Version {
        self.0.head.version
    }

    /// Returns the extensions of the last attempt's response: those that the layers below set, and the
    /// reason phrase of an HTTP/1 response if it is not the standard one
    /// (`hyper::ext::ReasonPhrase`).
    pub fn extensions(&self) -> &Extensions {
        &self.0.head.extensions
    }

    /// Returns the body of the last attempt's response, as far as it was read.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// Returns `true` if bytes are missing in [`body`](Self::body).
    ///
    /// The body was longer than [`error_body_limit`](crate::RevioStatusLayer::error_body_limit), slower than
    /// [`error_body_timeout`](crate::RevioStatusLayer::error_body_timeout) or the deadline, broke off, or
    /// ended before its `Content-Length`, which does not count for a response to HEAD.
    pub fn is_body_truncated(&self) -> bool {
        self.0.is_body_truncated
    }

    /// Returns what the server said, as one line that is safe to print.
    ///
    /// The line comes from a JSON body (feature `json`), an XML document, an HTML page or a plain
    /// text, and has at most 512 bytes. A sentence wins over a code, and both win over a text that
    /// only repeats the status.
    ///
    /// - JSON: `message`, `error_description`, `error`, `detail`, `title`, `errors` and the like, in
    ///   this order. A field in error is named: `rate: This field is required.`
    /// - XML: elements with such names that hold only a text.
    /// - HTML: the title. If the title says nothing: the element `#error`, else the first `<p>`,
    ///   `<pre>` or heading that says something.
    ///
    /// Returns `None` if the body is not UTF-8 text or says nothing usable. The body is read on the
    /// first call.
    pub fn message(&self) -> Option<&str> {
        let search = || message::message(self.status(), self.headers(), self.body());
        self.0.message.get_or_init(search).as_deref()
    }

    /// Parses the body as JSON, whatever its content type.
    ///
    /// # Errors
    ///
    /// If the body is not JSON, does not fit `T`, or is truncated (a truncated number may still parse).
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(message::without_bom(&self.0.body))
    }

    /// Returns the wait that the server asked for, counted from the arrival of the response.
    ///
    /// Read from `retry-after-ms`, `x-ms-retry-after-ms` or `Retry-After`
    /// ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)), in this order. A date in
    /// the past is zero. If a cool-down refused or ended the request, and its remaining time is longer, the
    /// remaining time is returned.
    ///
    /// The wait may be absurdly long: add it to a clock with `checked_add`. Returns `None` if no header has
    /// a valid wait and no cool-down ended the request.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the reason phrase of an HTTP/1 response, made safe to print, if it is not the standard one.
    fn custom_reason(&self) -> Option<Box<str>> {
        #[cfg(feature = "hyper-util")]
        if let Some(reason) = self.extensions().get::<hyper::ext::ReasonPhrase>() {
            let reason = message::line::one_line(&String::from_utf8_lossy(reason.as_bytes()));
            let standard = self.status().canonical_reason().unwrap_or_default();
            return reason.filter(|reason| !reason.eq_ignore_ascii_case(standard));
        }
        None
    }

    /// Converts the error into a response that can be served to another client, with its version and
    /// extensions.
    ///
    /// Removes hop-by-hop headers
    /// ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)), and a `Content-Length`
    /// that differs from the body's length. If a cool-down asks for a longer wait than the response did,
    /// `Retry-After` is set to it, in whole seconds, rounded up.
    ///
    /// hyper's HTTP/1 server panics on version HTTP/3: set another version on a response that came over
    /// HTTP/3.
    #[must_use]
    pub fn into_response(self) -> http::Response<Bytes> {
        let Failure {
            mut head,
            body,
            retry_after,
            has_longer_wait,
            ..
        } = *self.0;
        let headers = &mut head.headers;
        fields::remove_hop_by_hop(headers);
        if let Some(wait) = retry_after.filter(|_| has_longer_wait) {
            fields::set_retry_after(headers, wait);
        }
        let length = body.len().to_string();
        if headers
            .get_all(CONTENT_LENGTH)
            .iter()
            .any(|value| *value != length)
        {
            headers.remove(CONTENT_LENGTH);
        }
        http::Response::from_parts(head, body)
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, outcome) = (self.status(), &self.0.outcome);
        let custom = self.custom_reason();
        let standard = status.canonical_reason().unwrap_or_default();
        let reason = custom.as_deref().unwrap_or(standard);
        f.write_str(status.as_str())?;
        if !reason.is_empty() {
            write!(f, " {reason}")?;
        }
        if self.attempts() == 0 {
            f.write_str(": the request was not sent")?;
        }
        let message = self.message();
        if let Some(news) = message.and_then(|text| status_line::beyond(text, status, reason)) {
            write!(f, ": {news}")?;
        }
        outcome.fmt(f)
    }
}

impl fmt::Debug for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusError")
            .field("status", &self.status())
            .field("attempts", &self.attempts())
            .field("stop_reason", &self.stop_reason())
            .field("body_len", &self.0.body.len())
            .finish_non_exhaustive()
    }
}

impl Error for StatusError {}
