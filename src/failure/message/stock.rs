//! Sentences that stand on pages whatever the cause: of programs, of politeness, for support.

use super::{
    markup::is_any,
    segments::{after_word, words},
};

/// What programs say of every error.
const STOCK: [&str; 9] = [
    "action controller: exception caught",
    "an unhandled exception occurred while processing the request",
    "no message available",
    "that's an error",
    "that’s an error",
    "the request could not be satisfied",
    "the requested url could not be retrieved",
    "there is a problem with the resource you are looking for, and it cannot be displayed",
    "this application has no explicit mapping for /error, so you are seeing this as a fallback",
];

/// Words of sentences that only ask for patience.
const POLITE: [&str; 55] = [
    "a",
    "administrator",
    "again",
    "all",
    "and",
    "any",
    "apologies",
    "apologise",
    "apologize",
    "are",
    "as",
    "back",
    "be",
    "check",
    "contact",
    "few",
    "for",
    "have",
    "if",
    "in",
    "inconvenience",
    "later",
    "may",
    "minutes",
    "moment",
    "moments",
    "on",
    "or",
    "our",
    "page",
    "patience",
    "persists",
    "please",
    "possible",
    "problem",
    "re",
    "refresh",
    "reload",
    "request",
    "restore",
    "seconds",
    "services",
    "shortly",
    "soon",
    "sorry",
    "support",
    "thank",
    "the",
    "this",
    "to",
    "try",
    "we",
    "working",
    "you",
    "your",
];

/// Words before the number of an error in somebody's log.
const REFERENCES: [&str; 17] = [
    "activity",
    "correlation",
    "error",
    "guru",
    "id",
    "incident",
    "meditation",
    "number",
    "ray",
    "ref",
    "reference",
    "request",
    "session",
    "support",
    "trace",
    "your",
    "xid",
];

/// Whether it says nothing about this error: a sentence said of all, a number, or a date.
pub(super) fn is_stock(text: &str) -> bool {
    let sentence = text.trim_end_matches(['.', '!']);
    is_any(sentence, &STOCK) || is_reference(text) || is_date(text)
}

/// Whether it stands on every page of a site, and nothing else with it: `© 2026 Acme`.
pub(super) fn is_of_site(text: &str) -> bool {
    const MOST_WORDS: usize = 6;
    let is_signed = |rest: &str| rest.starts_with('©') || after_word(rest, "(c)").is_some();
    let is_mark = |rest: &str| {
        let rest = rest.trim_start();
        is_signed(rest) || rest.starts_with(|c: char| c.is_ascii_digit())
    };
    let is_claim = is_signed(text) || after_word(text, "copyright").is_some_and(is_mark);
    let rest = text.trim_end_matches('.');
    let rest = strip_end(rest, "all rights reserved").unwrap_or(rest);
    let is_short = rest.split_whitespace().count() <= MOST_WORDS;
    is_claim && is_short
        || rest.trim().is_empty()
        || is_any(text, &["skip to content", "skip to main content"])
}

/// What is before this end.
pub(super) fn strip_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let (before, last) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    last.eq_ignore_ascii_case(end).then_some(before)
}

/// Whether it stands in a title that nobody has written yet, or not for this page.
pub(super) fn is_placeholder(title: &str) -> bool {
    let title = title.trim_end_matches(['.', '…']);
    is_any(title, &["document", "home", "loading"])
}

/// Whether it only asks for patience.
pub(super) fn is_polite(text: &str) -> bool {
    let is_number = |word: &str| word.chars().all(|c| c.is_ascii_digit());
    words(text).all(|word| is_any(word, &POLITE) || is_number(word))
}

/// `Request ID: 5c1a-77`: a label, and one number.
fn is_reference(text: &str) -> bool {
    let Some((label, value)) = text.split_once([':', '#']) else {
        return false;
    };
    let mut values = value.split_whitespace();
    let is_one = values.next().is_some() && values.next().is_none();
    let mut labels = words(label).peekable();
    let is_last = words(label).last().is_some_and(|word| {
        is_any(
            word,
            &["id", "xid", "ref", "reference", "number", "meditation"],
        )
    });
    is_one && is_last && labels.all(|word| is_any(word, &REFERENCES))
}

/// `Fri Nov 28 15:43:56 UTC 2026`, `2026-11-28 15:43:56 UTC`.
fn is_date(text: &str) -> bool {
    let is_time = |part: &str| {
        let is_of_time = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.');
        part.contains(':') && part.chars().all(is_of_time)
    };
    let is_part = |part: &str| {
        let is_number =
            |c: char| c.is_ascii_digit() || matches!(c, ':' | '-' | '/' | '.' | ',' | '+');
        let is_name = part.len() <= 4
            && part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.chars().all(|c| c.is_ascii_alphabetic() || c == ',');
        is_name || part.chars().all(is_number)
    };
    text.split_whitespace().all(is_part) && text.split_whitespace().any(is_time)
}
