//! The kinds of failed statuses: the one table for all rules.

use std::fmt;

use http::{HeaderMap, StatusCode};

use super::retry_after::retry_after;

/// The kind of a failed response, from its status and `Retry-After`.
///
/// | status | kind | in the API's documentation |
/// |---|---|---|
/// | 400 | [`BadRequest`](Self::BadRequest) | yes |
/// | 401 | [`Unauthorized`](Self::Unauthorized) | yes |
/// | 403 | [`Forbidden`](Self::Forbidden) | yes |
/// | 403 with a readable `Retry-After` | [`QuotaExceeded`](Self::QuotaExceeded) | no: the gateway's |
/// | 404 | [`NotFound`](Self::NotFound) | yes |
/// | 405 | [`MethodNotAllowed`](Self::MethodNotAllowed) | yes |
/// | 429 | [`TooManyRequests`](Self::TooManyRequests) | no: the gateway's |
/// | other 4xx | [`OtherClientError`](Self::OtherClientError) | no |
/// | 500 | [`InternalServerError`](Self::InternalServerError) | yes |
/// | 501 | [`NotImplemented`](Self::NotImplemented) | yes |
/// | 503 | [`ServiceUnavailable`](Self::ServiceUnavailable) | yes |
/// | 504 | [`GatewayTimeout`](Self::GatewayTimeout) | yes |
/// | other 5xx, and 600–999 ([RFC 9110 §15]) | [`OtherServerError`](Self::OtherServerError) | no |
///
/// `Display` prints the name in snake case: `service_unavailable`.
///
/// [RFC 9110 §15]: https://www.rfc-editor.org/rfc/rfc9110#section-15
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusKind {
    /// 400: the request is malformed or incomplete.
    BadRequest,
    /// 401: the credentials are missing or wrong.
    Unauthorized,
    /// 403: the user has no permission.
    Forbidden,
    /// 403 with a readable `Retry-After`: the account's call quota is used up.
    QuotaExceeded,
    /// 404: no such resource, or no such operation.
    NotFound,
    /// 405: the resource does not support the method.
    MethodNotAllowed,
    /// 429: too many calls in a short time.
    TooManyRequests,
    /// Any other 4xx.
    OtherClientError,
    /// 500: the server failed.
    InternalServerError,
    /// 501: the server does not implement the operation.
    NotImplemented,
    /// 503: maintenance, or too much load.
    ServiceUnavailable,
    /// 504: a gateway got no response in time; the work may still have been done.
    GatewayTimeout,
    /// Any other 5xx, and 600–999.
    OtherServerError,
}

impl StatusKind {
    /// Returns the kind of a response with this status and these headers, or `None` below 400.
    pub fn classify(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let is_failure = status.as_u16() >= 400;
        // Headers are read only for 403.
        let waits = || status == StatusCode::FORBIDDEN && retry_after(headers).is_some();
        is_failure.then(|| Self::of_failure(status, waits()))
    }

    /// Returns the kind of a failure. `waits` is `true` if its `Retry-After` can be read.
    pub(crate) fn of_failure(status: StatusCode, waits: bool) -> Self {
        match status.as_u16() {
            400 => Self::BadRequest,
            401 => Self::Unauthorized,
            403 if waits => Self::QuotaExceeded,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            429 => Self::TooManyRequests,
            500 => Self::InternalServerError,
            501 => Self::NotImplemented,
            503 => Self::ServiceUnavailable,
            504 => Self::GatewayTimeout,
            _ if status.is_client_error() => Self::OtherClientError,
            _ => Self::OtherServerError,
        }
    }

    /// Returns `true` for the 4xx kinds: the request is at fault.
    pub fn is_client_error(self) -> bool {
        !self.is_server_error()
    }

    /// Returns `true` for 5xx and above: the server, or a gateway in front of it, is at fault.
    pub fn is_server_error(self) -> bool {
        matches!(
            self,
            Self::InternalServerError
                | Self::NotImplemented
                | Self::ServiceUnavailable
                | Self::GatewayTimeout
                | Self::OtherServerError
        )
    }

    /// Returns `true` if Rev.io's documentation lists this kind.
    pub fn is_documented(self) -> bool {
        !matches!(
            self,
            Self::QuotaExceeded
                | Self::TooManyRequests
                | Self::OtherClientError
                | Self::OtherServerError
        )
    }

    /// Returns one sentence for a person, in our own words: what happened, and what to do about it.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::BadRequest => {
                "The request is malformed or a required parameter is missing: correct it before sending it again."
            }
            Self::Unauthorized => {
                "The credentials are missing or wrong: check user name, client code, password and subscription key."
            }
            Self::Forbidden => "The user is known but has no permission for this operation.",
            Self::QuotaExceeded => {
                "The call quota of the account is used up: come back when the waiting time is over."
            }
            Self::NotFound => "Nothing exists at this path, or not for this account.",
            Self::MethodNotAllowed => {
                "The resource does not support this method: the Allow header lists the supported methods."
            }
            Self::TooManyRequests => "The account calls faster than the gateway allows: slow down.",
            Self::OtherClientError => "The server refused the request as it was sent.",
            Self::InternalServerError => "The server failed while it handled the request.",
            Self::NotImplemented => "The server does not implement this operation.",
            Self::ServiceUnavailable => {
                "The server cannot handle requests now: maintenance, or too many at once."
            }
            Self::GatewayTimeout => {
                "A gateway or proxy got no response from the server in time: the work may still have been done."
            }
            Self::OtherServerError => "The server, or something in front of it, failed.",
        }
    }
}

/// Returns `true` if the request may have been applied despite this status: a 503 can come from a proxy
/// whose upstream died half-way, and some gateways send 408 for slow work.
pub(crate) fn may_be_applied(status: StatusCode) -> bool {
    match status.as_u16() {
        408 => true,
        501 => false,
        code => code >= 500,
    }
}

impl fmt::Display for StatusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::QuotaExceeded => "quota_exceeded",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooManyRequests => "too_many_requests",
            Self::OtherClientError => "other_client_error",
            Self::InternalServerError => "internal_server_error",
            Self::NotImplemented => "not_implemented",
            Self::ServiceUnavailable => "service_unavailable",
            Self::GatewayTimeout => "gateway_timeout",
            Self::OtherServerError => "other_server_error",
        })
    }
}
