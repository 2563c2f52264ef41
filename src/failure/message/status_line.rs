//! Whether a text says more than the status line, and what.

use http::StatusCode;

/// What many servers put around a status.
const AROUND: [&str; 9] = [
    "a", "code", "error", "http", "https", "is", "page", "status", "the",
];

/// What they call a status in words other than its standard ones.
fn synonyms(status: StatusCode) -> &'static [&'static str] {
    match status.as_u16() {
        401 => &["authorization", "required"],
        408 | 504 => &["time", "out"],
        413 => &["request", "entity", "content", "too", "large"],
        414 => &["request", "uri", "url", "too", "large", "long"],
        416 => &["requested", "range"],
        422 => &["entity", "content"],
        500 | 502 => &["server", "proxy"],
        503 => &["service", "temporarily", "not", "available"],
        _ => &[],
    }
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// Whether this word is part of a status line or of what is usual around one.
pub(super) fn is_of_status(word: &str, status: StatusCode, reason: &str) -> bool {
    let is_word = |known: &str| known.eq_ignore_ascii_case(word);
    let canonical = status.canonical_reason().unwrap_or_default();
    word == status.as_str()
        || AROUND.into_iter().any(is_word)
        || synonyms(status).iter().copied().any(is_word)
        || words(canonical).chain(words(reason)).any(is_word)
}

/// What a text says that the status line does not: `Back at noon` of `Error 503: Back at noon`.
/// `None` where that is nothing.
pub(crate) fn beyond<'a>(text: &'a str, status: StatusCode, reason: &str) -> Option<&'a str> {
    let without_version = after_version(text).unwrap_or(text);
    if words(without_version).all(|word| is_of_status(word, status, reason)) {
        return None;
    }
    let canonical = status.canonical_reason().unwrap_or_default();
    let after_reason = |text: &'a str| {
        let [own, standard] = [reason, canonical].map(|reason| after_word(text, reason));
        own.or(standard)
    };
    if let Some(rest) = after_code(text, status) {
        let rest = after_reason(rest).map_or(rest, separated);
        return Some(rest).filter(|rest| !rest.is_empty());
    }
    // Without the number the reason may be the beginning of a sentence.
    let rest = after_reason(text).filter(|rest| rest.trim_start().starts_with(is_separator));
    Some(rest.map_or(text, separated))
}

/// What follows the number of the status, with `HTTP`, `Error` and the like before it.
fn after_code(text: &str, status: StatusCode) -> Option<&str> {
    let mut rest = after_version(text).unwrap_or_else(|| separated(text));
    let mut is_introduced = rest.len() < text.len();
    while let Some(after) = AROUND.iter().find_map(|word| after_word(rest, word)) {
        rest = separated(after);
        is_introduced = true;
    }
    let after = after_word(rest, status.as_str())?;
    let rest = separated(after);
    // `404 customers` counts customers.
    let is_count = !is_introduced
        && after.starts_with(' ')
        && after.trim_start() == rest
        && rest.starts_with(char::is_lowercase);
    (!is_count).then_some(rest)
}

/// What follows the version of HTTP.
fn after_version(text: &str) -> Option<&str> {
    let version = text
        .get(..5)?
        .eq_ignore_ascii_case("http/")
        .then(|| text.get(5..))??;
    Some(separated(version.trim_start_matches(|c: char| {
        c.is_ascii_digit() || c == '.'
    })))
}

/// What follows this word, or these.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let is_first = !word.is_empty() && text.get(..word.len())?.eq_ignore_ascii_case(word);
    let rest = text.get(word.len()..).filter(|_| is_first)?;
    (!rest.starts_with(char::is_alphanumeric)).then_some(rest)
}

fn separated(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || is_separator(c))
}

fn is_separator(character: char) -> bool {
    matches!(
        character,
        ':' | ';' | ',' | '.' | '!' | '|' | '-' | '–' | '—' | ')' | ']' | '('
    )
}
