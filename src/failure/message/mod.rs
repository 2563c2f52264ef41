//! What a person would read in a failed response: one safe line.
//!
//! - `line`: makes a text safe to print.
//! - `status_line`: whether a text says more than the status does.
//! - `best`: the most telling text of a document that has several.
//! - `json`: which members of a document are telling.
//! - `fields`: objects that have nothing but texts, under the names of fields.
//! - `markup`: the tags and texts of HTML and XML.
//! - `elements`: what HTML's elements mean for a reader.
//! - `known`: whether a text says more than that there was an error.
//! - `page`: the cause, the title or the first sentence of a page.
//! - `xml`: the message of a document that is no page.

use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

mod best;
mod elements;
#[cfg(feature = "json")]
mod fields;
#[cfg(feature = "json")]
mod json;
mod known;
mod line;
mod markup;
mod page;
mod status_line;
mod xml;

use self::known::Known;
pub(crate) use self::{line::one_line, status_line::beyond};

pub(crate) fn message(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Box<str>> {
    if is_encoded(headers, body) {
        return None;
    }
    let known = Known { status, headers };
    let body = without_bom(body).trim_ascii();
    let media_type = media_type(headers);
    let text = String::from_utf8_lossy(body);
    let is_json = media_type.ends_with("/json") || media_type.ends_with("+json");
    // Frameworks send JSON under any name, and anything under the name of JSON.
    let is_document = text.starts_with(['{', '[']);
    if is_json || is_document {
        let (found, is_well_formed) = from_json(&text, &known);
        if found.is_some() || is_well_formed || is_json && is_document {
            return found;
        }
    }
    let is_html = matches!(&*media_type, "text/html" | "application/xhtml+xml");
    let is_xml = media_type.ends_with("/xml") || media_type.ends_with("+xml");
    let is_markup = text.starts_with('<') || is_html && text.contains('<');
    let is_text = media_type.starts_with("text/") || is_html || is_xml && is_markup;
    // Where nobody says that it is text it may be anything: a PDF, an image, a compressed page.
    let is_like_text = (is_json || media_type.is_empty()) && !is_broken(body);
    if !(is_text || is_like_text) || text.contains('\0') {
        return None;
    }
    if !is_markup {
        return one_line(&text);
    }
    let in_xml = xml::is_xml(&text)
        .then(|| xml::message(&text, &known))
        .flatten();
    in_xml.or_else(|| page::message(&text, status, headers))
}

/// Windows servers put one before the text of files they serve.
pub(crate) fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// Whether this is no UTF-8, not even UTF-8 that was cut off.
fn is_broken(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_err_and(|error| error.error_len().is_some())
}

#[cfg(feature = "json")]
fn from_json(text: &str, known: &Known<'_>) -> (Option<Box<str>>, bool) {
    json::search(text, known)
}

/// Without a parser, what begins like a document says nothing: it is no text for a person.
#[cfg(not(feature = "json"))]
fn from_json(text: &str, _: &Known<'_>) -> (Option<Box<str>>, bool) {
    (None, text.starts_with(['{', '[']))
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], |v| v.as_bytes());
    let essence = value.split(|byte| *byte == b';').next().unwrap_or(value);
    String::from_utf8_lossy(essence.trim_ascii()).to_ascii_lowercase()
}

/// The names of codings, and what a body begins with that has one, where that can be told.
const CODINGS: [(&str, Option<&[u8]>); 7] = [
    ("br", None),
    ("compress", Some(b"\x1F\x9D")),
    ("deflate", None),
    ("gzip", Some(b"\x1F\x8B")),
    ("x-compress", Some(b"\x1F\x9D")),
    ("x-gzip", Some(b"\x1F\x8B")),
    ("zstd", Some(b"\x28\xB5\x2F\xFD")),
];

/// Compressed bytes are no text; a decompressing layer inside ours removes the header. Some servers
/// name a charset here, which is no coding, or a coding that the body has not.
fn is_encoded(headers: &HeaderMap, body: &[u8]) -> bool {
    let coding = |name: &str| {
        let is_named = |(known, _): &&(&str, _)| known.eq_ignore_ascii_case(name.trim());
        CODINGS.iter().find(is_named)
    };
    let named = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    // The last one was done last, and shows.
    let last = named.filter_map(coding).next_back();
    last.is_some_and(|(_, start)| start.is_none_or(|start| body.starts_with(start)))
}
