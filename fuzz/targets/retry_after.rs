//! `Retry-After`, `Date`, `Age` and the millisecond headers: each way to read them gives the time from
//! which the bytes were made.

#![no_main]

#[path = "retry_after/date.rs"]
mod date;
#[path = "retry_after/expect.rs"]
mod expect;

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use expect::{Expected, Line, Name, Server};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{AGE, DATE},
};
use http_body_util::{Empty, Full};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use revio_status::{Attempt, Error, RevioStatusLayer, StatusError, StatusKind};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Arbitrary, Debug)]
struct Input {
    server: Server,
    /// The `Age` of a cached response.
    age: Option<u16>,
    lines: Vec<(Name, Line)>,
}

fuzz_target!(|input: Input| {
    let before = unix_now();
    let date = input
        .server
        .date(before)
        .filter(|date| is_value(date.text()));
    let mut headers = HeaderMap::new();
    if let Some(date) = &date {
        headers.insert(DATE, value(date.text()).expect("checked above"));
    }
    if let Some(age) = input.age {
        headers.insert(AGE, age.into());
    }
    // The clock that the dates are measured against.
    let date = date.map(|date| date.later(input.age.unwrap_or(0)));
    let mut lines = Vec::new();
    for (name, line) in input.lines.iter().take(8) {
        let text = line.text(date.as_ref(), before);
        if let Some(value) = value(&text) {
            headers.append(name.field(), value);
            lines.push((*name, line, text));
        }
    }
    let read = read(&headers);
    let clock = (before, unix_now() + Duration::from_secs(1));
    let expected = Expected::of(&lines, date.as_ref(), clock);
    for wait in &read {
        assert!(
            expected.holds(*wait),
            "{wait:?} is not {expected:?} of {headers:?}"
        );
    }
});

/// Reads the headers in each way that the crate offers.
fn read(headers: &HeaderMap) -> [Option<Duration>; 3] {
    let (request, ()) = Request::new(()).into_parts();
    let (mut response, ()) = Response::new(()).into_parts();
    response.status = StatusCode::FORBIDDEN;
    response.headers = headers.clone();
    let body = Bytes::new();
    let attempt = Attempt::new(&request, &response, &body);
    let error = error(headers);

    let waits = attempt.retry_after().is_some();
    let kind = match waits {
        true => StatusKind::QuotaExceeded,
        false => StatusKind::Forbidden,
    };
    assert_eq!(attempt.kind(), Some(kind));
    assert_eq!(StatusKind::classify(response.status, headers), Some(kind));
    assert_eq!(error.kind(), kind);
    // Reading an error twice gives the same time.
    [
        attempt.retry_after(),
        error.retry_after(),
        error.retry_after(),
    ]
}

/// Returns the layer's error for a 403 with these headers.
fn error(headers: &HeaderMap) -> StatusError {
    let inner = service_fn(|_| async {
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = StatusCode::FORBIDDEN;
        *response.headers_mut() = headers.clone();
        Ok::<_, Infallible>(response)
    });
    let request = Request::new(Full::<Bytes>::default());
    let future = pin!(RevioStatusLayer::new().layer(inner).oneshot(request));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(Error::Status(error))) => error,
        other => panic!("a 403 became {other:?}"),
    }
}

fn is_value(text: &[u8]) -> bool {
    value(text).is_some()
}

/// Returns `None` if `http` rejects the bytes: no response can contain them.
fn value(text: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text).ok()
}

fn unix_now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
}
