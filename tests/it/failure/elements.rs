//! How the elements of a page part, hide and name its texts. Needs no feature.

use bytes::Bytes;
use http::Response;
use revio_status::StatusError;

fn of_type(media_type: &str, body: &str) -> Option<String> {
    let response = Response::builder()
        .status(503)
        .header("content-type", media_type)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .expect("valid");
    let error = StatusError::from_response(response).expect("a failure");
    error.message().map(str::to_owned)
}

fn page(body: &str) -> Option<String> {
    of_type("text/html", &format!("<title>Error</title>{body}"))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_block_ends_the_text_before_it_and_its_own() {
    for name in [
        "article",
        "aside",
        "blockquote",
        "center",
        "dd",
        "details",
        "dialog open",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "li",
        "main",
        "menu",
        "ol",
        "p",
        "pre",
        "search",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ] {
        let body = format!("Error<{name}>503<div>Error</div><p>Back at noon.");
        assert_eq!(page(&body), some("Back at noon."), "{body}");
        let body = format!("Back at noon<{name}>503");
        assert_eq!(page(&body), some("Back at noon"), "{body}");
    }
    for name in ["b", "em", "font", "i", "ins", "span", "u"] {
        let body = format!("Back <{name}>at</{name}> noon");
        assert_eq!(page(&body), some("Back at noon"), "{body}");
    }
}

#[test]
fn what_has_no_end_hides_nothing_but_itself() {
    for name in [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source",
        "track", "wbr",
    ] {
        let body = format!("<{name} hidden><p>Back at noon.</p>");
        assert_eq!(page(&body), some("Back at noon."), "{body}");
    }
}

#[test]
fn what_is_no_text_and_what_is_beside_it_is_not_read() {
    for name in [
        "address", "button", "footer", "iframe", "math", "nav", "noembed", "noframes", "noscript",
        "object", "script", "select", "style", "svg", "template", "textarea",
    ] {
        let body = format!("<{name}><p>No one</p> at all</{name}>Back at noon");
        assert_eq!(page(&body), some("Back at noon"), "{body}");
    }
    for style in [
        "display:none",
        "color: red; DISPLAY : none",
        "visibility: hidden",
    ] {
        let body = format!("<p style='{style}'>No one</p><p>Back at noon.</p>");
        assert_eq!(page(&body), some("Back at noon."), "{body}");
    }
}

#[test]
fn where_debuggers_show_what_was_thrown_is_the_cause() {
    for class in ["exception_value", "errormsg", "titleerror"] {
        let body = format!("<p>No, this.</p><div class='a {class}'>Ledger is shut</div>");
        assert_eq!(page(&body), some("Ledger is shut"), "{body}");
    }
}

#[test]
fn characters_have_the_names_of_html() {
    let body = "<p>&lt;&amp;&gt; &quot;&apos; &ndash;&mdash; &lsquo;&rsquo;&sbquo; &ldquo;&rdquo;&bdquo; \
        &lsaquo;&rsaquo; &hellip; &bull; &euro; &trade; &rarr; a&NewLine;b&Tab;c &nbsp;&copy; &yuml; &none;</p>";
    let said = "<&> \"' –— ‘’‚ “”„ ‹› … • € ™ → a b c © ÿ &none;";
    assert_eq!(page(body), some(said));
}

/// What begins with another element is no page, and what stands in no paragraph there is data.
#[test]
fn a_page_may_begin_with_any_of_these() {
    for name in [
        "a", "article", "b", "body", "center", "div", "em", "font", "h1", "h2", "h3", "h4",
        "header", "html", "i", "main", "p", "pre", "section", "span", "strong", "table",
    ] {
        let body = format!("<{name}>Back at noon</{name}>");
        let said = of_type("application/xml", &body);
        let is_a_link = name == "a";
        assert_eq!(said, some("Back at noon").filter(|_| !is_a_link), "{body}");
    }
    for start in [
        "<a href='/'>Home</a>",
        "<base>",
        "<br>",
        "<head></head>",
        "<hr>",
        "<img>",
        "<link>",
        "<meta>",
        "<script></script>",
        "<style></style>",
        "<title></title>",
    ] {
        let body = format!("{start}<div>We are back at noon</div>");
        let said = of_type("application/xml", &body);
        assert_eq!(said, some("We are back at noon"), "{body}");
    }
    let data = "<ledger><b>Back at noon</b></ledger>";
    assert_eq!(of_type("application/xml", data), None);
}
