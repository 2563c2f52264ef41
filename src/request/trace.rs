//! The two events of this crate, named by OpenTelemetry's HTTP conventions. No secret goes in here:
//! of a URI only the host.

use std::time::Duration;

use http::{Method, StatusCode, Uri};
use tracing::Level;

use crate::failure::StopReason;

const TARGET: &str = "revio_status";

/// The request of an event; the host is unknown where the request was not kept.
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: Option<&'a Uri>,
}

impl Subject<'_> {
    /// A URI has its IPv6 address in brackets, the convention has it without.
    fn address(&self) -> Option<&str> {
        let host = self.uri?.host()?;
        Some(host.trim_matches(['[', ']']))
    }
}

pub(crate) fn retry_scheduled(
    subject: Subject<'_>,
    status: StatusCode,
    resend: u32,
    delay: Duration,
) {
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        http.request.method = subject.method.as_str(),
        server.address = subject.address(),
        http.response.status_code = status.as_u16(),
        http.request.resend_count = resend,
        error.type = status.as_str(),
        retry.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        "retry scheduled"
    );
}

pub(crate) fn given_up(subject: Subject<'_>, status: StatusCode, resends: u32, reason: StopReason) {
    tracing::event!(
        target: TARGET,
        Level::WARN,
        http.request.method = subject.method.as_str(),
        server.address = subject.address(),
        http.response.status_code = status.as_u16(),
        http.request.resend_count = resends,
        error.type = status.as_str(),
        retry.stop_reason = %reason,
        "request given up"
    );
}
