//! The message: one safe line of what a failed response says, or none. The rules, in order:
//!
//! 1. A body is text if it is UTF-8 without NUL and its media type is `text/*`, JSON, XML or
//!    missing. A `Content-Encoding` counts only if the text has control characters.
//! 2. Texts are offered in one order, at most 256. A sentence wins over a code, a code over a text
//!    that says nothing, among equals the first (`candidates`).
//! 3. A text says something if one of its words is not the status, a word of all error pages, a
//!    host, a version or a server. A code is such a text of one word (`candidates`: the words).
//! 4. JSON: `message`, `error`, `detail`, … in the order of one list, and what is below them, to
//!    depth 4. In `errors` and `ModelState` member names are fields (`json`: the names).
//! 5. XML: seven elements, if they hold only text (`xml`: the names, and the tags of 5 and 6).
//! 6. HTML: the title. If it says nothing: `#error`, then the first `<p>`, `<pre>` or heading that
//!    says something, else the title as it is. Hidden elements are not read (`html`).
//! 7. Plain text: all of it.
//! 8. A line has at most 512 bytes and no control, bidirectional or invisible characters.
//!    `Display` shows the status once (`line`, and `status_line` beside this folder).
//! 9. Requested data is never shown: no other member or element, no JSON or XML in a text.
//! 10. Linear time: the body is parsed once.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::status::StatusCode;

mod candidates;
mod html;
#[cfg(feature = "json")]
mod json;
pub(super) mod line;
#[cfg(test)]
mod tests;
mod xml;

use self::candidates::{Candidates, Worth};
pub(crate) use self::candidates::{has_word, says_more};

pub(crate) fn message(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Box<str>> {
    let mut candidates = Candidates::new(status, headers);
    read(headers, body, &mut candidates);
    candidates.best.map(|(_, _, line)| line)
}

fn read(headers: &HeaderMap, body: &[u8], candidates: &mut Candidates<'_>) {
    let media_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |v| v.as_bytes());
    let name = media_type.split(|byte| *byte == b';').next();
    let media_type = name.unwrap_or(b"").trim_ascii().to_ascii_lowercase();
    let is = |suffixes: [&[u8]; 2]| suffixes.iter().any(|suffix| media_type.ends_with(suffix));
    let (is_json, is_xml) = (is([b"/json", b"+json"]), is([b"/xml", b"+xml"]));
    let is_text = media_type.is_empty() || media_type.starts_with(b"text/");
    let Some(text) = text(headers, body).filter(|_| is_text || is_json || is_xml) else {
        return;
    };
    let is_json = is_json && text.starts_with(['{', '[', '"']);
    #[cfg(feature = "json")]
    if (is_json || text.starts_with(['{', '['])) && json::read(text, candidates) {
        return;
    }
    let is_html = is([b"text/html", b"/xhtml+xml"]) && text.contains('<');
    if is_html || starts_as_html(text) {
        html::read(text, candidates);
    } else if text.starts_with('<') {
        xml::read(text, candidates);
    } else if !is_json {
        candidates.offer(0, Worth::Nothing, "", text);
    }
}

/// Returns the body if it is text. A character that was cut off at the end is dropped.
fn text<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<&'a str> {
    let body = without_bom(body);
    let end = match std::str::from_utf8(body) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => body.len(),
    };
    let text = std::str::from_utf8(body.get(..end)?).ok()?;
    let is_odd = |c: char| c.is_control() && !c.is_whitespace();
    let is_coded = headers.contains_key(CONTENT_ENCODING) && text.contains(is_odd);
    (!is_coded && !text.contains('\0')).then(|| text.trim())
}

/// Strips the byte order mark that Windows servers put before a file.
pub(crate) fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

fn starts_as_html(text: &str) -> bool {
    ["<!doctype html", "<html"].iter().any(|tag| {
        let start = text.get(..tag.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(tag))
    })
}
