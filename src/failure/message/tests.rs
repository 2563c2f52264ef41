//! The reader's work, counted without a clock.

use std::cell::Cell;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, SERVER};
use http::status::StatusCode;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Work {
    /// Bytes that a parser was given.
    parsed: usize,
    /// Texts that were looked at, and their bytes.
    texts: usize,
    bytes: usize,
}

thread_local! {
    static WORK: Cell<Work> = Cell::default();
}

pub(super) fn parse(text: &str) {
    let mut work = WORK.get();
    work.parsed += text.len();
    WORK.set(work);
}

pub(super) fn look(text: &str) {
    let mut work = WORK.get();
    work.texts += 1;
    work.bytes += text.len();
    WORK.set(work);
}

fn work(media_type: &'static str, body: &str) -> Work {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Every word of the texts is compared with the words of this header.
    let servers = HeaderValue::from_str(&"zz ".repeat(40)).expect("valid");
    headers.insert(SERVER, servers);
    WORK.take();
    super::message(StatusCode::SERVICE_UNAVAILABLE, &headers, body.as_bytes());
    WORK.take()
}

const HTML: &str = "text/html";
const JSON: &str = "application/json";
const XML: &str = "application/xml";

/// Media types, and the start and the repeated part of bodies of that type.
const BODIES: [(&str, &str, &str); 22] = [
    (JSON, "", r#"{"errors":"#),
    (JSON, "", r#"{"errors":[{"errors":["#),
    (JSON, r#"{"errors":["#, r#"{"errors":["error"]},"#),
    (JSON, r#"{"errors":{"#, r#""field":"error","#),
    (JSON, r#"{"errors":{"#, r#""field":["error","error"],"#),
    (JSON, "", "["),
    (JSON, r#"{"message":"#, "["),
    (JSON, r#"{"message":["#, r#""zz zz zz zz","#),
    (JSON, "{", r#""message":"{\"message\":\"error\"}","#),
    (JSON, r#"{"message":""#, r#"{\"message\":\""#),
    (JSON, r#"{"message":""#, "zz "),
    (HTML, "", "<p>"),
    (HTML, "", "<p>x</p>"),
    (HTML, "", "<p>x<p>"),
    (HTML, "<title>", "zz "),
    (HTML, "<p ", "a=b "),
    (HTML, "<p>", "&amp;"),
    (HTML, "<p>", "zz"),
    (HTML, "<h1></h1>", " <br>"),
    (XML, "", "<Message>"),
    (XML, "", "<Message>error</Message>"),
    (XML, "<Message>", "&#101;"),
];

#[test]
fn work_grows_with_body_at_most() {
    for (media_type, start, unit) in BODIES {
        let of = |size: usize| {
            work(
                media_type,
                &(start.to_owned() + &unit.repeat(size / unit.len())),
            )
        };
        let (small, large) = (of(1024), of(64 * 1024));
        println!("{unit:24} {small:?} {large:?}");
        for (small, large) in [
            (small.parsed, large.parsed),
            (small.texts, large.texts),
            (small.bytes, large.bytes),
        ] {
            assert!(large <= 66 * small + 64, "{start}{unit}: {small} {large}");
        }
    }
}

#[test]
fn body_is_parsed_once_and_texts_are_few() {
    for (media_type, start, unit) in BODIES {
        let body = start.to_owned() + &unit.repeat(64 * 1024 / unit.len());
        let work = work(media_type, &body);
        assert!(work.parsed <= body.len(), "{start}{unit}: {work:?}");
        assert!(work.texts <= 256, "{start}{unit}: {work:?}");
        assert!(work.bytes <= body.len(), "{start}{unit}: {work:?}");
    }
}

#[test]
fn reading_stops_at_a_telling_title() {
    let rest = "<p>Another sentence.</p>".repeat(1000);
    let page = format!("<title>Back at noon</title>{rest}");
    assert_eq!(work(HTML, &page).texts, 1);
    #[cfg(feature = "json")]
    let document = format!("{{\"message\":\"Back at noon\",\"errors\":[\"{rest}\"]}}");
    #[cfg(feature = "json")]
    assert_eq!(work(JSON, &document).texts, 1);
}
