//! What a server says in the body of a failure is found wherever servers put it, and what is found
//! is one short line that is safe to print.

use std::convert::Infallible;

use crate::support::{Refused, get, layer};
use bytes::Bytes;
use futures_executor::block_on;
use http::{HeaderMap, HeaderName, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use proptest::prelude::*;
use revio_status::StatusError;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

const CAPTURE_LIMIT: usize = 64 * 1024;
const LONGEST: usize = 512;

/// Bodies longer than the capture limit are cut there.
fn refused(status: u16, headers: &HeaderMap, body: impl Into<Bytes>) -> StatusError {
    refused_up_to(CAPTURE_LIMIT, status, headers, body.into())
}

fn refused_up_to(limit: usize, status: u16, headers: &HeaderMap, body: Bytes) -> StatusError {
    let inner = service_fn(move |_| {
        let mut response = Response::new(Full::new(body.clone()));
        *response.status_mut() = StatusCode::from_u16(status).expect("a valid status");
        *response.headers_mut() = headers.clone();
        async move { Ok::<_, Infallible>(response) }
    });
    let layer = layer().never_retry().error_body_limit(limit);
    block_on(layer.layer(inner).oneshot(get())).refused()
}

fn content_type(media_type: &str) -> HeaderMap {
    let media_type = media_type.parse().expect("a header value");
    HeaderMap::from_iter([(CONTENT_TYPE, media_type)])
}

fn error(media_type: &str, body: impl Into<Bytes>) -> StatusError {
    refused(500, &content_type(media_type), body)
}

fn message(media_type: &str, body: impl Into<Bytes>) -> Option<String> {
    error(media_type, body).message().map(str::to_owned)
}

fn in_json(body: &Value) -> Option<String> {
    message("application/json", body.to_string())
}

fn in_html(body: impl Into<Bytes>) -> Option<String> {
    message("text/html; charset=utf-8", body)
}

fn in_text(body: impl Into<Bytes>) -> Option<String> {
    message("text/plain; charset=utf-8", body)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Line breaks, terminal controls, and what makes a line read in another order.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}'
                | '\u{2029}'
                | '\u{61C}'
                | '\u{200E}'
                | '\u{200F}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// What is promised of every message, and of the error around it.
fn assert_safe(error: &StatusError) {
    if let Some(message) = error.message() {
        assert!(
            !message.is_empty() && message.len() <= LONGEST,
            "{message:?}"
        );
        assert!(!message.contains(is_dangerous), "{message:?}");
        assert_eq!(message, message.trim());
        assert_eq!(error.message(), Some(message), "it stays what it was");
    }
    for print in [error.to_string(), format!("{error:?}")] {
        assert!(!print.contains(is_dangerous), "{print:?}");
        assert!(print.len() <= LONGEST + 100, "{print:?}");
    }
}

mod vectors {
    use super::*;

    struct Case<'a>(&'a Value);

    impl<'a> Case<'a> {
        fn text(&self, name: &str) -> Option<&'a str> {
            self.0[name].as_str()
        }

        fn texts(&self, name: &str) -> Vec<&'a str> {
            let list = self.0[name].as_array().map_or(&[][..], Vec::as_slice);
            list.iter().filter_map(Value::as_str).collect()
        }

        fn body(&self) -> Bytes {
            if let Some(text) = self.text("body") {
                return text.to_owned().into();
            }
            if let Some(text) = self.text("body_b64") {
                return base64(text).into();
            }
            let parts = self.0["body_parts"].as_array().expect("some body");
            let repeat = |part: &Value| {
                let times = part[1].as_u64().expect("a number");
                part[0].as_str().expect("a text").repeat(times as usize)
            };
            parts.iter().map(repeat).collect::<String>().into()
        }

        fn headers(&self) -> HeaderMap {
            let mut headers = HeaderMap::new();
            if let Some(media_type) = self.text("content_type") {
                headers = content_type(media_type);
            }
            for (name, value) in self.0["headers"].as_object().into_iter().flatten() {
                let name: HeaderName = name.parse().expect("a header name");
                let value = value.as_str().expect("a text").parse();
                headers.insert(name, value.expect("a header value"));
            }
            headers
        }

        fn refused(&self, body: Bytes) -> StatusError {
            let status = self.0["status"].as_u64().expect("a status");
            refused(status as u16, &self.headers(), body)
        }

        fn accepts(&self, message: Option<&str>) -> bool {
            let expected = self.text("expected_message");
            let fits = match self.text("compare") {
                None => message == expected,
                Some("contains") => match (message, expected) {
                    (Some(message), Some(expected)) => message.contains(expected),
                    _ => false,
                },
                Some("bounded") => true,
                Some(other) => panic!("an unknown comparison: {other}"),
            };
            let also_ok = || self.0["also_ok"].as_array().into_iter().flatten();
            let is_lenient = self.0["lenient"].as_bool().expect("yes or no");
            fits || is_lenient && also_ok().any(|other| other.as_str() == message)
        }
    }

    fn base64(text: &str) -> Vec<u8> {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
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

    fn cases() -> Vec<Value> {
        let mut file: Value = serde_json::from_str(include_str!("../../vectors/error_bodies.json"))
            .expect("the vectors are JSON");
        serde_json::from_value(file["cases"].take()).expect("a list of cases")
    }

    #[test]
    fn every_message_is_one_that_a_reader_wants() {
        let cases = cases();
        assert_eq!(cases.len(), 256);
        for case in &cases {
            let (name, case) = (&case["name"], Case(case));
            let error = case.refused(case.body());
            let message = error.message();
            assert!(case.accepts(message), "{name}: {message:?}");
            for part in case.texts("must_contain") {
                assert!(
                    message.is_none_or(|m| m.contains(part)),
                    "{name}: {message:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_forbidden_is_printed() {
        for case in &cases() {
            let (name, case) = (&case["name"], Case(case));
            let error = case.refused(case.body());
            assert_safe(&error);
            // Braces and the like are `Debug`'s own.
            let innocent = format!("{:?}", case.refused(Bytes::new()));
            let (shown, debug) = (error.to_string(), format!("{error:?}"));
            for part in case.texts("must_not_contain") {
                assert!(!shown.contains(part), "{name}: {shown}");
                let is_own = innocent.contains(part);
                assert!(is_own || !debug.contains(part), "{name}: {debug}");
            }
        }
    }

    #[test]
    fn every_status_survives_every_body() {
        for case in &cases() {
            let error = Case(case).refused(Case(case).body());
            assert_eq!(case["status"], error.status().as_u16(), "{}", case["name"]);
            assert_eq!(error.headers(), &Case(case).headers());
            assert!(error.body().len() <= CAPTURE_LIMIT);
        }
    }
}

mod json_bodies {
    use super::*;

    /// Each of these comes before all that follow it.
    const NAMES: [&str; 6] = [
        "message",
        "error_description", // prose, where `error` is a code: RFC 6749 §5.2
        "error",
        "detail",
        "title",
        "errors",
    ];

    #[test]
    fn the_better_name_wins_wherever_it_stands() {
        for (rank, better) in NAMES.iter().enumerate() {
            assert_eq!(in_json(&json!({*better: "alone"})), some("alone"));
            for worse in &NAMES[rank + 1..] {
                for body in [
                    format!(r#"{{"{better}":"yes","{worse}":"no"}}"#),
                    format!(r#"{{"{worse}":"no","{better}":"yes"}}"#),
                ] {
                    assert_eq!(
                        message("application/json", body.clone()),
                        some("yes"),
                        "{body}"
                    );
                }
            }
        }
    }

    #[test]
    fn names_are_compared_without_case() {
        for name in [
            "Message",
            "MESSAGE",
            "mEsSaGe",
            "Error",
            "Error_Description",
            "Detail",
            "TITLE",
            "Errors",
        ] {
            assert_eq!(in_json(&json!({name: "found"})), some("found"), "{name}");
        }
        for name in [
            "messagee",
            "mess\u{ff41}ge",
            " message",
            "ok",
            "code",
            "status",
            "",
        ] {
            assert_eq!(in_json(&json!({name: "private"})), None, "{name}");
        }
    }

    #[test]
    fn an_error_may_be_an_object() {
        assert_eq!(
            in_json(&json!({"error": {"code": "X1", "message": "prose"}})),
            some("prose")
        );
        assert_eq!(
            in_json(&json!({"Error": {"Message": "prose"}, "detail": "no"})),
            some("prose")
        );
        assert_eq!(
            in_json(&json!({"error": {"code": "X1"}, "detail": "prose"})),
            some("prose")
        );
    }

    #[test]
    fn the_outer_name_decides_before_the_inner() {
        assert_eq!(
            in_json(&json!({"detail": {"message": "no"}, "error": {"title": "yes"}})),
            some("yes")
        );
        assert_eq!(
            in_json(&json!({"errors": [{"message": "no"}], "title": "yes"})),
            some("yes")
        );
    }

    #[test]
    fn an_array_speaks_through_the_first_element_that_says_something() {
        assert_eq!(
            in_json(&json!([{"message": "first"}, {"message": "second"}])),
            some("first")
        );
        assert_eq!(
            in_json(&json!([{"ok": false}, null, 7, {"error": "later"}])),
            some("later")
        );
        assert_eq!(in_json(&json!([["nested"], ["not this"]])), some("nested"));
        assert_eq!(in_json(&json!([])), None);
    }

    #[test]
    fn errors_are_lists_or_objects_by_field() {
        for errors in [
            json!("one"),
            json!(["one", "two"]),
            json!([{"message": "one"}, {"message": "two"}]),
            json!([{"code": "E1", "detail": "one", "source": {"pointer": "/data"}}]),
        ] {
            assert_eq!(in_json(&json!({"errors": errors})), some("one"), "{errors}");
        }
        for errors in [
            json!({"rate": ["one", "two"]}),
            json!({"rate": "one"}),
            json!({"city": [], "rate": ["one"]}),
            json!({"rate": {"message": "one", "kind": "no"}}),
            json!({"rate": [{"kind": "no", "message": "one"}]}),
            json!([{"rate": "one"}, {"city": "two"}]),
            json!([{"rate": ["one", "two"]}]),
        ] {
            let message = in_json(&json!({"errors": errors}));
            assert_eq!(message, some("rate: one"), "{errors}");
        }
    }

    #[test]
    fn what_is_no_text_says_nothing() {
        for nothing in [
            json!(null),
            json!(false),
            json!(100),
            json!(""),
            json!(" \t\r\n"),
            json!([]),
            json!({}),
        ] {
            assert_eq!(in_json(&json!({"message": nothing})), None, "{nothing}");
            let body = json!({"message": nothing, "error": null, "title": "next"});
            assert_eq!(in_json(&body), some("next"), "{nothing}");
            assert_eq!(in_json(&nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_first_element_speaks_and_the_first_of_equal_members() {
        assert_eq!(
            in_json(&json!([{"error": "first"}, {"message": "second"}])),
            some("first")
        );
        assert_eq!(
            in_json(&json!({"errors": [{"title": "first"}, {"message": "second"}]})),
            some("first")
        );
        let equal = r#"{"message":"first","Message":"second","message":"third"}"#;
        assert_eq!(message("application/json", equal), some("first"));
    }

    #[test]
    fn the_fields_of_errors_are_found_in_any_case() {
        for name in [
            "errors",
            "Errors",
            "ERRORS",
            "ModelState",
            "modelState",
            "MODELSTATE",
        ] {
            for fields in [
                json!({"rate": "one"}),
                json!({"rate": ["one", "two"]}),
                json!({"bill.zip": [""], "rate": ["one"]}),
            ] {
                assert_eq!(in_json(&json!({name: fields})), some("rate: one"), "{name}");
            }
        }
    }

    #[test]
    fn an_element_of_detail_or_errors_says_msg() {
        for name in ["detail", "errors", "Detail"] {
            for element in [
                json!({"type": "missing", "loc": ["body", "rate"], "msg": "Field required", "input": null}),
                json!({"loc": ["body", "rate"], "Msg": "Field required"}),
                json!({"code": "E1", "message": "Field required"}),
                json!({"msg": "no", "message": "Field required"}),
            ] {
                let second = json!({"message": "no"});
                assert_eq!(
                    in_json(&json!({name: [element, second]})),
                    some("Field required"),
                    "{name}: {element}"
                );
            }
        }
    }

    #[test]
    fn an_object_of_lists_of_texts_says_its_first_field() {
        let required = "customer_id: This field is required.";
        for body in [
            json!({"customer_id": ["This field is required."]}),
            json!({"customer_id": ["This field is required.", "no"], "rate": ["no"]}),
            json!({"a": [], "b": ["", " "], "customer_id": ["This field is required."]}),
            json!([{}, {"customer_id": ["This field is required."]}, {"rate": ["no"]}]),
            json!({"error": {"customer_id": ["This field is required."]}}),
            json!({"detail": {"customer_id": ["This field is required."]}, "title": "no"}),
        ] {
            assert_eq!(in_json(&body), some(required), "{body}");
        }
        for body in [
            json!({"customer_id": "This field is required."}),
            json!({"customer_id": ["private"], "id": 7}),
            json!({"id": 7, "customer_id": ["private"]}),
            json!({"customer_id": ["private", 7]}),
            json!({"customer_id": [["private"]]}),
            json!({"customer_id": [{"x": "private"}]}),
            json!({"customer_id": ["private"], "rate": null}),
            json!({"customer_id": [], "rate": []}),
        ] {
            assert_eq!(in_json(&body), None, "{body}");
        }
        let body = json!({"customer_id": ["no"], "message": "yes"});
        assert_eq!(in_json(&body), some("yes"));
        let body = r#"{"customer_id":["no"],"#;
        assert_eq!(
            message("application/json", body),
            None,
            "who knows what follows"
        );
    }

    #[test]
    fn a_message_may_have_a_value() {
        for message in [
            json!({"lang": "en-US", "value": "Bad filter."}),
            json!({"Value": "Bad filter."}),
        ] {
            for body in [
                json!({"message": message}),
                json!({"error": {"code": "", "message": message}}),
                json!({"odata.error": {"code": "", "message": message}}),
                json!({"Message": message, "title": "no"}),
            ] {
                assert_eq!(in_json(&body), some("Bad filter."), "{body}");
            }
        }
        for body in [
            json!({"value": "private"}),
            json!({"error": {"value": "private"}}),
        ] {
            assert_eq!(in_json(&body), None, "{body}");
        }
    }

    #[test]
    fn the_model_s_state_speaks_where_the_message_does_not() {
        let state = json!({"bill.rate": ["The rate is missing."], "bill.zip": ["no"]});
        for message in [json!(null), json!(""), json!(" "), json!({}), json!([])] {
            let body = json!({"Message": message, "ModelState": state});
            assert_eq!(
                in_json(&body),
                some("bill.rate: The rate is missing."),
                "{body}"
            );
        }
        let body = json!({"ModelState": state, "Message": "The request is invalid."});
        assert_eq!(in_json(&body), some("The request is invalid."));
    }

    #[test]
    fn a_bare_string_is_its_own_message() {
        for media_type in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.revio.v1+json",
        ] {
            let body = "\"Access denied\"";
            assert_eq!(message(media_type, body), some("Access denied"));
        }
    }

    #[test]
    fn the_content_type_may_be_any_of_json_s_or_wrong() {
        let body = r#" {"Message":"found"} "#;
        for media_type in [
            "application/json",
            "APPLICATION/JSON; Charset=UTF-8",
            "application/problem+json",
            "application/vnd.revio.v1+json;v=1",
            "text/json",
            "text/plain",
            "text/html; charset=utf-8",
            "application/octet-stream",
            "",
            "nonsense",
        ] {
            assert_eq!(message(media_type, body), some("found"), "{media_type}");
        }
        let error = refused(500, &HeaderMap::new(), body);
        assert_eq!(error.message(), Some("found"));
    }

    #[test]
    fn a_text_that_only_begins_like_json_is_a_text() {
        for text in [
            "[crit] disk full",
            "{} and more",
            "{customer} not found",
            "[]: out of range",
        ] {
            assert_eq!(in_text(text), some(text));
        }
    }

    #[test]
    fn a_broken_document_and_the_parser_s_complaint_are_no_message() {
        for body in [
            "{",
            "[",
            "{\"a\"",
            "{]",
            "[1,}",
            "{\"message\":tru",
            "{\"message\":\"cut o",
        ] {
            assert_eq!(message("application/json", body), None, "{body}");
        }
    }

    #[test]
    fn what_is_called_json_and_is_none_is_read_as_what_it_is() {
        let page = "<html><head><title>502 Bad Gateway</title></head></html>";
        assert_eq!(message("application/json", page), some("502 Bad Gateway"));
        let text = "upstream request timeout";
        assert_eq!(message("application/json", text), some(text));
    }

    #[test]
    fn what_was_read_before_the_body_broke_off_counts() {
        let body = r#"{"message":"whole","activityId":"87ae"#;
        assert_eq!(message("application/json", body), some("whole"));
    }

    #[test]
    fn a_byte_order_mark_is_ignored() {
        let body = "\u{FEFF}{\"message\":\"after it\"}";
        assert_eq!(message("application/json", body), some("after it"));
    }

    #[test]
    fn a_message_far_down_says_nothing_about_the_whole() {
        let mut body = json!({"message": "far down"});
        for level in 1..100 {
            let expected = (level <= 3).then(|| "far down".to_owned());
            assert_eq!(in_json(&body), expected, "on level {level}");
            body = json!({"error": body});
        }
    }
}

mod other_bodies {
    use super::*;

    #[test]
    fn a_page_says_its_title() {
        for page in [
            "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
            "<!DOCTYPE html>\r\n<HTML><HEAD><TITLE>502 Bad Gateway</TITLE></HEAD>",
            "<title lang=en>\n  502\n  Bad Gateway\n</title\n>",
            "<?xml version=\"1.0\"?><html><title>502 Bad&#32;Gateway</title></html>",
        ] {
            assert_eq!(in_html(page), some("502 Bad Gateway"), "{page}");
            assert_eq!(in_text(page), some("502 Bad Gateway"), "{page}");
            assert_eq!(
                message("application/xhtml+xml", page),
                some("502 Bad Gateway")
            );
        }
    }

    #[test]
    fn a_page_without_a_title_says_nothing() {
        for page in [
            "<html><body><h1>500 Internal Server Error</h1></body></html>",
            "<html><head><title></title></head></html>",
            "<html><head><title> &nbsp; \n</title></head></html>",
            "<html><head><title>cut o",
            "<title",
            "<",
        ] {
            assert_eq!(in_html(page), None, "{page}");
        }
    }

    #[test]
    fn a_title_s_character_references_are_read() {
        let page = "<title>R&amp;D &lt;main&gt; &quot;x&quot; &#39;y&#x27; &apos;z&apos; &amp;lt; a&nbsp;b</title>";
        assert_eq!(in_html(page), some("R&D <main> \"x\" 'y' 'z' &lt; a b"));
    }

    #[test]
    fn a_reference_to_a_control_character_is_no_way_around() {
        let page = "<title>a&#10;b&#x1b;[31m&#155;&#x202e;c&#0;&#x110000;&#xD800;&#;</title>";
        let error = error("text/html", page);
        assert_safe(&error);
        assert!(
            error.message().is_some_and(|m| m.starts_with("a b [31m›c")),
            "{error}"
        );
    }

    #[test]
    fn a_text_speaks_for_itself() {
        assert_eq!(
            in_text("Service temporarily unavailable.\r\n"),
            some("Service temporarily unavailable.")
        );
        assert_eq!(
            in_html("upstream request timeout"),
            some("upstream request timeout")
        );
        assert_eq!(in_text("\u{FEFF}Site offline"), some("Site offline"));
        assert_eq!(in_text("3 < 4"), some("3 < 4"));
        let error = refused(503, &HeaderMap::new(), "error code: 1015");
        assert_eq!(error.message(), Some("error code: 1015"));
    }

    #[test]
    fn an_empty_text_says_nothing() {
        for text in ["", " ", "\r\n\t", "\u{FEFF}", "\0", "\u{202E}\u{200B}"] {
            assert_eq!(in_text(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_not_shown() {
        for media_type in [
            "application/pdf",
            "image/png",
            "application/octet-stream",
            "application/xml",
        ] {
            assert_eq!(
                message(media_type, "%PDF-1.4 readable"),
                None,
                "{media_type}"
            );
        }
        assert_eq!(in_text("w\0i\0d\0e\0"), None);
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters() {
        assert_eq!(
            in_text(b"bad \xFF\xFE bytes".as_slice()),
            some("bad \u{FFFD}\u{FFFD} bytes")
        );
        assert_eq!(
            in_text(b"a\xC0\xAFb".as_slice()),
            some("a\u{FFFD}\u{FFFD}b")
        );
    }

    #[test]
    fn a_compressed_body_is_not_guessed_at() {
        for (coding, body, expected) in [
            ("br", "\u{B}\u{2}plain\u{3}", None),
            ("br", "plain", some("plain")),
            ("br", "{\"message\":\"plain\"}", some("plain")),
            ("identity", "plain", some("plain")),
            ("Identity", "plain", some("plain")),
        ] {
            let mut headers = content_type("text/plain");
            headers.insert("content-encoding", coding.parse().expect("a header value"));
            let error = refused(500, &headers, body);
            assert_eq!(error.message().map(str::to_owned), expected, "{coding}");
        }
    }
}

mod one_line {
    use super::*;

    #[test]
    fn of_at_most_512_bytes() {
        let exact = "x".repeat(LONGEST);
        assert_eq!(in_text(exact.clone()), Some(exact.clone()));
        assert_eq!(in_text(format!("{exact}y")), Some(exact.clone()));
        assert_eq!(
            in_json(&json!({"message": format!("{exact}y")})),
            Some(exact.clone())
        );
        assert_eq!(in_html(format!("<title>{exact}y</title>")), Some(exact));
    }

    #[test]
    fn cut_at_a_character() {
        for character in ["é", "€", "📄"] {
            for pad in 0..character.len() {
                let text = "x".repeat(pad) + &character.repeat(LONGEST);
                let fitting = (LONGEST - pad) / character.len();
                let expected = "x".repeat(pad) + &character.repeat(fitting);
                assert_eq!(in_json(&json!({"message": text})), Some(expected));
            }
        }
    }

    #[test]
    fn that_does_not_end_in_the_middle_of_whitespace() {
        let word = "x".repeat(LONGEST - 1);
        assert_eq!(in_text(format!("{word} y")), Some(word.clone()));
        assert_eq!(in_text(format!("{word}\n\n\ny")), Some(word));
    }

    #[test]
    fn without_line_breaks() {
        for line_break in [
            "\n", "\r", "\r\n", "\u{B}", "\u{C}", "\u{85}", "\u{2028}", "\u{2029}", "\t", " \n\n ",
        ] {
            let text = format!("{line_break}one{line_break}line{line_break}");
            assert_eq!(in_text(text.clone()), some("one line"), "{line_break:?}");
            assert_eq!(
                in_json(&json!({"title": text})),
                some("one line"),
                "{line_break:?}"
            );
        }
    }

    #[test]
    fn without_control_characters() {
        for control in ('\0'..='\u{9F}').filter(|c| c.is_control()) {
            let error = error(
                "application/json",
                json!({"error": format!("a{control}b")}).to_string(),
            );
            assert_eq!(error.message(), Some("a b"), "{control:?}");
            assert_safe(&error);
        }
    }

    #[test]
    fn without_what_turns_its_order_around() {
        for control in ('\0'..=char::MAX).filter(|c| is_dangerous(*c) && !c.is_control()) {
            let error = error("text/plain", format!("pay{control}ment"));
            assert!(
                matches!(error.message(), Some("payment" | "pay ment")),
                "{control:?}"
            );
            assert_safe(&error);
        }
    }

    #[test]
    fn that_keeps_what_people_write() {
        let text = "Kunde „Müller“ nicht gefunden – 顧客📄 — {0} %s ${x} 🏳️‍🌈 نص עברית";
        assert_eq!(in_json(&json!({"message": text})), some(text));
        assert_eq!(in_text(text), some(text));
    }
}

mod long_bodies {
    use super::*;

    fn padding() -> String {
        "x".repeat(CAPTURE_LIMIT)
    }

    #[test]
    fn say_what_they_said_before_the_limit() {
        let body = format!(r#"{{"message":"first","pad":"{}"}}"#, padding());
        let error = error("application/json", body);
        assert!(error.is_body_truncated() && error.body().len() == CAPTURE_LIMIT);
        assert_eq!(error.message(), Some("first"));
        assert_safe(&error);
        let page = format!("<title>first</title><p>{}", padding());
        assert_eq!(in_html(page), some("first"));
    }

    #[test]
    fn say_nothing_that_comes_after_the_limit() {
        let body = format!(r#"{{"pad":"{}","message":"last"}}"#, padding());
        assert_eq!(message("application/json", body), None);
        assert_eq!(
            in_html(format!("<!-- {} --><title>last</title>", padding())),
            None
        );
    }

    #[test]
    fn end_where_they_were_cut() {
        assert_eq!(in_text(padding() + "more"), Some("x".repeat(LONGEST)));
        // The limit falls into the second byte of a character.
        let error = error("text/plain", " ".repeat(CAPTURE_LIMIT - 3) + "aéé");
        assert_eq!(error.message(), Some("aé"));
    }

    #[test]
    fn up_to_the_limit_are_whole() {
        let frame = json!({"pad": "", "message": "last"}).to_string().len();
        let body = json!({"pad": "x".repeat(CAPTURE_LIMIT - frame), "message": "last"}).to_string();
        assert_eq!(body.len(), CAPTURE_LIMIT);
        let error = error("application/json", body);
        assert!(!error.is_body_truncated());
        assert_eq!(error.message(), Some("last"));
    }

    /// With a megabyte anything worse than linear does not end.
    #[test]
    fn are_searched_in_one_pass() {
        const SIZE: usize = 1024 * 1024;
        let patterns = [
            "<title",
            "<title>",
            "</title",
            "<!--",
            "<p>a:",
            "<Message>",
            "&",
            "&#",
            "&#x0",
            "& ;",
            " ",
            "\u{200B}",
            "\n",
            "[",
            "{",
            "\"",
            "\\",
            "{\"errors\":",
            "{\"error\":{\"message\":",
            "[{},",
            "{\"message\":1,",
            "\u{FEFF}",
            "<",
        ];
        for pattern in patterns {
            for prefix in [
                "",
                "<title>",
                "{\"message\":",
                "{\"errors\":[",
                "{\"errors\":{\"a\":[\"",
                "[",
            ] {
                let body = prefix.to_owned() + &pattern.repeat(SIZE / pattern.len());
                let headers = content_type("text/html");
                let error = refused_up_to(2 * SIZE, 500, &headers, body.into());
                assert!(!error.is_body_truncated());
                assert_safe(&error);
            }
        }
    }
}

mod json_method {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Failure {
        ok: bool,
        error: String,
    }

    fn failure() -> Failure {
        Failure {
            ok: false,
            error: "No such bill profile.".to_owned(),
        }
    }

    const BODY: &str = r#" {"ok":false,"error":"No such bill profile.","id":7} "#;

    #[test]
    fn reads_the_body_whatever_its_type() {
        for media_type in ["application/json", "text/plain", "application/pdf"] {
            let failure: Failure = error(media_type, BODY).json().expect("it fits");
            assert_eq!(failure, self::failure());
        }
    }

    #[test]
    fn reads_past_a_byte_order_mark() {
        let error = error("application/json", format!("\u{FEFF}{BODY}"));
        assert_eq!(error.json::<Failure>().expect("it fits"), failure());
        assert_eq!(error.message(), Some("No such bill profile."));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for body in [
            "",
            "{}",
            "[]",
            "null",
            "{\"ok\":false",
            "<html>",
            "{\"ok\":0,\"error\":\"\"}",
        ] {
            assert!(
                error("application/json", body).json::<Failure>().is_err(),
                "{body}"
            );
        }
        assert!(
            error("application/json", format!("{BODY} {BODY}"))
                .json::<Failure>()
                .is_err()
        );
    }

    #[test]
    fn refuses_what_was_truncated() {
        let body = format!("{BODY}{}", " ".repeat(CAPTURE_LIMIT));
        let error = error("application/json", body.clone().replace('}', "") + "}");
        assert!(error.is_body_truncated());
        assert!(error.json::<Failure>().is_err());
    }
}

mod printing {
    use super::*;

    #[test]
    fn display_quotes_the_message_and_debug_does_not() {
        let error = error(
            "application/json",
            r#"{"message":"Rate plan missing","card":"4111"}"#,
        );
        assert_eq!(
            error.to_string(),
            "500 Internal Server Error: Rate plan missing"
        );
        let debug = format!("{error:?} {error:#?}");
        assert!(
            !debug.contains("Rate") && !debug.contains("4111"),
            "{debug}"
        );
    }

    #[test]
    fn without_a_message_the_status_line_is_all() {
        assert_eq!(
            error("application/json", "{}").to_string(),
            "500 Internal Server Error"
        );
        let error = refused(599, &HeaderMap::new(), "");
        assert_eq!(error.to_string(), "599");
    }
}

mod any_body {
    use super::*;

    fn config() -> ProptestConfig {
        ProptestConfig {
            cases: 256,
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    }

    /// Printable characters, with some that must not be printed.
    fn text() -> impl Strategy<Value = String> {
        let bidi = [
            '\u{61C}', '\u{200E}', '\u{202A}', '\u{202E}', '\u{2028}', '\u{2066}', '\u{2069}',
        ];
        let character = prop_oneof![
            6 => prop::char::range(' ', '~'),
            6 => prop::char::any(),
            1 => prop::char::range('\0', '\u{9F}'),
            1 => prop::sample::select(bidi.to_vec()),
        ];
        prop::collection::vec(character, 0..700).prop_map(String::from_iter)
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "(message|error|error_description|detail|title|errors)",
            "(Message|ERROR|Errors|error|code|ok)",
            "[ -~é]{0,6}",
        ]
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(8, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(name(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn media_type() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec![
                "application/json",
                "application/problem+json",
                "text/html",
                "text/plain",
                "application/xhtml+xml",
                "text/plain; charset=utf-16",
                "application/pdf",
                "",
            ])
            .prop_map(str::to_owned),
            "[ -~]{0,20}",
        ]
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn of_bytes_gives_a_safe_line_or_none(
            media_type in media_type(),
            start in prop::sample::select(vec!["", "<title>", "{\"message\":\"", "\u{FEFF}", "["]),
            bytes in prop::collection::vec(any::<u8>(), 0..1500),
        ) {
            let body = [start.as_bytes(), &bytes].concat();
            assert_safe(&error(&media_type, body));
        }

        #[test]
        fn of_text_gives_a_safe_line_or_none(media_type in media_type(), text in text()) {
            assert_safe(&error(&media_type, format!("<title>{text}</title>")));
            assert_safe(&error(&media_type, text));
        }

        #[test]
        fn of_json_gives_a_safe_line_or_none(
            media_type in media_type(),
            document in document(),
            cut in any::<prop::sample::Index>(),
        ) {
            let body = document.to_string();
            let cut = body.as_bytes()[..cut.index(body.len() + 1)].to_vec();
            assert_safe(&error(&media_type, cut));
            assert_safe(&error(&media_type, body));
        }

        #[test]
        fn keeps_every_word_up_to_where_it_is_cut(words in prop::collection::vec("[!-~é€]{1,9}", 1..99)) {
            let line = words.join(" ");
            let message = in_json(&json!({"message": words.join("\r\n\t")})).expect("words");
            prop_assert!(line.starts_with(&message));
            let rest = &line[message.len()..];
            // A space and the longest character might just not have fitted.
            prop_assert!(rest.is_empty() || message.len() > LONGEST - 4, "{} is left", rest);
        }
    }
}
