//! The status in a message: `Display` shows it once.

use http::StatusCode;

use super::message::{has_word, says_more};

/// Returns the part of a message that the status line does not say, for `Display`: `Back at noon`
/// of `HTTP/1.1 503 Service Unavailable: Back at noon`.
pub(super) fn beyond<'a>(message: &'a str, status: StatusCode, reason: &str) -> Option<&'a str> {
    let standard = status.canonical_reason().unwrap_or_default();
    let has = |word: &str| has_word(message, word);
    let is_named = has(status.as_str()) || standard.split(' ').all(has);
    if is_named && !says_more(message, status, |_| false) {
        return None;
    }
    let said = [status.as_str(), reason, standard, "HTTP/1.0", "HTTP/1.1"];
    let mut rest = without_start(message, &said);
    while let Some(shorter) = without_end(rest, &said) {
        rest = shorter;
    }
    rest.contains(char::is_alphanumeric).then_some(rest)
}

/// Removes the status from the start, with `Error` and the like before it.
fn without_start<'t>(text: &'t str, said: &[&str]) -> &'t str {
    let (mut rest, mut found) = (text, text);
    loop {
        let start = rest.trim_start_matches(|c| is_mark(c) || matches!(c, '(' | '['));
        let strip = |phrases: &[&str]| phrases.iter().find_map(|p| strip_phrase(start, p));
        if let Some(after) = strip(said).filter(|after| !continues(after)) {
            found = after.trim_start_matches(is_mark);
            rest = found;
        } else if let Some(after) = strip(&["HTTP", "Error", "Status", "Code"]) {
            rest = after;
        } else {
            return found;
        }
    }
}

/// Removes a last part that only says the status: `Back at noon (503)`. `Bills: 404` names a bill.
fn without_end<'t>(text: &'t str, said: &[&str]) -> Option<&'t str> {
    let end = text.trim_end_matches(is_mark);
    let mark = end.rfind([':', '|', '·', '–', '—', '(', '[']);
    let (before, last) = end.split_at_checked(mark.max(end.rfind(" - "))?)?;
    let is_number = last.starts_with(':') && last.ends_with(|c: char| c.is_ascii_digit());
    let last = last.trim_start_matches(|c| is_mark(c) || matches!(c, '(' | '['));
    let is_status = !last.is_empty() && !is_number && without_start(last, said).is_empty();
    is_status.then(|| before.trim_end_matches(|c| is_mark(c) && !matches!(c, '.' | ')' | ']')))
}

/// Strips a phrase at the start. Compares without case and hyphens: `Time-out` is `Timeout`.
fn strip_phrase<'t>(text: &'t str, phrase: &str) -> Option<&'t str> {
    let mut rest = text.chars();
    for expected in phrase.chars() {
        let next = rest.find(|c| *c != '-' || expected == '-')?;
        if !next.eq_ignore_ascii_case(&expected) {
            return None;
        }
    }
    let is_word = !rest
        .as_str()
        .starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (is_word && !phrase.is_empty()).then_some(rest.as_str())
}

/// Returns `true` if a status is a part of what is said: `404 customers have no bill`, `404.13`.
fn continues(after: &str) -> bool {
    let next = after.trim_start();
    let is_sentence = next.len() < after.len() && next.starts_with(char::is_lowercase);
    let number = after.trim_start_matches(['.', ',', ':', '-', '/']);
    is_sentence || number.starts_with(|c: char| c.is_ascii_digit())
}

/// Characters that separate a status from a text.
fn is_mark(c: char) -> bool {
    c.is_whitespace() || ":;,.!-–—|·/#)]".contains(c)
}
