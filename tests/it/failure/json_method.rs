//! `StatusError::json`: the body as JSON, whatever its content type.

use bytes::Bytes;
use http::Response;
use revio_status::StatusError;

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Failure {
    ok: bool,
    error: String,
}

const BODY: &str = r#" {"ok":false,"error":"No such bill profile.","id":7} "#;

fn error(media_type: &str, body: impl Into<Bytes>) -> StatusError {
    let response = Response::builder()
        .status(500)
        .header("content-type", media_type)
        .body(body.into());
    StatusError::from_response(response.expect("valid")).expect("a failure")
}

fn failure() -> Failure {
    Failure {
        ok: false,
        error: "No such bill profile.".to_owned(),
    }
}

#[test]
fn json_ignores_the_content_type() {
    for media_type in ["application/json", "text/plain", "application/pdf"] {
        let failure: Failure = error(media_type, BODY).json().expect("it fits");
        assert_eq!(failure, self::failure());
    }
}

#[test]
fn json_skips_a_byte_order_mark() {
    let error = error("application/json", format!("\u{FEFF}{BODY}"));
    assert_eq!(error.json::<Failure>().expect("it fits"), failure());
    assert_eq!(error.message(), Some("No such bill profile."));
}

#[test]
fn json_of_another_body_is_an_error() {
    let twice = format!("{BODY} {BODY}");
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "{\"ok\":false",
        "<html>",
        "{\"ok\":0,\"error\":\"\"}",
        &twice,
    ] {
        let error = error("application/json", body.to_owned());
        assert!(error.json::<Failure>().is_err(), "{body}");
    }
}
