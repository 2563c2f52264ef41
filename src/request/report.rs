//! Emits each event in one place: to `tracing`, by the names of OpenTelemetry's HTTP conventions, and to
//! `on_event`. An event shows only the host and the path of a URI, and no header.

use std::time::{Duration, Instant};

use http::{Method, StatusCode, Uri};
use tracing::Level;

use crate::{
    failure::{Error, StopReason},
    policy::{Attempt, Event, Observer},
    shared::Cooldown,
};

const TARGET: &str = "revio_status";

/// The request that an event names.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
}

impl<'a> Subject<'a> {
    /// A URI has brackets around an IPv6 address; the convention has none.
    fn address(self) -> Option<&'a str> {
        let host = self.uri.host()?;
        Some(host.trim_matches(['[', ']']))
    }
}

/// Returns `true` if `tracing` listens to the events of this crate.
#[inline]
pub(super) fn is_enabled() -> bool {
    tracing::event_enabled!(target: TARGET, Level::WARN)
}

pub(super) fn retry_scheduled(observer: Option<&Observer>, attempt: &Attempt<'_>, after: Duration) {
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
        retry.delay_ms = millis(after),
        "retry scheduled"
    );
    notify(observer, &Event::RetryScheduled { attempt, after });
}

/// `resend` is the number of the held resend, `None` for a first attempt.
pub(super) fn held(
    observer: Option<&Observer>,
    subject: Subject<'_>,
    status: StatusCode,
    resend: Option<u32>,
    remaining: Duration,
) {
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        http.request.method = subject.method.as_str(),
        server.address = subject.address(),
        url.path = subject.uri.path(),
        http.response.status_code = status.as_u16(),
        http.request.resend_count = resend,
        error.type = status.as_str(),
        retry.delay_ms = millis(remaining),
        "request held"
    );
    let Subject { method, .. } = subject;
    notify(observer, &Event::Held { method, remaining });
}

/// `subject` is the request whose response started the cool-down.
pub(super) fn cooldown_started(
    observer: Option<&Observer>,
    subject: Option<Subject<'_>>,
    cooldown: &Cooldown,
    status: StatusCode,
    (now, until): (Instant, Instant),
) {
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        http.request.method = subject.map(|subject| subject.method.as_str()),
        server.address = subject.and_then(Subject::address),
        url.path = subject.map(|subject| subject.uri.path()),
        http.response.status_code = status.as_u16(),
        error.type = status.as_str(),
        retry.delay_ms = millis(until.saturating_duration_since(now)),
        "cool-down started"
    );
    notify(
        observer,
        &Event::CooldownStarted {
            cooldown,
            status,
            until,
        },
    );
}

/// Without a response, the status code is that of the last response that came.
pub(super) fn given_up(
    observer: Option<&Observer>,
    subject: Subject<'_>,
    error: &Error,
    resends: u32,
    reason: StopReason,
) {
    let status = error.status_error().map(|error| error.status());
    let is_unsent = error.service_error().is_some_and(|error| error.is_unsent());
    let previous = error.previous_attempts().iter().rev();
    let last = status.or_else(|| previous.filter_map(|attempt| attempt.status()).next());
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
    let Subject { method, .. } = subject;
    notify(observer, &Event::GivenUp { method, error });
}

fn notify(observer: Option<&Observer>, event: &Event<'_>) {
    if let Some(observer) = observer {
        observer.notify(event);
    }
}

fn error_type(status: Option<&StatusCode>, is_unsent: bool) -> &str {
    match (status, is_unsent) {
        (Some(status), _) => status.as_str(),
        (None, true) => "unsent",
        (None, false) => "no_response",
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
