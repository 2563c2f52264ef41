//! The line of a message: safe to print, the status shown once. Needs no feature.

use bytes::Bytes;
use http::Response;
use proptest::prelude::*;
use revio_status::StatusError;

const LONGEST: usize = 512;

fn of_type(media_type: &str, status: u16, body: impl Into<Bytes>) -> StatusError {
    let response = Response::builder()
        .status(status)
        .header("content-type", media_type)
        .body(body.into())
        .expect("valid");
    StatusError::from_response(response).expect("a failure")
}

fn line(text: impl Into<String>) -> Option<String> {
    let error = of_type("text/plain", 500, text.into());
    error.message().map(str::to_owned)
}

/// Returns the text that `Display` shows after the status line.
fn shown(status: u16, text: &str) -> String {
    let alone = of_type("text/plain", status, "").to_string();
    let line = of_type("text/plain", status, text.to_owned()).to_string();
    let text = line.strip_prefix(&alone).expect("the status first");
    text.strip_prefix(": ").unwrap_or(text).to_owned()
}

/// Returns `true` for invisible characters, and for those that end a line, move the cursor or
/// change the direction.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character as u32,
            0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B
            | 0x200E..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164
            | 0xFE00..=0xFE0E | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3
            | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF
        )
}

fn assert_safe(error: &StatusError) {
    if let Some(message) = error.message() {
        assert!(message.len() <= LONGEST, "{message:?}");
        assert!(
            !message.is_empty() && message.trim() == message,
            "{message:?}"
        );
        assert!(!message.contains(is_harmful), "{message:?}");
    }
    for print in [error.to_string(), format!("{error:?}")] {
        assert!(!print.contains(is_harmful), "{print:?}");
        assert!(print.len() <= LONGEST + 100, "{print:?}");
    }
}

/// Promise (bounds): A message is one line of at most 512 bytes, cut at a character.
#[test]
fn line_has_at_most_512_bytes() {
    let exact = "x".repeat(LONGEST);
    assert_eq!(line(exact.clone()), Some(exact.clone()));
    assert_eq!(line(format!("{exact}y")), Some(exact.clone()));
    let page = of_type("text/html", 500, format!("<title>{exact}y</title>"));
    assert_eq!(page.message(), Some(&*exact));
    for end in [" y", "\n\n\ny"] {
        let word = "x".repeat(LONGEST - 1);
        assert_eq!(line(format!("{word}{end}")), Some(word), "{end:?}");
    }
}

/// Promise (bounds): A message is one line of at most 512 bytes, cut at a character.
#[test]
fn line_is_cut_at_a_character() {
    for character in ["é", "€", "📄"] {
        for pad in 0..character.len() {
            let text = "x".repeat(pad) + &character.repeat(LONGEST);
            let fitting = (LONGEST - pad) / character.len();
            let expected = "x".repeat(pad) + &character.repeat(fitting);
            assert_eq!(line(text), Some(expected));
        }
    }
    let cut = of_type("text/plain", 500, b"price 5\xE2\x82".as_slice());
    assert_eq!(cut.message(), Some("price 5"));
}

/// Promise (bounds): A message contains no control, bidirectional or invisible character.
#[test]
fn harmful_character_is_not_printed() {
    for character in ('\0'..=char::MAX).filter(|c| is_harmful(*c)) {
        let body = format!("pay{character}ment");
        let is_space = character.is_whitespace() || character.is_control();
        let expected = if is_space { "pay ment" } else { "payment" };
        let expected = Some(expected).filter(|_| character != '\0');
        assert_eq!(line(body).as_deref(), expected, "{character:?}");
        let page = format!("<title>pay&#{};ment</title>", character as u32);
        assert_safe(&of_type("text/html", 500, page));
    }
}

#[test]
fn ordinary_text_is_unchanged() {
    let text = "Kunde „Müller“ nicht gefunden – 顧客📄 — {0} %s ${x} 🏳️‍🌈 نص עברית";
    assert_eq!(line(text).as_deref(), Some(text));
    for text in ["", " ", "\r\n\t", "\u{FEFF}", "\u{202E}\u{200B}"] {
        assert_eq!(line(text), None, "{text:?}");
    }
}

/// Promise (cause): Bytes that are not text give no message.
#[test]
fn binary_body_gives_no_message() {
    for body in [b"bad \xFF bytes".as_slice(), b"w\0i\0d\0e\0", b"a\xC0\xAFb"] {
        for media_type in ["text/plain", "text/html", "application/json", ""] {
            let error = of_type(media_type, 500, body);
            assert_eq!(error.message(), None, "{media_type}: {body:?}");
        }
    }
}

/// Promise (cause): The messages of pages, XML and plain text need no feature.
#[test]
fn pages_xml_and_text_need_no_feature() {
    for (media_type, body) in [
        ("text/html", "<title>Error</title><p>Back at noon</p>"),
        ("text/plain", "<!DOCTYPE html><title>Back at noon</title>"),
        (
            "application/json",
            "<html><title>Back at noon</title></html>",
        ),
        ("application/xml", "<e><Message>Back at noon</Message></e>"),
        (
            "",
            "\u{FEFF}<?xml version='1.0'?><e><m:message>Back at noon</m:message></e>",
        ),
        ("text/html", "Back at noon"),
        ("application/json", "Back at noon"),
        ("", "\u{FEFF}Back at noon\r\n"),
    ] {
        let error = of_type(media_type, 503, body);
        assert_eq!(error.message(), Some("Back at noon"), "{body}");
    }
}

/// Promise (cause): `Display` shows the status once, and a number within a sentence stays.
#[test]
fn status_alone_is_not_repeated() {
    for (status, text) in [
        (503, "503 Service Unavailable"),
        (503, "503: service unavailable."),
        (503, "HTTP/1.1 503 Service Unavailable"),
        (503, "HTTP ERROR 503 Service Unavailable"),
        (503, "HTTP Error 503. The service is unavailable."),
        (503, "503 Service Temporarily Unavailable"),
        (503, "Error 503"),
        (504, "504 Gateway Time-out"),
        (404, "404 page not found"),
        (404, "HTTP Error 404.0 - Not Found"),
        (404, "Error 404 (Not Found)!!1"),
        (405, "405 Not Allowed"),
        (500, "500 - Internal server error."),
        (502, "ledger.example | 502: Bad gateway"),
        (502, "502 Proxy Error"),
    ] {
        assert_eq!(shown(status, text), "", "{text}");
    }
}

/// Promise (cause): `Display` shows the status once, and a number within a sentence stays.
#[test]
fn status_before_or_after_text_is_removed() {
    for (status, text, expected) in [
        (503, "503: Back at noon", "Back at noon"),
        (503, "503 Backend fetch failed", "Backend fetch failed"),
        (503, "Error 503 Back at noon", "Back at noon"),
        (503, "HTTP ERROR: 503 - Back at noon", "Back at noon"),
        (
            503,
            "HTTP/1.0 503 Service Unavailable; Back at noon",
            "Back at noon",
        ),
        (
            503,
            "503 Service Unavailable\n\nBack at noon",
            "Back at noon",
        ),
        (
            503,
            "Error 503: 503 Service Unavailable: Back at noon",
            "Back at noon",
        ),
        (503, "[503] Back at noon", "Back at noon"),
        (503, "503 [ledger] Back at noon", "[ledger] Back at noon"),
        (504, "Gateway Time-out (Gateway Timeout) ledger", "ledger"),
        (
            503,
            "Back at noon - 503 Service Unavailable",
            "Back at noon",
        ),
        (503, "Back at noon (503)", "Back at noon"),
        (503, "Back at noon. (503)", "Back at noon."),
        (
            503,
            "Back at noon [Service Unavailable] [503]",
            "Back at noon",
        ),
        (404, "Not Found: invoice 404", "invoice 404"),
        (404, "Invoice 17 - 404 Not Found", "Invoice 17"),
    ] {
        assert_eq!(shown(status, text), expected, "{text}");
    }
}

/// Promise (cause): `Display` shows the status once, and a number within a sentence stays.
#[test]
fn number_within_sentence_stays() {
    for (status, text) in [
        (503, "503 back ends are down"),
        (404, "404 customers have no bill profile"),
        (404, "Not found in this account"),
        (401, "Unauthorized access to bill 7"),
        (404, "Bills: 404"),
        (404, "404.13 - the query is too long"),
        (404, "404-17 is no invoice"),
        (404, "/v1/invoices/404 is gone"),
        (503, "5030 rows are locked"),
        (503, "504 Gateway Timeout"),
        (429, "error code: 1015"),
    ] {
        assert_eq!(shown(status, text), text);
    }
}

#[test]
fn repeated_unit_gives_safe_line() {
    const SIZE: usize = 64 * 1024;
    for unit in [
        "<title",
        "<title>",
        "</title",
        "<!--",
        "<p>x</p>",
        "<p>x<p>",
        "<br>",
        "<Message>",
        "&",
        "&#x0",
        "&amp;",
        "<a b=c ",
        "[",
        "{",
        "\"",
        "\\",
        "{\"errors\":",
        "[{},",
        " ",
        "\u{200B}",
        "x",
        "x ",
        "503 ",
        " - 503",
        "Error: ",
    ] {
        for prefix in [
            "",
            "<title>",
            "<div hidden>",
            "{\"message\":\"",
            "{\"errors\":[",
        ] {
            let body = prefix.to_owned() + &unit.repeat(SIZE / unit.len());
            for media_type in ["text/html", "application/json", "application/xml"] {
                assert_safe(&of_type(media_type, 503, body.clone()));
            }
        }
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "503",
        "404",
        "Error",
        "HTTP/1.1",
        "Service Unavailable",
        "Not Found",
        "Back",
        "at noon",
        "example.com",
        "17",
        "the",
        "Time-out",
        "ü",
        "<title>",
        "</title>",
        "<p>",
        "<p hidden>",
        "<div id=error>",
        "{\"message\":\"",
        "\"errors\":[",
        "{\"detail\":",
        "\"}",
        "]",
        "&#x202e;",
    ]);
    let mark = prop::sample::select(vec![
        " ", ": ", " - ", " | ", "[", "] ", "(", ") ", "#", "/", ", ", ". ", "! ", " – ", "\n", "",
        "\u{202E}", "\u{1b}",
    ]);
    let pair = (piece, mark).prop_map(|(piece, mark)| format!("{piece}{mark}"));
    prop::collection::vec(pair, 0..12).prop_map(|pairs| pairs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Promise (bounds): A message contains no control, bidirectional or invisible character.
    #[test]
    fn any_bytes_give_safe_line(
        media_type in prop::sample::select(vec!["application/json", "text/html", "text/xml", ""]),
        text in pieces(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        assert_safe(&of_type(media_type, 503, text.clone()));
        assert_safe(&of_type(media_type, 503, [text.as_bytes(), &bytes].concat()));
    }

    #[test]
    fn displayed_text_is_stable_part_of_message(
        text in pieces(),
        status in prop::sample::select(vec![503_u16, 404, 408, 500]),
    ) {
        let text_shown = shown(status, &text);
        let message = of_type("text/plain", status, text).message().unwrap_or_default().to_owned();
        prop_assert!(message.contains(&text_shown), "{text_shown} is not in {message}");
        if !text_shown.starts_with(['<', '{', '[']) {
            prop_assert_eq!(&shown(status, &text_shown), &text_shown);
        }
    }
}
