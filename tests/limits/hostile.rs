//! Hostile servers: their responses take bounded memory, and printed text is safe for terminals.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use crate::allocations::Allocations;
use crate::support::{Refused, body::*, events::Events, get, hasty, layer};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use revio_status::{RevioStatusLayer, StatusError, StatusKind};
use tower::{Layer, ServiceExt};

const KIB: usize = 1024;

/// A body of `left` bytes, in chunks of one size.
#[derive(Clone)]
struct Flood {
    chunk: Bytes,
    left: u64,
}

impl Body for Flood {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left = self.left.saturating_sub(self.chunk.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(self.chunk.clone()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn flood(chunk: usize, left: u64) -> Flood {
    let chunk = Bytes::from(vec![b'x'; chunk]);
    Flood { chunk, left }
}

/// Sends a request to a server that always returns this 503. Returns the error and the allocated bytes.
async fn error_and_allocations(
    layer: RevioStatusLayer,
    headers: HeaderMap,
    body: Flood,
) -> (StatusError, usize) {
    let headers = Arc::new(headers); // else a clone of the service would copy them
    let response = move |_| {
        let mut response = Response::new(body.clone());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        *response.headers_mut() = (*headers).clone();
        async { Ok::<_, Infallible>(response) }
    };
    let service = layer.layer(tower::service_fn(response));
    let start = Allocations::so_far().bytes;
    let error = service.oneshot(get()).await.refused();
    (error, Allocations::so_far().bytes - start)
}

/// Promise (bounds): Memory and time are bounded, whatever the server sends.
#[tokio::test(start_paused = true)]
async fn gibibyte_body_keeps_only_the_limit() {
    let (error, bytes) =
        error_and_allocations(hasty(), HeaderMap::new(), flood(16 * KIB, 1 << 30)).await;
    assert_eq!((error.attempts(), error.body().len()), (3, 64 * KIB));
    assert!(error.is_body_truncated());
    println!("{bytes} bytes allocated in three attempts");
    assert!(bytes < 3 * 256 * KIB, "{bytes}");
}

/// Promise (bounds): Memory and time are bounded, whatever the server sends.
#[tokio::test(start_paused = true)]
async fn endless_single_bytes_end_at_limit() {
    let (error, bytes) = error_and_allocations(hasty(), HeaderMap::new(), flood(1, u64::MAX)).await;
    assert_eq!((error.attempts(), error.body().len()), (3, 64 * KIB));
    println!("{bytes} bytes allocated in three attempts");
    assert!(bytes < 3 * 256 * KIB, "{bytes}");
}

/// A body with 1,023 empty frames before each byte, which is more than the reader accepts.
#[derive(Clone, Default)]
struct EmptyFrames {
    frames: usize,
}

impl Body for EmptyFrames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.frames += 1;
        assert!(self.frames < 2 * KIB, "{} frames read", self.frames);
        let is_full = self.frames % KIB == 0;
        let data = if is_full { "x" } else { "" };
        Poll::Ready(Some(Ok(Frame::data(data.into()))))
    }
}

/// Promise (bounds): Memory and time are bounded, whatever the server sends.
#[tokio::test(start_paused = true)]
async fn empty_frames_do_not_prolong_reading() {
    let response = tower::service_fn(|_| async {
        let response = Response::builder().status(404).body(EmptyFrames::default());
        Ok::<_, Infallible>(response.expect("valid"))
    });
    let error = hasty().layer(response).oneshot(get()).await.refused();
    assert_eq!(error.body(), "x");
    assert!(error.is_body_truncated());
}

/// Promise (bounds): Memory and time are bounded, whatever the server sends.
#[tokio::test(start_paused = true)]
async fn empty_frames_between_bytes_truncate() {
    let mut steps = vec![data(""); 1_000];
    steps.push(data("x"));
    let endless = tower::service_fn(move |_| {
        let mut response = Response::new(Steps::forever(steps.clone()));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        async { Ok::<_, Infallible>(response) }
    });
    let error = hasty().layer(endless).oneshot(get()).await.refused();
    assert_eq!(
        (&error.body()[..], error.is_body_truncated()),
        (&b"x"[..], true)
    );
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_headers_are_kept_once() {
    let mut headers = HeaderMap::new();
    for number in 0..10_000 {
        let name = http::HeaderName::try_from(format!("x-{number}")).expect("valid");
        headers.append(name, HeaderValue::from_static("value"));
    }
    let own = {
        let start = Allocations::so_far().bytes;
        drop(headers.clone());
        Allocations::so_far().bytes - start
    } + 10_000 * "value".len();
    let (error, bytes) = error_and_allocations(hasty(), headers, flood(1, 0)).await;
    assert_eq!(error.headers().len(), 10_000);
    println!("{bytes} bytes allocated in three attempts, {own} by each response");
    assert!(bytes < 3 * own + 64 * KIB, "{bytes}");
}

/// Promise (bounds): Memory and time are bounded, whatever the server sends.
#[tokio::test(start_paused = true)]
async fn thousand_retry_afters_give_one_wait() {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::DATE,
        HeaderValue::from_static("Fri, 31 Dec 9999 23:59:59 GMT"),
    );
    for seconds in 0..1_000 {
        headers.append(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let date = HeaderValue::from_static("Sat, 01 Jan 2000 00:00:00 GMT");
    headers.append(header::RETRY_AFTER, date);
    let (error, _) = error_and_allocations(layer(), headers, flood(1, 0)).await;
    assert_eq!(error.attempts(), 1);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(999)));
}

/// Promise (bounds): No number from the wire overflows.
#[tokio::test(start_paused = true)]
async fn extreme_dates_do_not_overflow() {
    for date in [
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Friday, 31-Dec-99 23:59:59 GMT",
    ] {
        for retry_after in [date, "18446744073709551615", "99999999999999999999999999"] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::DATE, date), (header::RETRY_AFTER, retry_after)] {
                headers.insert(name, HeaderValue::from_static(value));
            }
            // Long waits are accepted, and the time limit is about a century.
            let policy = revio_status::StandardPolicy::default().max_retry_after(Duration::MAX);
            let layer = layer()
                .policy(policy)
                .time_limit(Duration::from_secs(3_000_000_000));
            let (error, _) = error_and_allocations(layer, headers, flood(1, 0)).await;
            assert_eq!(error.kind(), StatusKind::ServiceUnavailable);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn endless_retry_after_can_be_accepted() {
    let policy = revio_status::StandardPolicy::default().max_retry_after(Duration::MAX);
    let mut headers = HeaderMap::new();
    let ages = HeaderValue::from_static("99999999999999999999999999");
    headers.insert(header::RETRY_AFTER, ages);
    let request = error_and_allocations(layer().policy(policy), headers, flood(1, 0));
    let decades = Duration::from_secs(800_000_000);
    assert!(tokio::time::timeout(decades, request).await.is_err());
}

/// Promise (bounds): Memory and time are bounded, whatever the server sends.
#[tokio::test(start_paused = true)]
async fn deep_json_does_not_overflow_stack() {
    for opening in ["[", r#"{"error":"#] {
        let body = Flood {
            chunk: Bytes::from(opening.repeat(64 * KIB / opening.len())),
            left: 1,
        };
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let (error, _) = error_and_allocations(hasty(), headers, body).await;
        assert_eq!(error.message(), None);
        #[cfg(feature = "json")]
        assert!(error.json::<serde_json::Value>().is_err());
    }
}

/// Promise (bounds): Memory and time are bounded, whatever the server sends.
#[test]
fn message_of_one_mebibyte_costs_little_memory() {
    const SIZE: usize = 1024 * KIB;
    for (media_type, start, unit) in [
        ("text/html", "<p>", "x"),
        ("text/html", "", "<p>x</p>"),
        ("text/html", "<div hidden>", "<div>"),
        ("text/html", "<p ", "a=b "),
        ("text/html", "<!--", "x"),
        ("application/xml", "<Message>", "&amp;"),
        ("application/json", "", "["),
        ("application/json", "{\"errors\":{", "\"name\":\"error\","),
        ("application/json", "{\"message\":\"", "\\u0065"),
        ("text/plain", "", "\u{200B}"),
    ] {
        let body = start.to_owned() + &unit.repeat(SIZE / unit.len());
        let response = Response::builder()
            .status(503)
            .header(header::CONTENT_TYPE, media_type)
            .body(Bytes::from(body))
            .expect("valid");
        let error = StatusError::from_response(response).expect("a failure");
        let before = Allocations::so_far().bytes;
        let length = error.message().map_or(0, str::len);
        let bytes = Allocations::so_far().bytes - before;
        println!("{bytes} bytes allocated for {unit:?}");
        assert!(length <= 512 && bytes <= 4 * SIZE, "{unit:?}: {bytes}");
    }
}

/// Line breaks, terminal escapes, C1 controls, bidirectional overrides, line separators.
const POISON: &str = "paid\r\n2026 ERROR forged\x1b[2J\x1b]0;t\x07\u{9b}31m\u{202e}gpj\u{2066}\u{2028}\u{2029}\u{200f}\0\x7f";

/// Promise (bounds): No printed text moves the cursor.
#[tokio::test(start_paused = true)]
async fn printed_text_has_no_control_characters() {
    let bodies = [
        ("text/plain", POISON.to_owned()),
        ("text/html", format!("<title>{POISON}</title>")),
        (
            "text/html",
            "<title>a&#x1b;[2J&#8238;b&NewLine;c&#10;d</title>".into(),
        ),
        (
            "application/json",
            r#"{"message": "a\u001b[2J\r\n\u202e\u009b31m\u2028b"}"#.into(),
        ),
    ];
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    for (kind, body) in bodies {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        // A header value may have any byte except line breaks.
        let poison = HeaderValue::from_bytes("1\u{9b}31m\u{202e}".as_bytes()).expect("opaque");
        headers.insert(header::RETRY_AFTER, poison);
        let body = Flood {
            chunk: body.into(),
            left: 1,
        };
        let (error, _) = error_and_allocations(hasty(), headers, body).await;
        assert_is_safe(&error.to_string());
        assert_is_safe(&format!("{error:?}"));
        assert_is_safe(&format!("{error:#?}").replace('\n', ""));
    }
    let events = events.ours();
    assert_eq!(events.len(), 4 * 3, "two retries of each and a warning");
    let fields = events.iter().flat_map(|event| &event.fields);
    for (name, text) in fields {
        assert_is_safe(name);
        assert_is_safe(text);
    }
}

#[track_caller]
fn assert_is_safe(text: &str) {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(is_unsafe), "{text:?}");
}
