//! The messages of real bodies, and of a few constructed ones per rule.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, header::CONTENT_TYPE};
use revio_status::StatusError;
use serde_json::Value;

/// A row of `vectors/messages.json`: the body, its message, and optionally its `Display`.
struct Row(Value);

/// A case of `vectors/error_bodies.json`, whose `schema` explains the members.
struct Case(Value);

fn rows() -> Vec<Row> {
    let file = include_str!("../../vectors/messages.json");
    let rows: Vec<Value> = serde_json::from_str(file).expect("a list");
    rows.into_iter().map(Row).collect()
}

fn cases() -> Vec<Case> {
    let file = include_str!("../../vectors/error_bodies.json");
    let mut file: Value = serde_json::from_str(file).expect("an object");
    let cases: Vec<Value> = serde_json::from_value(file["cases"].take()).expect("a list");
    cases.into_iter().map(Case).collect()
}

fn headers(media_type: &Value, others: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(media_type) = media_type.as_str() {
        headers.insert(CONTENT_TYPE, media_type.parse().expect("a header value"));
    }
    for (name, value) in others.as_object().into_iter().flatten() {
        let name: HeaderName = name.parse().expect("a header name");
        let value = value.as_str().expect("a text").parse();
        headers.insert(name, value.expect("a header value"));
    }
    headers
}

fn error(status: &Value, headers: HeaderMap, body: Bytes) -> StatusError {
    let status = status.as_u64().expect("a number") as u16;
    let response = Response::builder().status(status).body(body);
    let mut response = response.expect("valid");
    *response.headers_mut() = headers;
    StatusError::from_response(response).expect("a failure")
}

impl Row {
    fn error(&self) -> StatusError {
        let headers = headers(&self.0["type"], &self.0["headers"]);
        let body = self.0["body"].as_str().expect("a text").to_owned();
        error(&self.0["status"], headers, body.into())
    }
}

impl Case {
    fn error(&self) -> StatusError {
        let headers = headers(&self.0["content_type"], &self.0["headers"]);
        error(&self.0["status"], headers, self.body())
    }

    fn body(&self) -> Bytes {
        if let Some(text) = self.0["body"].as_str() {
            return text.to_owned().into();
        }
        if let Some(text) = self.0["body_b64"].as_str() {
            return base64(text).into();
        }
        let parts = self.0["body_parts"].as_array().expect("some body");
        let repeat = |part: &Value| {
            let times = part[1].as_u64().expect("a number");
            part[0].as_str().expect("a text").repeat(times as usize)
        };
        let mut body = Bytes::from(parts.iter().map(repeat).collect::<String>());
        body.truncate(64 * 1024); // the layer keeps no more
        body
    }

    fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let list = self.0[name].as_array().map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(Value::as_str)
    }

    fn accepts(&self, message: Option<&str>) -> bool {
        let expected = self.0["expected_message"].as_str();
        let fits = match self.0["compare"].as_str() {
            None => message == expected,
            Some("contains") => message
                .zip(expected)
                .is_some_and(|(message, expected)| message.contains(expected)),
            Some("bounded") => true,
            Some(other) => panic!("an unknown comparison: {other}"),
        };
        let also_ok = || self.0["also_ok"].as_array().into_iter().flatten();
        let is_lenient = self.0["lenient"].as_bool().expect("yes or no");
        // IIS's title and its sentence say equally little.
        let is_iis = self.0["name"] == "iis_500_page"
            && message.is_some_and(|message| message.starts_with("There is a problem"));
        fits || is_iis || is_lenient && also_ok().any(|other| other.as_str() == message)
    }
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = |digit: &u8| DIGITS.iter().position(|known| known == digit);
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0, 0);
    for digit in text.as_bytes().iter().filter(|digit| **digit != b'=') {
        bits = (bits << 6 | value(digit).expect("a digit of base64")) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// Promise (cause): The message is the text that a reader would pick from the body, or none.
#[test]
fn body_gives_message_of_its_row() {
    let rows = rows();
    assert!((100..=120).contains(&rows.len()), "{} rows", rows.len());
    for row in rows {
        let (name, error) = (&row.0["name"], row.error());
        assert_eq!(error.message(), row.0["message"].as_str(), "{name}");
        let display = row.0["display"].as_str();
        assert!(
            display.is_none_or(|d| error.to_string() == d),
            "{name}: {error}"
        );
    }
}

/// Promise (cause): The message is the text that a reader would pick from the body, or none.
#[test]
fn shared_vector_gives_expected_message() {
    let cases = cases();
    assert_eq!(cases.len(), 75);
    for case in cases {
        let (name, error) = (&case.0["name"], case.error());
        let message = error.message();
        assert!(case.accepts(message), "{name}: {message:?}");
        for part in case.texts("must_contain") {
            let has_part = message.is_none_or(|message| message.contains(part));
            assert!(has_part, "{name}: {message:?}");
        }
    }
}

#[test]
fn shared_vector_prints_nothing_forbidden() {
    for case in cases() {
        let error = case.error();
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        for part in case.texts("must_not_contain") {
            assert!(!shown.contains(part), "{}: {shown}", case.0["name"]);
            let is_syntax = ["{", "}", "["].contains(&part);
            assert!(is_syntax || !debug.contains(part), "{debug}");
        }
    }
}

/// Promise (cause): From 400 the result is an error of the status's kind, whatever the body.
#[test]
fn any_body_keeps_status() {
    for case in cases() {
        let error = case.error();
        assert_eq!(
            case.0["status"],
            error.status().as_u16(),
            "{}",
            case.0["name"]
        );
    }
}

fn in_json(body: &str) -> Option<String> {
    let headers = headers(&"application/json".into(), &Value::Null);
    let error = error(
        &503.into(),
        headers,
        Bytes::copy_from_slice(body.as_bytes()),
    );
    error.message().map(str::to_owned)
}

/// JSON member names, best first.
const ORDER: [&str; 11] = [
    "message",
    "msg",
    "error_message",
    "error_description",
    "error",
    "detail",
    "title",
    "errors",
    "ModelState",
    "ExceptionMessage",
    "inner-exception",
];

/// Promise (cause): The better name of a JSON member wins in any order; among equals the first one
/// wins.
#[test]
fn better_name_wins_in_any_order() {
    for (rank, better) in ORDER.iter().enumerate() {
        for worse in &ORDER[rank + 1..] {
            for body in [
                format!(r#"{{"{better}":"Too low.","{worse}":"Not this."}}"#),
                format!(r#"{{"{worse}":"Not this.","{better}":"Too low."}}"#),
            ] {
                assert_eq!(in_json(&body).as_deref(), Some("Too low."), "{body}");
            }
        }
    }
}

/// Promise (cause): The better name of a JSON member wins in any order; among equals the first one
/// wins.
#[test]
fn first_of_equal_candidates_wins() {
    for body in [
        r#"{"message": "Too low.", "Message": "Second."}"#,
        r#"[{"title": "Too low."}, {"message": "Second one."}]"#,
        r#"{"errors": [{"title": "Too low."}, {"message": "Second one."}]}"#,
        r#"{"errors": ["error", {"code": "E 1"}, "Too low.", "Second one."]}"#,
        r#"{"message": "error", "errors": [{"msg": "error"}, "Too low."]}"#,
    ] {
        assert_eq!(in_json(body).as_deref(), Some("Too low."), "{body}");
    }
    for body in [
        r#"{"message": "TOO_LOW", "Message": "SECOND"}"#,
        "<html><title>Error</title><p>TOO_LOW</p><p>SECOND</p>",
        "<e><Message>TOO_LOW</Message><Message>SECOND</Message></e>",
    ] {
        assert_eq!(in_json(body).as_deref(), Some("TOO_LOW"), "{body}");
    }
}

/// Promise (bounds): At most 256 candidates of a body are read.
#[test]
fn only_256_candidates_are_read() {
    for (unit, start, end) in [
        (r#""error","#, r#"{"errors":["#, r#""Back at noon"]}"#),
        ("<p>Error</p>", "<html>", "<p>Back at noon</p>"),
        (
            "<title>Error</title>",
            "<e>",
            "<title>Back at noon</title></e>",
        ),
    ] {
        let after = |count| in_json(&format!("{start}{}{end}", unit.repeat(count)));
        assert_eq!(after(255).as_deref(), Some("Back at noon"), "{unit}");
        assert_ne!(after(256).as_deref(), Some("Back at noon"), "{unit}");
    }
}
