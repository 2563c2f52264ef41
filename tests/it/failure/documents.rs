//! Which of the texts in a JSON or XML document is its message: the first that says more than the
//! status, of the best name.

use std::convert::Infallible;

use crate::support::{Refused, get, layer};
use bytes::Bytes;
use futures_executor::block_on;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use revio_status::StatusError;
use tower::{Layer, ServiceExt, service_fn};

fn error(status: u16, headers: &[(&'static str, &str)], body: &str) -> StatusError {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        fields.append(*name, value.parse().expect("a header value"));
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    let inner = service_fn(move |_| {
        let mut response = Response::new(Full::new(body.clone()));
        *response.status_mut() = StatusCode::from_u16(status).expect("a valid status");
        *response.headers_mut() = fields.clone();
        async move { Ok::<_, Infallible>(response) }
    });
    let layer = layer().never_retry().error_body_limit(usize::MAX);
    block_on(layer.layer(inner).oneshot(get())).refused()
}

fn message(media_type: &str, status: u16, body: &str) -> Option<String> {
    let error = error(status, &[("content-type", media_type)], body);
    error.message().map(str::to_owned)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Of a 503.
const NO_NEWS: [&str; 19] = [
    "error",
    "Error!",
    "Service Unavailable",
    "503 Service Unavailable",
    "SERVICE_UNAVAILABLE",
    "ServiceUnavailableException",
    "Internal Server Error",
    "Bad Request",
    "An error has occurred.",
    "An unexpected error occurred",
    "One or more validation errors occurred.",
    "Validation Failed",
    "No message available",
    "Something went wrong.",
    "fail",
    "false",
    "null",
    "true",
    "...",
];

fn in_xml(body: &str) -> Option<String> {
    message("application/xml", 503, body)
}

mod xml {
    use super::*;

    #[test]
    fn an_element_that_says_something_comes_before_one_that_does_not() {
        for no_news in NO_NEWS {
            for body in [
                "<Error><Message>{}</Message><Message>Back at noon</Message></Error>",
                "<Error><Message>{}</Message><ExceptionMessage>Back at noon</ExceptionMessage></Error>",
                "<Error><Message>{}</Message><MessageDetail>Back at noon</MessageDetail></Error>",
                "<Error><MessageDetail>Back at noon</MessageDetail><Message>{}</Message></Error>",
                "<e><error>{}</error><detail>Back at noon</detail></e>",
                "<problem><title>{}</title><detail>Back at noon</detail></problem>",
                "<problem><title>Back at noon</title><detail>{}</detail></problem>",
            ] {
                let body = body.replace("{}", no_news);
                assert_eq!(in_xml(&body), some("Back at noon"), "{body}");
            }
            let alone = format!("<Error><Message>{no_news}</Message></Error>");
            assert_eq!(in_xml(&alone), some(no_news));
        }
    }

    #[test]
    fn an_empty_or_nil_message_leaves_the_word_to_others() {
        for empty in [
            "<Message/>",
            "<Message></Message>",
            "<Message> \n</Message>",
            "<Message i:nil=\"true\"/>",
            "<Message i:nil='true'></Message>",
            "<a:Message><!-- No --></a:Message>",
            "<Message><![CDATA[]]></Message>",
        ] {
            for (other, expected) in [
                (
                    "<ModelState><bill.rate>Too low.</bill.rate><b>No</b></ModelState>",
                    "bill.rate: Too low.",
                ),
                (
                    "<a:ModelState><a:rate><x>Too low.</x><x>No</x></a:rate></a:ModelState>",
                    "rate: Too low.",
                ),
                (
                    "<ModelState><a/><rate></rate><b>Too low.</b></ModelState>",
                    "b: Too low.",
                ),
                ("<ExceptionMessage>Too low.</ExceptionMessage>", "Too low."),
                ("<MessageDetail>Too low.</MessageDetail>", "Too low."),
                (
                    "<InnerException><ExceptionMessage>Too low.</ExceptionMessage></InnerException>",
                    "Too low.",
                ),
            ] {
                for body in [
                    format!("<Error>{empty}{other}</Error>"),
                    format!("<Error>{other}{empty}<Code>7</Code></Error>"),
                ] {
                    assert_eq!(in_xml(&body), some(expected), "{body}");
                }
            }
        }
    }

    #[test]
    fn every_name_of_a_message_is_known() {
        for name in [
            "message",
            "faultstring",
            "errorMessage",
            "error_description",
            "error",
            "detail",
            "ExceptionMessage",
            "MessageDetail",
        ] {
            let body = format!("<r><{name}>Too low.</{name}></r>");
            assert_eq!(in_xml(&body), some("Too low."), "{body}");
        }
        for name in ["msg", "title", "description", "reason"] {
            for parent in ["error", "problem"] {
                let body = format!("<{parent}><{name}>Too low.</{name}></{parent}>");
                assert_eq!(in_xml(&body), some("Too low."), "{body}");
            }
            let body = format!("<ledger><{name}>private</{name}></ledger>");
            let is_a_page_s = name == "title";
            assert_eq!(
                in_xml(&body),
                some("private").filter(|_| is_a_page_s),
                "{body}"
            );
        }
        for body in [
            "<r><string>private</string></r>",
            "<r><details>private</details></r>",
        ] {
            assert_eq!(in_xml(body), None, "{body}");
        }
    }

    #[test]
    fn a_string_that_holds_others_is_a_document() {
        let body = "<string><code>private</code><message>Back at noon</message></string>";
        assert_eq!(in_xml(body), some("Back at noon"));
    }

    #[test]
    fn what_holds_others_is_no_text() {
        for body in [
            "<error><code>7</code></error>",
            "<r><error>No<code>7</code>No</error></r>",
            "<r><detail><id>7</id></detail></r>",
            "<r><Reason><Code>7</Code></Reason></r>",
            "<r><Text>No</Text></r>",
        ] {
            assert_eq!(in_xml(body), None, "{body}");
        }
    }

    #[test]
    fn one_that_was_cut_off_says_nothing_and_hides_nothing() {
        for body in [
            "<Error><Message>cut o",
            "<Error><Message>cut o</Mess",
            "<Error><Message",
        ] {
            assert_eq!(in_xml(body), None, "{body}");
        }
        let body = "<Error><Detail>Back at noon</Detail><Message>cut o";
        assert_eq!(in_xml(body), some("Back at noon"));
        let body = "<Error><Message>Back at noon</Message><StackTrace>at Led";
        assert_eq!(in_xml(body), some("Back at noon"));
    }

    #[test]
    fn what_a_document_declares_is_not_read() {
        let error = "<Error><Message>Back at noon</Message></Error>";
        for prolog in [
            "<!DOCTYPE Error>",
            "<!DOCTYPE Error SYSTEM \"a>b.dtd\">",
            "<!DOCTYPE Error PUBLIC '-//X//[>' \"x\" [ ] >",
            "<!DOCTYPE Error [<!ELEMENT Error ANY>\n<!ENTITY m \"<Message>No</Message>\">]>",
            "<!DOCTYPE Error [<!ENTITY m 'x > <html><Message>No</Message></html>'>]>",
            "<!DOCTYPE Error [<!-- it's ]> <p> <Message>No</Message> -->]>",
            "\n<!-- <html> --><?x <html> ?>\n<!DOCTYPE Error [<!ENTITY m ']><html>'>]>\n<!-- <p> -->",
        ] {
            for start in ["", "\u{FEFF}", "\u{FEFF}<?xml version=\"1.0\"?>\n"] {
                let body = format!("{start}{prolog}{error}");
                assert_eq!(in_xml(&body), some("Back at noon"), "{body}");
                assert_eq!(message("", 503, &body), some("Back at noon"), "{body}");
            }
        }
        let unknown = "<!DOCTYPE e [<!ENTITY m 'No'>]><e><Message>&m; at noon</Message></e>";
        assert_eq!(in_xml(unknown), some("&m; at noon"));
        for broken in [
            "<!DOCTYPE Error [",
            "<!DOCTYPE Error [<!ENTITY m \"",
            "<!DOCTYPE",
        ] {
            assert_eq!(in_xml(broken), None, "{broken}");
        }
    }
}

#[cfg(feature = "json")]
mod json {
    use super::*;

    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    fn in_json(body: &Value) -> Option<String> {
        message("application/json", 503, &body.to_string())
    }

    #[test]
    fn a_member_that_says_something_comes_before_one_that_does_not() {
        for no_news in NO_NEWS {
            for body in [
                json!({"error": no_news, "detail": "Back at noon"}),
                json!({"detail": no_news, "error": {"title": "Back at noon"}}),
                json!({"message": no_news, "errors": [{"message": "Back at noon"}]}),
                json!({"message": no_news, "errors": [no_news, {"msg": no_news}, "Back at noon"]}),
                json!({"message": [no_news, "Back at noon"]}),
                json!([{"message": no_news}, {"title": "Back at noon"}]),
                json!({"title": no_news, "errors": {"": [no_news, "Back at noon"]}}),
                json!({"Message": no_news, "ExceptionMessage": "Back at noon"}),
                json!({"Message": no_news, "MessageDetail": "Back at noon"}),
                json!({"error": {"message": no_news, "details": [{"message": "Back at noon"}]}}),
                json!({"": [no_news, "Back at noon"]}),
            ] {
                assert_eq!(in_json(&body), some("Back at noon"), "{body}");
            }
            for body in [
                json!({"message": no_news}),
                json!([{"title": no_news}, {"message": "error"}]),
                json!({"error": no_news, "errors": ["error"]}),
                json!({"errors": [no_news, "error"]}),
            ] {
                assert_eq!(in_json(&body), some(no_news), "{body}");
            }
        }
    }

    #[test]
    fn a_code_comes_between_the_two() {
        for code in [
            "INVALID_FIELD",
            "invalid_grant",
            "E-4711",
            "ledger.not_open",
        ] {
            let body = json!({"message": code, "title": "Back at noon"});
            assert_eq!(in_json(&body), some("Back at noon"), "{body}");
            let body = json!({"message": "Service Unavailable", "title": code});
            assert_eq!(in_json(&body), some(code), "{body}");
            let body = json!({"errors": ["error", code, "Back at noon"]});
            assert_eq!(in_json(&body), some(code), "{body}");
        }
        for word in ["Gesperrt", "closed", "zu", "満室", "R&D"] {
            let body = json!({"message": word, "title": "Back at noon"});
            assert_eq!(in_json(&body), some(word), "{body}");
        }
    }

    #[test]
    fn where_an_error_is_and_its_code_are_no_message() {
        for place in [
            json!({"loc": ["body"]}),
            json!({"field": "rate"}),
            json!({"code": "E 1"}),
            json!({"field": "rate", "code": "blank"}),
            json!({"path": ["ledger"], "locations": [{"line": 1}]}),
            json!({"source": {"pointer": "/rate"}, "id": "a b"}),
            json!({"type": "field", "value": "a b", "path": "rate"}),
            json!({"codes": ["a b"], "domain": "a b", "fields": ["rate"]}),
            json!({"codes": ["a b"]}),
            json!({"domain": "a b"}),
            json!({"fields": ["rate"]}),
            json!({"id": "a b"}),
            json!({"locations": ["a b"]}),
            json!({"location": "a b"}),
            json!({"param": "a b"}),
            json!({"path": "a b"}),
            json!({"pointer": "a b"}),
            json!({"source": "a b"}),
            json!({"status": "a b"}),
            json!({"target": "a b"}),
            json!({"type": "a b"}),
        ] {
            for name in [
                "errors",
                "detail",
                "details",
                "Errors",
                "message",
                "ModelState",
            ] {
                let body = json!({name: [place]});
                assert_eq!(in_json(&body), None, "{body}");
                let body = json!({name: [place, {"msg": "Too low."}]});
                assert_eq!(in_json(&body), some("Too low."), "{body}");
                let mut whole = place.clone();
                whole["msg"] = "Too low.".into();
                let body = json!({name: [whole, {"message": "no"}]});
                assert_eq!(in_json(&body), some("Too low."), "{body}");
            }
        }
    }

    #[test]
    fn every_name_of_a_message_is_known() {
        for name in [
            "message",
            "msg",
            "errorMessage",
            "error_message",
            "error-message",
            "errorMessages",
            "errorSummary",
            "ErrorText",
            "userMessage",
            "error_description",
            "errorDescription",
            "faultstring",
            "err",
            "error",
            "odata.error",
            "fault",
            "responseStatus",
            "detail",
            "details",
            "title",
            "errors",
            "ModelState",
            "ExceptionMessage",
            "MessageDetail",
            "InnerException",
        ] {
            let body = json!({"a": 7, name: "Too low."});
            assert_eq!(in_json(&body), some("Too low."), "{body}");
        }
        for name in ["exception", "response", "status"] {
            let body = json!({name: {"message": "Too low."}});
            assert_eq!(in_json(&body), some("Too low."), "{body}");
        }
        for name in ["non_field_errors", "__all__", "messages"] {
            for body in [
                json!({name: ["Too low."]}),
                json!({"errors": {name: ["Too low."]}}),
            ] {
                assert_eq!(in_json(&body), some("Too low."), "{body}");
            }
        }
    }

    #[test]
    fn the_object_of_an_error_may_describe_it() {
        for name in ["description", "defaultMessage", "reason"] {
            for body in [
                json!({"error": {name: "Too low.", "code": "a b"}}),
                json!({"errors": [{"field": "rate", name: "Too low."}]}),
                json!([{"code": "a b", name: "Too low."}]),
                json!({"details": [{name: "Too low."}]}),
                json!({"error": {name: "no", "title": "Too low."}}),
            ] {
                assert_eq!(in_json(&body), some("Too low."), "{body}");
            }
            for body in [
                json!({name: "private"}),
                json!({"code": 7, name: "private"}),
                json!({"data": {name: "private"}}),
                json!({"status": {name: "private"}}),
            ] {
                assert_eq!(in_json(&body), None, "{body}");
            }
        }
    }

    #[test]
    fn fields_are_named_however_deep_and_whatever_they_are_called() {
        for (body, expected) in [
            (
                json!({"errors": {"model.CustomerId": ["Too low."]}}),
                "model.CustomerId: Too low.",
            ),
            (
                json!({"errors": {"$.rate": ["Too low."]}}),
                "$.rate: Too low.",
            ),
            (
                json!({"errors": {"a": {"b": ["Too low."]}}}),
                "a.b: Too low.",
            ),
            (
                json!({"errors": {"a": [{"b": ["Too low."]}]}}),
                "a.b: Too low.",
            ),
            (json!({"a": {"b": {"c": ["Too low."]}}}), "a.b.c: Too low."),
            (json!({"a": [{}, {"b": ["Too low."]}]}), "a.b: Too low."),
            (
                json!({"errors": {"title": ["Too low."], "z": ["no"]}}),
                "title: Too low.",
            ),
            (
                json!({"errors": {"b": ["Too low."], "message": ["no"]}}),
                "b: Too low.",
            ),
            (json!({"errors": {"title": "Too low."}}), "Too low."),
            (
                json!({"errors": {"detail": "Too low.", "code": "a b"}}),
                "Too low.",
            ),
            (json!({"errors": {"": ["Too low."]}}), "Too low."),
            (json!({"errors": {"$": ["Too low."]}}), "Too low."),
            (
                json!({"errors": {"\u{202E}a\n": ["Too low."]}}),
                "a : Too low.",
            ),
        ] {
            assert_eq!(in_json(&body), some(expected), "{body}");
        }
        for body in [
            json!({"a": {"b": {"c": {"d": ["private"]}}}}),
            json!({"a": {"b": "private"}}),
            json!({"a": [{"b": "private"}]}),
            json!({"a": {"b": ["private"], "c": 7}}),
            json!({"a": {"b": ["private"]}, "c": 7}),
        ] {
            assert_eq!(in_json(&body), None, "{body}");
        }
    }

    #[test]
    fn the_better_name_speaks_and_what_is_around_comes_last() {
        for [better, other] in [
            ["message", "msg"],
            ["msg", "errorMessage"],
            ["errorMessage", "error_description"],
            ["errorText", "error_description"],
            ["userMessage", "error_description"],
            ["error_description", "error"],
            ["err", "detail"],
            ["fault", "detail"],
            ["detail", "title"],
            ["title", "errors"],
            ["errors", "ModelState"],
            ["ModelState", "ExceptionMessage"],
            ["ExceptionMessage", "MessageDetail"],
            ["MessageDetail", "InnerException"],
        ] {
            for body in [
                json!({better: "Too low.", other: "no"}),
                json!({other: "no", better: "Too low."}),
            ] {
                assert_eq!(in_json(&body), some("Too low."), "{body}");
            }
        }
        for around in ["exception", "response", "status"] {
            let body = json!({around: {"message": "private"}, "InnerException": "E_1"});
            assert_eq!(in_json(&body), some("E_1"), "{body}");
            let body = json!({"error": "Service Unavailable", around: {"message": "private"}});
            assert_eq!(in_json(&body), some("Service Unavailable"), "{body}");
            let body = json!({around: {"code": ["Too low."]}});
            let expected = format!("{around}.code: Too low.");
            assert_eq!(in_json(&body), some(&expected), "{body}");
            let body = json!({around: ["Too low."]});
            assert_eq!(
                in_json(&body),
                some(&format!("{around}: Too low.")),
                "{body}"
            );
            for body in [
                json!({around: "private"}),
                json!([{around: {"message": "private"}}]),
                json!({around: {"title": "private", "detail": "private"}}),
                json!({around: {"a": "private"}}),
                json!({around: {"a": "private"}, "rate": ["private"]}),
                json!({around: {"a": ["private"], "b": 7}}),
            ] {
                assert_eq!(in_json(&body), None, "{body}");
            }
        }
    }

    #[test]
    fn of_a_document_a_thousand_texts_are_judged() {
        let after = |count| {
            let mut errors = vec!["error"; count];
            errors.push("Back at noon");
            in_json(&json!({"errors": errors}))
        };
        assert_eq!(after(1023), some("Back at noon"));
        assert_eq!(after(1024), some("error"));
        let quoted = |count| {
            let error = json!({"message": json!({"message": "error"}).to_string()});
            let mut errors = vec![error; count];
            errors.push(json!({"message": "Back at noon"}));
            in_json(&json!({"errors": errors}))
        };
        assert_eq!(quoted(511), some("Back at noon"));
        assert_eq!(quoted(512), some("error"));
    }

    #[test]
    fn a_text_after_a_name_is_cut_with_it() {
        let body = json!({"errors": {"rate": ["x".repeat(600)]}});
        let message = in_json(&body).expect("a text");
        assert_eq!(message, format!("rate: {}", "x".repeat(506)));
    }

    /// The longest texts, names and lists that say nothing, with headers that name every word.
    #[test]
    fn many_members_that_say_nothing_are_read_in_one_pass() {
        let program = "zz ".repeat(42);
        let headers = [
            ("content-type", "application/json"),
            ("server", &*program),
            ("via", &*program),
            ("x-powered-by", &*program),
        ];
        let name = "n".repeat(32 * 1024);
        let quoted = "\"message\":\"{\\\"message\\\":\\\"error error error error\\\"}\",";
        for (start, unit, end) in [
            ("{\"errors\":[".to_owned(), "\"zz zz zz\",", "1]}"),
            ("{\"errors\":[".to_owned(), "\"error\",", "1]}"),
            (
                "{\"errors\":[".to_owned(),
                "{\"title\":\"Bad Request\"},",
                "1]}",
            ),
            ("{\"errors\":{".to_owned(), "\"a\":\"error\",", "\"b\":1}}"),
            (
                format!("{{\"errors\":{{\"{name}\":{{"),
                "\"title\":\"A\",\"title\":\"error\",",
                "\"b\":1}}}",
            ),
            (
                format!("{{\"{name}\":{{"),
                "\"a\":[\"error\"],",
                "\"b\":[]}}",
            ),
            ("{\"a\":[".to_owned(), "{\"b\":[\"error\"]},", "{}]}"),
            ("{".to_owned(), "\"message\":\"error\",", "\"b\":1}"),
            ("{".to_owned(), quoted, "\"b\":1}"),
        ] {
            let times = |size: usize| format!("{start}{}{end}", unit.repeat(size / unit.len()));
            let took = |body: &str| {
                let error = error(503, &headers, body);
                let begun = Instant::now();
                error.message();
                begun.elapsed()
            };
            let took = (0..4).map(|_| took(&times(1024 * 1024))).min();
            println!("{took:?} {unit}");
            assert!(took < Some(Duration::from_secs(4)), "{took:?}: {unit}");
        }
    }
}
