//! The status is printed once, however a server puts it around what it has to say. Texts in brackets
//! need the feature `json`: without a parser they are taken for documents.

use bytes::Bytes;
use http::{Response, StatusCode};
use proptest::prelude::*;
use revio_status::StatusError;

fn of_type(media_type: &str, status: u16, body: &str) -> StatusError {
    let response = Response::builder()
        .status(status)
        .header("content-type", media_type)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .expect("valid");
    StatusError::from_response(response).expect("a failure")
}

/// What is printed after the status line.
fn shown(status: u16, text: &str) -> String {
    let alone = of_type("text/plain", status, "").to_string();
    let line = of_type("text/plain", status, text).to_string();
    let rest = line.strip_prefix(&alone).expect("the status first");
    rest.strip_prefix(": ").unwrap_or(rest).to_owned()
}

#[test]
fn the_status_is_taken_off_as_often_as_it_is_said() {
    for (status, text, rest) in [
        (
            413,
            "413 Content Too Large: Request Entity Too Large: 5 MB",
            "5 MB",
        ),
        (413, "Payload Too Large - 413 - 5 MB", "5 MB"),
        (414, "URI Too Long: Request-URI Too Large: 9 KB", "9 KB"),
        (
            416,
            "Range Not Satisfiable, Requested Range Not Satisfiable, at 7 GB",
            "at 7 GB",
        ),
        (
            422,
            "Unprocessable Entity: Unprocessable Content: no rate",
            "no rate",
        ),
        (
            408,
            "Request Timeout: Request Time-out: the body stalled",
            "the body stalled",
        ),
        (504, "Gateway Time-out (Gateway Timeout) ledger", "ledger"),
        (
            503,
            "503 Service Unavailable: Error: Back at noon",
            "Back at noon",
        ),
        (
            503,
            "Error 503: 503 Service Unavailable: Back at noon",
            "Back at noon",
        ),
        (503, "Error: HTTP Error: Back at noon", "Back at noon"),
        (
            503,
            "Error\n503 Service Unavailable\nBack at noon",
            "Back at noon",
        ),
        (503, "Service Unavailable\n\nBack at noon", "Back at noon"),
        (
            503,
            "HTTP/1.1 503 Service Unavailable\nService Unavailable: Back at noon",
            "Back at noon",
        ),
        (503, "[503] Back at noon", "Back at noon"),
        (503, "#503 Back at noon", "Back at noon"),
        (503, "503/Back at noon", "Back at noon"),
        (
            503,
            "503 | Service Unavailable | Back at noon",
            "Back at noon",
        ),
        (503, "503! Back at noon", "Back at noon"),
        (
            503,
            "503 — Service Unavailable — Back at noon.",
            "Back at noon.",
        ),
        (
            503,
            "Back at noon - 503 Service Unavailable",
            "Back at noon",
        ),
        (503, "Back at noon (503)", "Back at noon"),
        (
            503,
            "503 Service Unavailable (Back at noon)",
            "Back at noon",
        ),
        (503, "503 [ledger] Back at noon", "[ledger] Back at noon"),
        (404, "Customer - Not Found", "Customer"),
        (
            503,
            "Back at noon [Service Unavailable] [503]",
            "Back at noon",
        ),
        (
            503,
            "Back at noon: Service Temporarily Unavailable",
            "Back at noon",
        ),
        (
            503,
            "503: Back at noon | 503: Service Unavailable",
            "Back at noon",
        ),
        (503, "Maintenance - 503 Service Unavailable", "Maintenance"),
        (
            500,
            "NullReferenceException - 500 Internal Server Error",
            "NullReferenceException",
        ),
        (404, "Not Found: invoice 404", "invoice 404"),
        (404, "Invoice 17 - 404 Not Found", "Invoice 17"),
        (407, "407 Proxy Authorization Required: ledger", "ledger"),
        (
            500,
            "Error 500 java.lang.IllegalStateException: ledger",
            "java.lang.IllegalStateException: ledger",
        ),
        (503, "503 upstream_reset", "upstream_reset"),
        (503, "503 upstream/ledger", "upstream/ledger"),
        (503, "503 ledger$shut", "ledger$shut"),
        (503, "Back at noon (status=503)", "Back at noon"),
        (503, "Back at noon | code=503", "Back at noon"),
        (503, "status=503: Back at noon", "Back at noon"),
        (503, "\"Service Unavailable\": Back at noon", "Back at noon"),
        (
            404,
            "HTTP Error 404.0 - Not Found: no such ledger",
            "no such ledger",
        ),
    ] {
        assert_eq!(shown(status, text), rest, "{text}");
    }
}

#[test]
fn a_site_s_host_and_the_status_say_nothing() {
    for (status, text) in [
        (502, "example.com | 502: Bad gateway"),
        (502, "502: Bad gateway | ledger.example.com"),
        (404, "Error 404 (Not Found)!!1"),
        (503, "503 Service Unavailable: 17"),
        (503, "503 - #"),
        (503, "--- 503 ---"),
        (404, "HTTP Error 404.0 - Not Found"),
        (413, "413 Content Too Large: Request Entity Too Large"),
        (407, "Proxy Authorization Required"),
    ] {
        assert_eq!(shown(status, text), "", "{text}");
        let page = format!("<title>{text}</title><p>Back at noon.</p>");
        let error = of_type("text/html", status, &page);
        assert_eq!(error.message(), Some("Back at noon."), "{text}");
    }
}

/// Nobody can tell a site's name from a cause by its capitals. Where a sentence stands beside it, that
/// speaks; alone it is printed.
#[test]
fn what_may_be_a_site_s_name_hides_no_cause() {
    for (status, text, rest) in [
        (503, "Acme - 503 Service Unavailable", "Acme"),
        (503, "Database Locked - 503", "Database Locked"),
        (
            503,
            "Service Unavailable | Database Locked",
            "Database Locked",
        ),
        (403, "Forbidden | Account Suspended", "Account Suspended"),
        (403, "Quota Exceeded · 403", "Quota Exceeded"),
    ] {
        assert_eq!(shown(status, text), rest, "{text}");
        let page = format!("<title>{text}</title><p>Back at noon.</p>");
        let error = of_type("text/html", status, &page);
        assert_eq!(error.message(), Some("Back at noon."), "{text}");
    }
}

#[test]
fn a_text_that_says_more_in_one_piece_stays_as_it_is() {
    for (status, text) in [
        (503, "Error 503 happened while charging"),
        (503, "503 back ends are down"),
        (503, "503 sleepers."),
        (404, "404 customers have no bill profile"),
        (404, "Not found in this account"),
        (404, "invoice 404"),
        (404, "Valid numbers: 401, 403, 404"),
        (404, "404-17 is no invoice"),
        (404, "404.13 - the query is too long"),
        (404, "/v1/invoices/404 is gone"),
        (404, "invoices/404"),
        (503, "Service Unavailable-ish"),
        (
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: overflow",
        ),
        (500, "Status: closed"),
        (429, "error code: 1015"),
        (429, "Error 1015"),
        (500, "error: 0x80070005"),
        (504, "Timeouts: 3"),
        (503, "no available server"),
        (503, "[crit] disk full"),
        (500, "{'error': 'ledger 7'}"),
        (503, r#"x {"a" - 503}"#),
        (503, "(see ledger 7)"),
    ] {
        let kept = match text {
            "error: 0x80070005" => "0x80070005",
            text => text,
        };
        assert_eq!(shown(status, text), kept);
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "503",
        "404",
        "Error",
        "HTTP Error",
        "HTTP/1.1",
        "Service Unavailable",
        "Not Found",
        "status",
        "Back",
        "at noon",
        "Acme",
        "example.com",
        "17",
        "5.0",
        "the",
        "Time-out",
        "ü",
    ]);
    let mark = prop::sample::select(vec![
        " ", ": ", " - ", " | ", "[", "] ", "(", ") ", "#", "/", ", ", ".", ". ", "! ", " – ",
        " — ", "\n", "-", ":", "",
    ]);
    let pair = (piece, mark).prop_map(|(piece, mark)| format!("{piece}{mark}"));
    prop::collection::vec(pair, 0..9).prop_map(|pairs| pairs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_is_a_part_of_the_text_and_is_left_as_it_is(
        text in pieces(),
        status in prop::sample::select(vec![503_u16, 404, 408, 500]),
    ) {
        let error = of_type("text/plain", status, &text);
        let message = error.message().unwrap_or_default();
        prop_assert!(message.len() <= text.len());
        let rest = shown(status, &text);
        prop_assert!(message.contains(&rest), "{rest} is not in {message}");
        prop_assert_eq!(&shown(status, &rest), &rest);
        let known = StatusCode::from_u16(status).expect("valid").canonical_reason().expect("known");
        let doubled = format!("{status} {known}: {text}");
        prop_assert!(shown(status, &doubled).len() <= rest.len(), "{}", doubled);
    }
}

/// Were each part of a text compared with all that follow it, this would not end.
#[test]
fn it_is_taken_off_in_one_pass() {
    for unit in [
        "Error: ",
        "503 ",
        "the ",
        "503: ",
        " - 503",
        "(503) ",
        "Error 503 | ",
        "Service ",
    ] {
        let text = unit.repeat(64 * 1024 / unit.len());
        for page in [
            format!("<title>{text}</title><p>{text}</p>x"),
            format!("<title>Acme {text}</title>"),
            format!(
                "<pre>{}",
                unit.repeat(100).replace("503", "503\n").repeat(64)
            ),
        ] {
            let error = of_type("text/html", 503, &page);
            assert!(error.to_string().len() < 600, "{unit}");
        }
    }
}
