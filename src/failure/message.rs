//! What a person would read in a failed response: one safe line out of JSON, HTML or plain text.

use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

#[cfg(feature = "json")]
mod json;

/// The longest message, in bytes.
const LONGEST: usize = 512;

pub(crate) fn message(headers: &HeaderMap, body: &[u8]) -> Option<Box<str>> {
    let body = without_bom(body).trim_ascii();
    if is_encoded(headers) {
        return None;
    }
    let media_type = media_type(headers);
    let text = String::from_utf8_lossy(body);
    let is_json = media_type.ends_with("/json") || media_type.ends_with("+json");
    // Frameworks send JSON under any name, and anything under the name of JSON.
    let is_document = text.starts_with(['{', '[']);
    if is_json || is_document {
        let (found, is_well_formed) = from_json(&text);
        if found.is_some() || is_well_formed || is_json && is_document {
            return found;
        }
    }
    let is_html = matches!(&*media_type, "text/html" | "application/xhtml+xml");
    let is_text = media_type.starts_with("text/") || is_html;
    // Where nobody says that it is text it may be anything: a PDF, an image, a compressed page.
    let is_like_text = (is_json || media_type.is_empty()) && !is_broken(body);
    if !(is_text || is_like_text) || text.contains('\0') {
        return None;
    }
    if text.starts_with('<') || is_html && text.contains('<') {
        title(&text).and_then(|title| one_line(&unescape(title)))
    } else {
        one_line(&text)
    }
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
fn from_json(text: &str) -> (Option<Box<str>>, bool) {
    json::search(text)
}

/// Without a parser, what begins like a document says nothing: it is no text for a person.
#[cfg(not(feature = "json"))]
fn from_json(text: &str) -> (Option<Box<str>>, bool) {
    (None, text.starts_with(['{', '[']))
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], |v| v.as_bytes());
    let essence = value.split(|byte| *byte == b';').next().unwrap_or(value);
    String::from_utf8_lossy(essence.trim_ascii()).to_ascii_lowercase()
}

/// Compressed bytes are no text; a decompressing layer inside ours removes the header. Some
/// servers name a charset here: that is no coding.
fn is_encoded(headers: &HeaderMap) -> bool {
    const CODINGS: [&str; 7] = [
        "br",
        "compress",
        "deflate",
        "gzip",
        "x-compress",
        "x-gzip",
        "zstd",
    ];
    let is_coding = |name: &str| CODINGS.iter().any(|known| known.eq_ignore_ascii_case(name));
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| is_coding(name.trim()))
}

fn title(html: &str) -> Option<&str> {
    let lower = html.to_ascii_lowercase(); // same length: the places are those of `html`
    let tag = lower.find("<title")?;
    let (_, after) = html.get(tag..)?.split_once('>')?;
    let (_, lower) = lower.get(tag..)?.split_once('>')?;
    after.get(..lower.find("</title")?)
}

/// The character references that occur in titles: XML's five, the space, and numbers.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut pieces = text.split('&');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        match piece
            .split_once(';')
            .and_then(|(name, rest)| Some((reference(name)?, rest)))
        {
            Some((character, rest)) => {
                plain.push(character);
                plain.push_str(rest);
            }
            None => {
                plain.push('&');
                plain.push_str(piece);
            }
        }
    }
    plain
}

fn reference(name: &str) -> Option<char> {
    let number = |digits: &str| match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    };
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => name
            .strip_prefix('#')
            .and_then(number)
            .and_then(char::from_u32),
    }
}

/// Makes a text safe to print: no line breaks, no control characters, nothing that reorders or
/// hides what follows, and not too long. `None` where nothing remains.
fn one_line(text: &str) -> Option<Box<str>> {
    let mut line = String::new();
    let (mut spaces, mut is_broken) = (0_usize, false);
    for character in text.chars().filter(|c| !is_invisible(*c)) {
        if character == ' ' {
            spaces = spaces.saturating_add(1);
        } else if character.is_whitespace() || character.is_control() {
            is_broken = true;
        } else {
            let gap = match (line.is_empty(), is_broken) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => spaces,
            };
            let room = LONGEST.saturating_sub(line.len());
            if gap.saturating_add(character.len_utf8()) > room {
                break;
            }
            line.extend(std::iter::repeat_n(' ', gap));
            line.push(character);
            (spaces, is_broken) = (0, false);
        }
    }
    (!line.is_empty()).then(|| line.into_boxed_str())
}

/// Bidirectional controls, and what has no width: it can make a line read as another one.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{180E}'
            | '\u{200B}'
            | '\u{200E}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
    )
}
