//! The tracing events of this crate, named by OpenTelemetry's HTTP conventions. No secret goes in
//! here: of a URI only the host and the path.

use std::time::Duration;

use http::{Method, StatusCode, Uri};
use tracing::Level;

use crate::{
    failure::{Error, StopReason},
    policy::Attempt,
};

const TARGET: &str = "revio_status";

/// The request of an event.
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
}

impl Subject<'_> {
    /// A URI has its IPv6 address in brackets, the convention has it without.
    fn address(&self) -> Option<&str> {
        let host = self.uri.host()?;
        Some(host.trim_matches(['[', ']']))
    }
}

/// Whether somebody wants to know of requests that are given up.
#[inline]
pub(crate) fn is_wanted() -> bool {
    tracing::event_enabled!(target: TARGET, Level::WARN)
}

pub(crate) fn retry_scheduled(attempt: &Attempt<'_>, delay: Duration) {
    let subject = Subject {
        method: attempt.method(),
        uri: attempt.uri(),
    };
    let status = attempt.status();
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        http.request.method = subject.method.as_str(),
        server.address = subject.address(),
        url.path = subject.uri.path(),
        http.response.status_code = status.map(|status| status.as_u16()),
        http.request.resend_count = attempt.number(),
        error.type = error_type(status.as_ref(), attempt.is_unsent()),
        retry.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        "retry scheduled"
    );
}

/// `resend`: the number of the one that is held, unless it is the first attempt.
pub(crate) fn held(subject: Subject<'_>, status: StatusCode, resend: Option<u32>, rest: Duration) {
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        http.request.method = subject.method.as_str(),
        server.address = subject.address(),
        url.path = subject.uri.path(),
        http.response.status_code = status.as_u16(),
        http.request.resend_count = resend,
        error.type = status.as_str(),
        retry.delay_ms = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX),
        "request held"
    );
}

pub(crate) fn cooldown_began(status: StatusCode, rest: Duration) {
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        http.response.status_code = status.as_u16(),
        error.type = status.as_str(),
        retry.delay_ms = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX),
        "cool-down began"
    );
}

/// Where no answer came, the status is that of the last answer before.
pub(crate) fn given_up(subject: Subject<'_>, error: &Error, resends: u32, reason: StopReason) {
    let status = error.status_error().map(|error| error.status());
    let is_unsent = error.service_error().is_some_and(|error| error.is_unsent());
    let earlier = error.previous_attempts().iter().rev();
    let last = status.or_else(|| earlier.filter_map(|attempt| attempt.status()).next());
    tracing::event!(
        target: TARGET,
        Level::WARN,
        http.request.method = subject.method.as_str(),
        server.address = subject.address(),
        url.path = subject.uri.path(),
        http.response.status_code = last.map(|status| status.as_u16()),
        http.request.resend_count = resends,
        error.type = error_type(status.as_ref(), is_unsent),
        retry.stop_reason = %reason,
        "request given up"
    );
}

fn error_type(status: Option<&StatusCode>, is_unsent: bool) -> &str {
    match (status, is_unsent) {
        (Some(status), _) => status.as_str(),
        (None, true) => "unsent",
        (None, false) => "no_response",
    }
}
