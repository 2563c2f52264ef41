//! What is read in the pages and texts of servers, and how it is printed beside the status. Needs no
//! feature.

use std::convert::Infallible;

use crate::support::{Refused, get, layer};
use bytes::Bytes;
use futures_executor::block_on;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use revio_status::StatusError;
use tower::{Layer, ServiceExt, service_fn};

fn error(status: u16, fields: &[(&'static str, &str)], body: impl Into<Bytes>) -> StatusError {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().expect("a header value"));
    }
    let body = body.into();
    let inner = service_fn(move |_| {
        let mut response = Response::new(Full::new(body.clone()));
        *response.status_mut() = StatusCode::from_u16(status).expect("a valid status");
        *response.headers_mut() = headers.clone();
        async move { Ok::<_, Infallible>(response) }
    });
    block_on(layer().never_retry().layer(inner).oneshot(get())).refused()
}

fn of_type(media_type: &str, status: u16, body: &str) -> StatusError {
    error(status, &[("content-type", media_type)], body.to_owned())
}

fn page(status: u16, body: &str) -> Option<String> {
    let error = of_type("text/html; charset=utf-8", status, body);
    error.message().map(str::to_owned)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A page with this title and this body.
fn html(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body>\n{body}\n</body></html>\n"
    )
}

#[test]
fn the_status_is_said_once() {
    for (status, text) in [
        (503, "503 Service Unavailable"),
        (503, "503 service unavailable"),
        (503, "503: Service Unavailable"),
        (503, "503 - Service Unavailable."),
        (503, "Error 503"),
        (503, "error: 503"),
        (503, "HTTP Error 503"),
        (503, "HTTP ERROR 503 Service Unavailable"),
        (503, "HTTP Status 503 – Service Unavailable"),
        (503, "HTTP/1.1 503 Service Unavailable"),
        (503, "HTTP Error 503. The service is unavailable."),
        (503, "Error 503 (Service Unavailable)"),
        (503, "503 Service Temporarily Unavailable"),
        (503, "503 Service Not Available"),
        (503, "Status code: 503"),
        (503, "503"),
        (504, "504 Gateway Time-out"),
        (504, "Gateway Timeout"),
        (408, "408 Request Time-out"),
        (404, "404 page not found"),
        (404, "Not Found"),
        (401, "401 Authorization Required"),
        (405, "405 Not Allowed"),
        (413, "413 Request Entity Too Large"),
        (414, "414 Request-URI Too Large"),
        (416, "416 Requested Range Not Satisfiable"),
        (500, "500 - Internal server error."),
        (502, "502 Proxy Error"),
    ] {
        let alone = error(status, &[], "").to_string();
        for (media_type, body) in [
            ("text/plain", text.to_owned()),
            ("text/html", html(text, "<hr>")),
        ] {
            let error = of_type(media_type, status, &body);
            assert_eq!(error.to_string(), alone, "{body}");
        }
    }
}

#[test]
fn what_follows_the_status_is_said_after_it() {
    for (status, text, shown) in [
        (503, "503: Back at noon", "Back at noon"),
        (503, "503 Backend fetch failed", "Backend fetch failed"),
        (503, "Error 503 Back at noon", "Back at noon"),
        (503, "HTTP ERROR: 503 - Back at noon", "Back at noon"),
        (503, "503 Service Unavailable: Back at noon", "Back at noon"),
        (
            503,
            "503 Service Unavailable\n\nBack at noon",
            "Back at noon",
        ),
        (503, "Service Unavailable - Back at noon", "Back at noon"),
        (
            503,
            "HTTP/1.0 503 Service Unavailable; Back at noon",
            "Back at noon",
        ),
        (503, "(503) Back at noon", "Back at noon"),
        (
            500,
            "500 Internal Server Error\n\nServer got itself in trouble",
            "Server got itself in trouble",
        ),
        (
            502,
            "Error reading from remote server",
            "Error reading from remote server",
        ),
        (
            404,
            "404 customers have no bill profile",
            "404 customers have no bill profile",
        ),
        (
            404,
            "Not found in this account",
            "Not found in this account",
        ),
        (
            401,
            "Unauthorized access to bill 7",
            "Unauthorized access to bill 7",
        ),
        (503, "504 Gateway Timeout", "504 Gateway Timeout"),
        (503, "5030 rows are locked", "5030 rows are locked"),
    ] {
        let expected = format!("{}: {shown}", error(status, &[], ""));
        assert_eq!(of_type("text/plain", status, text).to_string(), expected);
    }
}

#[test]
fn a_title_that_says_more_is_the_message() {
    for title in [
        "503 Backend fetch failed",
        "Back at noon",
        "503 Service Unavailable: Back at noon",
        "Customer not found",
        "Error 1015",
        "サービスを利用できません",
    ] {
        assert_eq!(
            page(503, &html(title, "<p>Another sentence.</p>")),
            some(title)
        );
    }
}

#[test]
fn where_the_title_says_no_more_than_the_status_the_first_sentence_speaks() {
    for title in [
        "503 Service Unavailable",
        "503: Service Unavailable",
        "Error 503",
        "HTTP Error 503",
        "Service Unavailable",
        "Error",
        "ERROR!",
        "Error Page",
        "An error has occurred",
        "Oops! Something went wrong",
        "Apache Tomcat/10.1.7 - Error report",
        "nginx error!",
        "nginx/1.22.1",
        "Microsoft-Azure-Application-Gateway/v2",
        "IIS 10.0 Detailed Error - 503.0 - Service Unavailable",
        "UnheardOfProxy/3.1",
        "",
        " &nbsp; ",
    ] {
        for body in [
            "<h1>Error</h1><p>Back at <b>noon</b>.</p><p>Another sentence.</p>",
            "<pre>Back at noon.</pre>",
            "<pre>\n\n  Back at noon.<br> &nbsp; &nbsp;at /app/index.js:5:9\n  at other</pre>",
            "<p></p><p>&nbsp;</p><p>503 Service Unavailable</p><P class=a>Back at noon.",
            "<p>Error code: 503</p><p>Back\n   at <!-- not <p> -->noon&#46;<div>No.</div>",
            "<script>\"<p>No.</p>\"</script><style>/*<p>No.*/</style><!--<p>No.--><p>Back at noon.",
            "<template><p>No.</p></template><noscript><p>No.</p></noscript><p>Back at noon.</p>",
            "<p hidden>No.</p><div style='DISPLAY : none'><p>No.</p></div><p>Back at noon.</p>",
            "<hr hidden><br hidden><img hidden><p>Back at noon.</p>",
            "<nav><p>No.</nav><p hidden>No.<p>Back at noon.</p>",
            "<p>Back<script>'no'</script> at <span hidden>no</span>noon.</p><footer><p>nginx</p></footer>",
        ] {
            let body = html(title, body);
            assert_eq!(page(503, &body), some("Back at noon."), "{body}");
        }
    }
}

#[test]
fn a_title_of_a_program_that_a_header_names_says_nothing() {
    let body = html("Acme Gate", "<p>Back at noon.</p>");
    for (name, value) in [
        ("server", "acme-gate/2"),
        ("via", "1.1 acme (gate)"),
        ("x-powered-by", "Acme Gate"),
    ] {
        let fields = [("content-type", "text/html"), (name, value)];
        let error = error(503, &fields, body.clone());
        assert_eq!(error.message(), Some("Back at noon."), "{value}");
    }
    assert_eq!(page(503, &body), some("Acme Gate"));
}

#[test]
fn without_a_sentence_the_title_is_all() {
    for body in [
        "",
        "<h1>502 Bad Gateway</h1><hr><center>nginx</center>",
        "<p>nginx</p>",
    ] {
        assert_eq!(
            page(502, &html("502 Bad Gateway", body)),
            some("502 Bad Gateway")
        );
    }
    assert_eq!(page(502, "<h1>502 Bad Gateway</h1>"), None);
    assert_eq!(page(502, "<p>No upstream.</p>"), some("No upstream."));
}

#[test]
fn what_the_page_marks_as_the_error_is_the_cause() {
    let title = "ERROR: The requested URL could not be retrieved";
    for body in [
        "<p>No: <a href='/'>here</a></p><blockquote id=\"error\">\n<p><b>Access Denied.</b></p>\n</blockquote><p>No.</p>",
        "<div ID='Error'><h2>503 Service Unavailable</h2>Access Denied.</div>",
        "<p id=error>Access Denied.<p>No.",
        "<p>No.</p><span class=x id=error>Access Denied.</span>",
        "<div id=error><div></div><b>Access</b> <i>Denied.</i></div>",
    ] {
        assert_eq!(
            page(503, &html(title, body)),
            some("Access Denied."),
            "{body}"
        );
        assert_eq!(
            page(503, &html("FEHLER: Der URL ist nicht da", body)),
            some("Access Denied.")
        );
    }
    for empty in [
        "<p id=error></p>",
        "<input id=error>",
        "<div id=error><p>503</p></div>",
    ] {
        let body = format!("{empty}<p>Back at noon.</p>");
        assert_eq!(
            page(503, &html(title, &body)),
            some("Back at noon."),
            "{body}"
        );
    }
}

#[test]
fn the_reason_follows_the_sentence() {
    let apache = "<h1>Proxy Error</h1>\n<p>The proxy server received an invalid\r\nresponse from an upstream server.<br />\r\n\
        The proxy server could not handle the request<p>Reason: <strong>Error reading from remote server</strong></p></p>";
    assert_eq!(
        page(502, &html("502 Proxy Error", apache)),
        some(
            "The proxy server received an invalid response from an upstream server. \
             The proxy server could not handle the request Reason: Error reading from remote server"
        )
    );
    let jetty = "<h2>HTTP ERROR 503</h2>\n<p>Problem accessing /v1. Reason:\n<pre>    Back at noon</pre></p><hr>";
    assert_eq!(
        page(503, &html("Error 503", jetty)),
        some("Problem accessing /v1. Reason: Back at noon")
    );
}

#[test]
fn a_title_that_nobody_sees_is_none() {
    for hidden in [
        "<!-- <title>No</title> -->",
        "<!-- a > b -- ><title>No</title> --!>",
        "<!--- <title>No</title> --->",
        "<!-->",
        "<!--->",
        "<style>/* <title>No</title> */</style>",
        "<script type='text/javascript'>document.write('<title>No</title>')</script >",
        "<SCRIPT>if (a </b) '</scripts><title>No</title>'</Script>",
        "<textarea><title>No</title></textarea>",
        "<noscript><title>No</title></noscript>",
        "<iframe><title>No</title></iframe>",
        "<template><title>No</title></template>",
        "<svg><title>No</title></svg>",
        "<meta content='<title>No</title>'>",
        "<meta content=\"<title>No</title>\" name = x>",
        "<? <title>",
        "<![CDATA[ <title>",
    ] {
        let body = format!("<html><head>{hidden}<title>Back at noon</title></head></html>");
        assert_eq!(page(503, &body), some("Back at noon"), "{body}");
    }
}

#[test]
fn names_of_characters_are_read() {
    let title = "HTTP Status 503 &ndash; Zur&uuml;ck um 12&nbsp;Uhr &hellip; &copy;&Agrave;&yuml;&euro; &unheard;&";
    let error = of_type("text/html", 503, &html(title, ""));
    assert_eq!(
        error.to_string(),
        "503 Service Unavailable: Zurück um 12 Uhr … ©Àÿ€ &unheard;&"
    );
}

#[test]
fn a_document_says_its_message() {
    for body in [
        "<Error><Message>No such bill.</Message></Error>",
        "\u{FEFF}<Error><Message>No such bill.</Message></Error>",
        "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Error><Code>7</Code><Message>\n No such\n bill.</Message></Error>",
        "<?xml version='1.0'?><Error xmlns=\"urn:x\"><!-- <Message>No</Message> --><message lang='a>b'>No such bill.</message><Message>No</Message></Error>",
        "<m:error xmlns:m='urn:x'><m:code /><m:message xml:lang=\"en-US\">No such bill.</m:message></m:error>",
        "<Error><Message/><Message> </Message><Message><![CDATA[No such bill.]]></Message></Error>",
        "<Error><Message><Text>No such</Text> bill&#46;</Message></Error>",
        "<Errors><title>No</title><p>No</p><Error><MESSAGE>No such bill.</MESSAGE></Error></Errors>",
    ] {
        for media_type in [
            "application/xml",
            "text/xml; charset=utf-8",
            "application/problem+xml",
            "text/html",
            "text/plain",
            "application/json",
            "",
        ] {
            let error = of_type(media_type, 404, body);
            assert_eq!(
                error.message(),
                Some("No such bill."),
                "{media_type}: {body}"
            );
        }
    }
    for nothing in [
        "<Error><Code>7</Code></Error>",
        "<Error><Message>cut o",
        "<Error><MessageType>No</MessageType><MessageId>No</MessageId></Error>",
        "<Error Message=\"No\"/>",
        "%PDF-1.4",
    ] {
        assert_eq!(
            of_type("application/xml", 404, nothing).message(),
            None,
            "{nothing}"
        );
    }
    let cdata = "<Error><Message><![CDATA[a > b &amp; <i>]]></Message></Error>";
    assert_eq!(
        of_type("text/xml", 400, cdata).message(),
        Some("a > b &amp; <i>")
    );
}

#[test]
fn a_text_called_json_is_a_text() {
    for text in ["upstream request timeout", "Back at noon"] {
        assert_eq!(of_type("application/json", 500, text).message(), Some(text));
    }
    let page = html("Back at noon", "");
    assert_eq!(
        of_type("application/json", 503, &page).message(),
        Some("Back at noon")
    );
}

#[test]
fn a_body_that_is_compressed_is_no_message() {
    let gzip = b"\x1F\x8B\x08\x10\x01\x01\x01\x01\x02\x03+\xC8".as_slice();
    let zstd = b"\x28\xB5\x2F\xFD plain".as_slice();
    for (codings, body, expected) in [
        (&["gzip"][..], gzip, None),
        (&["GZIP"], gzip, None),
        (&["x-gzip"], gzip, None),
        (&["identity", "Gzip"], gzip, None),
        (&["br, gzip"], gzip, None),
        (&["br"], b"\x0B\x02\x80plain\x03", None),
        (&["br"], b";", None),
        (&["deflate"], b"x\x9C+\xC8I\xCC\xCC\x03", None),
        (&["compress"], b"\x1F\x9D\x90p\xD8", None),
        (&["x-compress"], b"\x1F\x9D\x90p\xD8", None),
        (&["utf-8", "br"], b"plain\0", None),
        (&["zstd"], zstd, None),
        (&["gzip", "br"], b"plain", Some("plain")),
        (&["gzip, br"], b"Back\r\n\tat noon", Some("Back at noon")),
        (&["BR"], b"plain", Some("plain")),
        (&["identity, deflate"], b"plain", Some("plain")),
        (&["zstd"], "Zur\u{FC}ck".as_bytes(), Some("Zur\u{FC}ck")),
        (&["br"], b"cut off \xE2\x82", Some("cut off \u{FFFD}")),
        (&["br"], b"<title>plain</title>", Some("plain")),
        (&["gzip"], b"plain", Some("plain")),
        (&["GZip"], b"plain", Some("plain")),
        (&["br", "gzip"], b"plain", Some("plain")),
        (&["zstd"], b"plain", Some("plain")),
        (&["compress"], b"plain", Some("plain")),
        (&["identity"], b"plain", Some("plain")),
        (&["utf-8"], b"plain", Some("plain")),
        (&["gzip"], b"<title>plain</title>", Some("plain")),
    ] {
        let mut fields = vec![("content-type", "text/plain")];
        fields.extend(codings.iter().map(|coding| ("content-encoding", *coding)));
        let error = error(500, &fields, body);
        assert_eq!(error.message(), expected, "{codings:?} {body:?}");
    }
}

#[test]
fn bytes_of_no_type_are_shown_if_they_are_text() {
    let of = |body: &'static [u8]| error(500, &[], body).message().map(str::to_owned);
    assert_eq!(of(b"Back at noon"), some("Back at noon"));
    assert_eq!(of("Zurück um zwölf".as_bytes()), some("Zurück um zwölf"));
    assert_eq!(of(b"cut off \xE2\x82"), some("cut off \u{FFFD}"));
    assert_eq!(of(b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n1 0 obj"), None);
    assert_eq!(of(b"\xFF\xD8\xFF\xE0 JFIF"), None);
}

#[test]
fn nothing_that_hides_text_is_printed() {
    let hiding = [
        0xAD..=0xAD,
        0x34F..=0x34F,
        0x61C..=0x61C,
        0x115F..=0x1160,
        0x17B4..=0x17B5,
        0x180B..=0x180F,
        0x200B..=0x200B,
        0x200E..=0x200F,
        0x202A..=0x202E,
        0x2060..=0x206F,
        0x2800..=0x2800,
        0x3164..=0x3164,
        0xFE00..=0xFE0E,
        0xFEFF..=0xFEFF,
        0xFFA0..=0xFFA0,
        0xFFF0..=0xFFFB,
        0x1BCA0..=0x1BCA3,
        0x1D173..=0x1D17A,
        0xE0000..=0xE0FFF,
    ];
    for number in hiding.into_iter().flatten() {
        let character = char::from_u32(number).expect("a character");
        let error = of_type("text/plain", 500, &format!("pay{character}ment"));
        assert_eq!(error.message(), Some("payment"), "{number:X}");
        let error = of_type("text/html", 500, &html(&format!("pay&#{number};ment"), ""));
        assert_eq!(error.message(), Some("payment"), "{number:X}");
    }
}

/// The words of a page are compared with those of the headers. Were it each with each, this would not
/// end.
#[test]
fn many_words_and_long_headers_are_read_in_one_pass() {
    for words in [60, 500_000] {
        let body = format!("<p>{}", "zz ".repeat(500_000));
        let name = format!("{}zz", "x ".repeat(words));
        let response = Response::builder()
            .status(503)
            .header("content-type", "text/html")
            .header("server", name);
        let response = response.body(Bytes::from(body)).expect("valid");
        let error = StatusError::from_response(response).expect("a failure");
        assert_eq!(error.message().is_some(), words > 60, "{words}");
    }
}
