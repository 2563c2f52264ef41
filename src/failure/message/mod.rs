//! What a person would read in a failed response: one safe line.
//!
//! - `line`: makes a text safe to print.
//! - `status_line`: whether a text says more than the status does.
//! - `segments`: the parts of such a text.
//! - `best`: the most telling text of a document that has several.
//! - `names`: what is called a message.
//! - `place`: what a name means where it stands in JSON.
//! - `json`: which members of a document are telling.
//! - `fields`: objects that have nothing but texts, under the names of fields.
//! - `markup`: the tags and texts of HTML and XML.
//! - `elements`: what HTML's elements mean for a reader.
//! - `hidden`: where an element ends that nobody sees.
//! - `known`: whether a text says more than that there was an error.
//! - `stock`: sentences that stand on pages whatever the cause.
//! - `block`: a paragraph, a heading, a cell: what stands in it.
//! - `page`: the cause, the title or the first sentence of a page.
//! - `xml`: the message of a document that is no page.

use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

mod best;
mod block;
mod elements;
#[cfg(feature = "json")]
mod fields;
mod hidden;
#[cfg(feature = "json")]
mod json;
mod known;
mod line;
mod markup;
mod names;
mod page;
#[cfg(feature = "json")]
mod place;
mod segments;
mod status_line;
mod stock;
mod xml;

use self::known::Known;
pub(crate) use self::{line::one_line, status_line::beyond};

pub(crate) fn message(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Box<str>> {
    if is_encoded(headers, body) {
        return None;
    }
    let known = Known::new(status, headers);
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
    // What it holds may be what was asked for, in any form.
    if let Some(text) = xml::only_text(&text) {
        let text = text.trim_ascii_start();
        return match text.starts_with(['{', '[']) {
            true => from_json(text, &known).0,
            false => one_line(text).filter(|text| !text.starts_with('<')),
        };
    }
    let is_xml = xml::is_xml(&text);
    let in_xml = is_xml.then(|| xml::message(&text, &known)).flatten();
    in_xml.or_else(|| page::message(&text, is_xml, &known))
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

/// The names of codings that make a text unreadable.
const CODINGS: [&str; 7] = [
    "br",
    "compress",
    "deflate",
    "gzip",
    "x-compress",
    "x-gzip",
    "zstd",
];

/// Compressed bytes are no text; a decompressing layer inside ours removes the header. Some servers
/// name a coding that the body has not: it is a text like any other.
fn is_encoded(headers: &HeaderMap, body: &[u8]) -> bool {
    let names = headers.get_all(CONTENT_ENCODING).iter();
    let mut names = names.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let is_coding = |name: &[u8]| {
        let name = name.trim_ascii();
        let mut known = CODINGS.iter();
        known.any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    };
    names.any(is_coding) && !is_plain(body)
}

/// Whether it has letters, and nothing that no text has.
fn is_plain(body: &[u8]) -> bool {
    let is_odd = |c: char| c.is_control() && !c.is_whitespace();
    let text = String::from_utf8_lossy(body);
    !is_broken(body) && text.contains(char::is_alphabetic) && !text.contains(is_odd)
}
