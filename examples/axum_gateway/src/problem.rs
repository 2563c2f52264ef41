//! Failures as users see them: problem details by [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use revio_status::{Error, StatusError, StatusKind as Kind, StopReason};
use serde_json::json;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The wait if the API asked for none.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(30);

const UNKNOWN: &str = "The billing system knows no such record.";
const BUSY: &str = "The billing system is busy.";
const OURS: &str = "The request could not be passed on.";
const UNUSABLE: &str = "The billing system gave no usable response.";
const REFUSED: &str = "The billing system does not accept the request.";
const APPLIED: &str = "It may have been saved nevertheless: look before you send it again.";

pub(crate) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    may_have_been_applied: bool,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            detail: detail.into(),
            retry_after: None,
            may_have_been_applied: false,
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, UNKNOWN)
    }

    pub(crate) fn unsent(_: http::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, OURS)
    }

    pub(crate) fn unusable(may_have_been_applied: bool) -> Self {
        Self {
            may_have_been_applied,
            ..Self::new(StatusCode::BAD_GATEWAY, UNUSABLE)
        }
    }

    pub(crate) fn of(error: &Error, is_safe: bool) -> Self {
        let is_cooling_down = error.stop_reason() == StopReason::CoolingDown;
        let problem = match error.kind() {
            _ if is_cooling_down => Self::busy(error),
            Some(Kind::TooManyRequests | Kind::QuotaExceeded) => Self::busy(error),
            Some(Kind::ServiceUnavailable | Kind::GatewayTimeout) => Self::busy(error),
            Some(Kind::NotFound) => Self::not_found(),
            // The body is the user's, and so is its error. A GET is wholly our own.
            Some(Kind::BadRequest) if !is_safe => {
                let message = error.status_error().and_then(StatusError::message);
                let detail = format!("{REFUSED} {}", message.unwrap_or_default());
                Self::new(StatusCode::BAD_REQUEST, detail.trim_end().to_owned())
            }
            // A 401 is between us and the API: users would doubt their own password.
            _ => Self::unusable(false),
        };
        Self {
            may_have_been_applied: !is_safe && error.may_have_been_applied(),
            ..problem
        }
    }

    fn busy(error: &Error) -> Self {
        Self {
            retry_after: Some(error.retry_after().unwrap_or(DEFAULT_RETRY_AFTER)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, BUSY)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut problem = json!({
            "type": "about:blank", // the status says it all
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if self.may_have_been_applied {
            problem["type"] = "tag:example.com,2026:unknown-outcome".into(); // use your own domain
            problem["title"] = "Unknown outcome".into();
            problem["detail"] = format!("{} {APPLIED}", self.detail).into();
            problem["may_have_been_applied"] = true.into();
        }
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        // Also if the outcome is unknown: the header then tells when to look.
        if let Some(wait) = self.retry_after {
            let rounded_up = u64::from(wait.subsec_nanos() > 0).saturating_add(wait.as_secs());
            headers.insert(RETRY_AFTER, rounded_up.into());
        }
        response
    }
}
