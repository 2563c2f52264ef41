//! Message extraction: whatever the bytes and whatever they are called, what comes out is one short
//! line that is safe to print, or nothing, and soon.

#![no_main]

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body_util::{Empty, Full};
use libfuzzer_sys::fuzz_target;
use revio_status::{Error, RevioStatusLayer, StatusError};
use tower::{Layer, ServiceExt, service_fn};

const LONGEST: usize = 512;
const LARGEST: usize = 64 * 1024;
/// 64 KiB take some milliseconds, instrumented; squared they would take seconds.
const PATIENCE: Duration = Duration::from_millis(100);

const TYPES: [&str; 10] = [
    "",
    "application/json",
    "text/plain",
    "text/html; charset=utf-8",
    "Application/Problem+JSON",
    "application/xhtml+xml",
    "text/xml",
    "application/pdf",
    "application/octet-stream",
    "; /json",
];

/// Words that chance finds late. Bytes that no UTF-8 has stand for them, where the input says so.
const WORDS: [&str; 13] = [
    "<title>",
    "</title>",
    "<p>",
    "<div id=error>",
    "<!--",
    "<Message>",
    "{\"message\":\"",
    "\"error\":",
    "\"Errors\":[",
    "{\"detail\":",
    "\"},{\"",
    "&#x202e;",
    "\u{2028}",
];

const ENCODINGS: [&str; 5] = ["gzip", "identity", "utf-8", "x, BR", ","];

fuzz_target!(|input: &[u8]| {
    let Some((&[kind, encoding, from, times], rest)) = input.split_first_chunk() else {
        return;
    };
    let (headers, body) = head(kind & 127, encoding, rest);
    let body = match kind < 128 {
        true => body.to_vec(),
        false => spell(body),
    };
    let body = repeat(&body, from.into(), times);
    let error = refused(&headers, &body);
    let message = soon(&headers, &body);
    assert_eq!(
        error.message(),
        message.as_deref(),
        "the same bytes say the same"
    );
    if let Some(message) = &message {
        is_safe(message, LONGEST);
        is_stable(message);
    }
    everything_else(error, &body);
    if let Ok(text) = std::str::from_utf8(&body) {
        any_wrapping(text);
    }
});

/// Types from the list, none, or any bytes: the first line of the input.
fn head(kind: u8, encoding: u8, rest: &[u8]) -> (HeaderMap, &[u8]) {
    let mut headers = HeaderMap::new();
    if let Some(name) = ENCODINGS.get(usize::from(encoding)) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    if let Some(name) = TYPES.get(usize::from(kind)) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(name));
        return (headers, rest);
    }
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (name, body) = rest.split_at(end);
    if let Ok(value) = HeaderValue::from_bytes(name) {
        headers.insert(CONTENT_TYPE, value);
    }
    (headers, body)
}

fn spell(body: &[u8]) -> Vec<u8> {
    let word = |byte: &u8| match byte {
        0xC0..=0xC1 => WORDS.get(usize::from(byte - 0xC0)),
        0xF5.. => WORDS.get(usize::from(byte - 0xF5) + 2),
        _ => None,
    };
    body.iter()
        .flat_map(|byte| match word(byte) {
            Some(word) => word.as_bytes().to_vec(),
            None => vec![*byte],
        })
        .collect()
}

/// From the given place on the body says the same over and over: what takes long takes longer.
fn repeat(body: &[u8], from: usize, times: u8) -> Bytes {
    let (head, unit) = body.split_at(from.min(body.len()));
    let times = match times {
        0..200 => 1,
        200.. => 1 << (times % 16),
    };
    let times = times.min(LARGEST / unit.len().max(1)).max(1);
    [head, &unit.repeat(times)].concat().into()
}

/// The message, and again should it take too long: others use this machine as well.
fn soon(headers: &HeaderMap, body: &Bytes) -> Option<String> {
    let mut took = Vec::new();
    for _ in 0..4 {
        let error = refused(headers, body);
        let start = Instant::now();
        let message = error.message().map(str::to_owned);
        took.push(start.elapsed());
        if took.last() < Some(&PATIENCE) {
            return message;
        }
    }
    panic!("{} bytes take {took:?}", body.len())
}

fn is_safe(line: &str, longest: usize) {
    assert!(!line.is_empty() && line.len() <= longest, "{line:?}");
    assert_eq!(line.trim(), line);
    if let Some(bad) = line.chars().find(|c| is_harmful(*c)) {
        panic!("{bad:?} in {line:?}");
    }
}

/// Ends a line, moves the cursor, turns the direction, or hides.
fn is_harmful(c: char) -> bool {
    c.is_control() // C0, DEL and C1
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' // line and paragraph separators
                | '\u{61C}' | '\u{200E}' | '\u{200F}' // marks of direction
                | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' // embeddings, overrides, isolates
                | '\u{206A}'..='\u{206F}' // deprecated controls of form
                | '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' // no width
                | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{2060}'..='\u{2065}' | '\u{3164}'
                | '\u{FE00}'..='\u{FE0E}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
                | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{2800}'
                | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}' // annotations, tags
        )
}

/// A safe line is what it is already.
fn is_stable(message: &str) {
    if !message.starts_with(['<', '{', '[']) {
        let again = said("text/plain", message);
        assert_eq!(again.as_deref(), Some(message));
    }
}

/// Text says the same as text as in JSON, by any name, however deep in it names are looked for.
fn any_wrapping(text: &str) {
    if text
        .trim_start_matches('\u{FEFF}')
        .trim_start()
        .starts_with(['<', '{', '['])
        || text.contains('\0')
        || text.len() > LARGEST / 8
    {
        return;
    }
    // `Tomcat/10.1 - Error report` says nothing, whatever word is before it.
    if text.to_ascii_lowercase().contains("report") {
        return;
    }
    let plain = said("text/plain", text);
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let xml = format!("<Error><Code>7</Code><m:Message>{escaped}</m:Message></Error>");
    assert_eq!(said("application/xml", &xml), plain, "{xml}");
    // A word that no status and no program has makes it more than a repetition.
    let words: Vec<_> = text.split_whitespace().collect();
    let squeezed = said("text/plain", &format!("customer {}", words.join(" ")));
    for page in [
        format!("<html><title>customer {escaped}</title><p>no</p></html>"),
        format!("<div id=error>customer {escaped}</div><title>no news</title>"),
    ] {
        assert_eq!(said("text/html", &page), squeezed, "{page}");
    }
    any_place(&escaped, &words.join(" "));
    // So does it before texts that stand beside it.
    let beside = format!("customer {text}");
    let beside_plain = said("text/plain", &beside);
    let beside = serde_json::Value::from(beside);
    for json in [
        format!(r#"{{"errors":[{{"detail":{beside}}},"other"]}}"#),
        format!(r#"{{"detail":[{{"loc":["body"],"msg":{beside}}},"other"]}}"#),
        format!(r#"{{"message":"Internal Server Error","title":{beside}}}"#),
    ] {
        assert_eq!(said("application/json", &json), beside_plain, "{json}");
    }
    let text = serde_json::Value::from(text);
    for json in [
        format!(r#"{{"message":{text}}}"#),
        format!(r#"{{"ok":false,"Message":{text}}}"#),
        format!(r#"[{{"error":{{"message":{text}}}}}]"#),
        format!(r#"{{"detail":[{{"loc":["body"],"msg":{text}}}]}}"#),
        format!(r#"{{"odata.error":{{"message":{{"value":{text}}}}}}}"#),
    ] {
        assert_eq!(said("application/json", &json), plain, "{json}");
    }
    let named = plain.map(|plain| format!("x: {plain}"));
    let named = named.and_then(|named| said("text/plain", &named));
    for json in [
        format!(r#"{{"Message":null,"ModelState":{{"x":[{text}]}}}}"#),
        format!(r#"{{"errors":{{"x":{text}}}}}"#),
        format!(r#"{{"x":[{text}]}}"#),
    ] {
        assert_eq!(said("application/json", &json), named, "{json}");
    }
}

/// A sentence says the same wherever it stands in a page, unless it announces another.
fn any_place(escaped: &str, text: &str) {
    if text.ends_with(':') {
        return;
    }
    let plain = said("text/plain", &format!("customer says {text}"));
    for page in [
        format!("<title>Error</title><p>customer says {escaped}<p>no news"),
        format!("<title>500</title><div>customer says {escaped}</div>no news"),
        format!("<h1>Error</h1>customer says {escaped}<br><br>no news"),
        format!("<html><li hidden>no news<li>500<li>customer says {escaped}<li>no news"),
        format!("<p>no news<table><th>MESSAGE:<td>customer says {escaped}</table>"),
        format!("<p><b>Message</b> customer says {escaped}<p>no news"),
    ] {
        assert_eq!(said("text/html", &page), plain, "{page}");
    }
}

fn said(kind: &'static str, body: &str) -> Option<String> {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(kind))]
        .into_iter()
        .collect();
    let error = refused(&headers, &Bytes::copy_from_slice(body.as_bytes()));
    error.message().map(str::to_owned)
}

/// What else is made of a body.
fn everything_else(error: StatusError, body: &Bytes) {
    // 512 bytes and a few words of ours.
    let line = error.to_string();
    is_safe(&line, LONGEST + 100);
    says_the_status_once(&line);
    let debug = format!("{error:?}");
    is_safe(&debug, 200);
    let value = error.json::<serde_json::Value>();
    if value.is_ok() {
        assert!(std::str::from_utf8(body).is_ok());
    }
    assert_eq!(error.body(), body);
    assert!(!error.is_body_truncated());
    assert_eq!(error.into_response().body(), body);
}

/// What is said after the status is what is said after it again.
fn says_the_status_once(line: &str) {
    const STATUS: &str = "500 Internal Server Error: ";
    let Some(rest) = line.strip_prefix(STATUS) else {
        return;
    };
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/plain"))];
    if !rest.starts_with(['<', '{', '[']) {
        let body = Bytes::copy_from_slice(rest.as_bytes());
        let again = refused(&headers.into_iter().collect(), &body);
        assert_eq!(again.to_string(), line);
    }
}

/// What the layer makes of a 500 with this body.
fn refused(headers: &HeaderMap, body: &Bytes) -> StatusError {
    let inner = service_fn(|_| async {
        let mut response = Response::new(Full::new(body.clone()));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        *response.headers_mut() = headers.clone();
        Ok::<_, Infallible>(response)
    });
    let layer = RevioStatusLayer::new().error_body_limit(usize::MAX);
    let future = pin!(
        layer
            .layer(inner)
            .oneshot(Request::new(Empty::<Bytes>::new()))
    );
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(Error::Status(error))) => error,
        other => panic!("a 500 became {other:?}"),
    }
}
