//! Messages: whatever the bytes and their type, the message is one short line that is safe to print,
//! or none, and it is found soon.

#![no_main]

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use libfuzzer_sys::fuzz_target;
use revio_status::StatusError;

const LONGEST: usize = 512;
const LARGEST: usize = 64 * 1024;
/// 64 KiB take some milliseconds, instrumented; quadratic work would take seconds.
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

/// Words that chance finds late. Bytes that no UTF-8 has stand for them, if the input says so.
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
    let error = failure(&headers, &body);
    let message = soon(&headers, &body);
    assert_eq!(
        error.message(),
        message.as_deref(),
        "equal bodies have equal messages"
    );
    if let Some(message) = &message {
        assert_safe(message, LONGEST);
        assert_stable(message);
    }
    assert_rest(error, &body);
    if let Ok(text) = std::str::from_utf8(&body) {
        assert_found_anywhere(text);
        assert_data_hidden(text);
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

/// Repeats the body from the given place on, so that slow work shows.
fn repeat(body: &[u8], from: usize, times: u8) -> Bytes {
    let (head, unit) = body.split_at(from.min(body.len()));
    let times = match times {
        0..200 => 1,
        200.. => 1 << (times % 16),
    };
    let times = times.min(LARGEST / unit.len().max(1)).max(1);
    [head, &unit.repeat(times)].concat().into()
}

/// Reads the message, and again if that takes too long: other programs use this machine too.
fn soon(headers: &HeaderMap, body: &Bytes) -> Option<String> {
    let mut took = Vec::new();
    for _ in 0..4 {
        let error = failure(headers, body);
        let start = Instant::now();
        let message = error.message().map(str::to_owned);
        took.push(start.elapsed());
        if took.last() < Some(&PATIENCE) {
            return message;
        }
    }
    panic!("{} bytes take {took:?}", body.len())
}

fn assert_safe(line: &str, longest: usize) {
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

/// A safe line stays as it is.
fn assert_stable(message: &str) {
    if !message.starts_with(['<', '{', '[']) {
        let again = message_of("text/plain", message);
        assert_eq!(again.as_deref(), Some(message));
    }
}

/// A text has the same message as plain text, in JSON, in XML and in a page.
fn assert_found_anywhere(text: &str) {
    let start = text.trim_start_matches('\u{FEFF}').trim_start();
    let is_large = text.len() > LARGEST / 8;
    if start.starts_with(['<', '{', '[']) || text.contains('\0') || is_large {
        return;
    }
    // This word is neither the status nor common: the text says something, and is no code.
    let plain = message_of("text/plain", &format!("customer says {text}"));
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let inner = format!("customer says {escaped}");
    for (media_type, body) in [
        (
            "application/xml",
            format!("<Error><Code>7</Code><m:Message>{inner}</m:Message></Error>"),
        ),
        (
            "text/html",
            format!("<html><title>{inner}</title><p>Another sentence.</p>"),
        ),
        (
            "text/html",
            format!("<title>500</title><div id=error>{inner}</div><p>Another sentence."),
        ),
        (
            "text/html",
            format!("<title>Error</title><p>{inner}</p><p>Another sentence.</p>"),
        ),
        (
            "text/html",
            format!("<title>Error</title><p hidden>Another sentence.</p><h2>{inner}</h2>"),
        ),
        (
            "text/html",
            format!("<h1>Error</h1>{inner}<hr>Another sentence."),
        ),
    ] {
        assert_eq!(message_of(media_type, &body), plain, "{body}");
    }
    let inner = serde_json::Value::from(format!("customer says {text}"));
    for body in [
        format!(r#"{{"message":{inner}}}"#),
        format!(r#"{{"ok":false,"Message":{inner}}}"#),
        format!(r#"[{{"error":{{"message":{inner}}}}}]"#),
        format!(r#"{{"detail":[{{"loc":["body"],"msg":{inner}}},"Another sentence."]}}"#),
        format!(r#"{{"odata.error":{{"message":{{"value":{inner}}}}}}}"#),
        format!(r#"{{"message":"Internal Server Error","title":{inner}}}"#),
        format!(r#"{{"errors":[{{"detail":{inner}}},"Another sentence."]}}"#),
    ] {
        assert_eq!(message_of("application/json", &body), plain, "{body}");
    }
    let labelled = message_of("text/plain", &format!("x: customer says {text}"));
    for body in [
        format!(r#"{{"Message":null,"ModelState":{{"x":[{inner}]}}}}"#),
        format!(r#"{{"errors":{{"x":{inner}}}}}"#),
    ] {
        assert_eq!(message_of("application/json", &body), labelled, "{body}");
    }
}

/// Requested data is not shown, whatever it is.
fn assert_data_hidden(text: &str) {
    let inner = serde_json::Value::from(text);
    for body in [
        format!(r#"{{"data":{{"message":{inner}}}}}"#),
        format!(r#"{{"description":{inner},"reason":[{inner}],"value":{inner}}}"#),
        format!(r#"[{inner},{{"name":{inner}}}]"#),
        format!(r#"{{"errors":[{{"value":{inner}}}]}}"#),
    ] {
        assert_eq!(message_of("application/json", &body), None, "{body}");
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let body = format!("<string>{escaped}</string>");
    assert_eq!(message_of("application/xml", &body), None, "{body}");
}

fn message_of(media_type: &'static str, body: &str) -> Option<String> {
    let media_type = HeaderValue::from_static(media_type);
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, media_type)]);
    let error = failure(&headers, &Bytes::copy_from_slice(body.as_bytes()));
    error.message().map(str::to_owned)
}

/// Whatever else is made of a body.
fn assert_rest(error: StatusError, body: &Bytes) {
    // 512 bytes and the status.
    let line = error.to_string();
    assert_safe(&line, LONGEST + 100);
    assert_status_once(&line);
    assert_safe(&format!("{error:?}"), 200);
    if error.json::<serde_json::Value>().is_ok() {
        assert!(std::str::from_utf8(body).is_ok());
    }
    assert_eq!(error.body(), body);
    assert!(!error.is_body_truncated());
    assert_eq!(error.into_response().body(), body);
}

/// The text that is shown after the status is shown as it is if it is a message.
fn assert_status_once(line: &str) {
    let Some(rest) = line.strip_prefix("500 Internal Server Error: ") else {
        return;
    };
    if !rest.starts_with(['<', '{', '[']) {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/plain"))];
        let body = Bytes::copy_from_slice(rest.as_bytes());
        let again = failure(&HeaderMap::from_iter(headers), &body);
        assert_eq!(again.to_string(), line);
    }
}

/// A 500 with this body.
fn failure(headers: &HeaderMap, body: &Bytes) -> StatusError {
    let mut response = Response::new(body.clone());
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    *response.headers_mut() = headers.clone();
    StatusError::from_response(response).expect("a failure")
}
