//! Whether a text says more than the status line, and what.

use http::StatusCode;

use super::segments::{
    after_version, after_word, balanced, before_rest, continues, first_segment, is_between,
    is_host, is_name, last_segment, separated, words,
};

/// What many servers put around a status.
const AROUND: [&str; 9] = [
    "a", "code", "error", "http", "https", "is", "page", "status", "the",
];

/// More of them than this before a number introduce no status.
const MOST_AROUND: usize = 8;

/// What introduces a message without a number: `Error: Back at noon`.
const INTRODUCTIONS: [&str; 4] = ["error", "http error", "http status", "http"];

/// What they call a status in words other than its standard ones.
fn synonyms(status: StatusCode) -> &'static [&'static str] {
    match status.as_u16() {
        401 => &["Authorization Required"],
        403 => &["Access Forbidden"],
        405 => &["Not Allowed"],
        407 => &["Proxy Authorization Required"],
        408 => &["Request Time-out", "Time-out"],
        413 => &[
            "Content Too Large",
            "Request Entity Too Large",
            "Request Content Too Large",
        ],
        414 => &[
            "Request-URI Too Large",
            "Request-URI Too Long",
            "Request-URL Too Large",
            "Request-URL Too Long",
        ],
        416 => &["Requested Range Not Satisfiable"],
        422 => &["Unprocessable Content"],
        500 => &["Server Error", "Internal Error", "Proxy Error"],
        502 => &["Proxy Error", "Server Error"],
        503 => &[
            "Service Temporarily Unavailable",
            "Service Not Available",
            "Temporarily Unavailable",
            "Unavailable",
        ],
        504 => &["Gateway Time-out", "Time-out", "Timeout"],
        _ => &[],
    }
}

/// What a text says that the status line does not: `Back at noon` of `Error 503: Back at noon`.
/// `None` where that is nothing.
pub(crate) fn beyond<'a>(text: &'a str, status: StatusCode, reason: &str) -> Option<&'a str> {
    Line { status, reason }.beyond(text, is_host)
}

/// The same where other texts stand beside it, so that nothing is lost with what is only likely to be
/// the name of a site.
pub(super) fn news(text: &str, status: StatusCode) -> Option<&str> {
    let reason = "";
    Line { status, reason }.beyond(text, is_name)
}

/// Whether this word is part of a status line or of what is usual around one.
pub(super) fn is_of_status(word: &str, status: StatusCode) -> bool {
    Line { status, reason: "" }.has(word)
}

/// By what a segment repeats the status.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Number,
    Phrase,
    Introduction,
}

/// What stands in the status line.
#[derive(Clone, Copy)]
struct Line<'r> {
    status: StatusCode,
    reason: &'r str,
}

impl<'r> Line<'r> {
    fn phrases(self) -> impl Iterator<Item = &'r str> {
        let canonical = self.status.canonical_reason().unwrap_or_default();
        [self.reason, canonical]
            .into_iter()
            .chain(synonyms(self.status).iter().copied())
            .filter(|phrase| !phrase.is_empty())
    }

    fn has(self, word: &str) -> bool {
        let is_word = |known: &str| known.eq_ignore_ascii_case(word);
        word == self.status.as_str()
            || AROUND.into_iter().any(is_word)
            || self.phrases().flat_map(words).any(is_word)
    }

    fn is_all(self, text: &str) -> bool {
        words(after_version(text).unwrap_or(text)).all(|word| self.has(word))
    }

    fn beyond(self, text: &str, is_site_s: impl Fn(&str) -> bool) -> Option<&str> {
        if self.is_all(text) {
            return None;
        }
        let (mut rest, mut is_named, mut is_site) = (text, false, false);
        let mut end = text.len();
        loop {
            let before = rest;
            while let Some((shorter, by)) = self.without_start(rest) {
                is_site |= before_rest(rest, shorter).ends_with('|');
                is_named |= by != By::Introduction;
                rest = shorter;
            }
            while let Some(shorter) = self.without_end(rest) {
                let cut = rest.get(shorter.len()..).unwrap_or_default();
                end = end.saturating_sub(cut.len());
                let is_apart = cut.starts_with(char::is_whitespace);
                let mark = cut.trim_start().chars().next();
                is_site |= match mark {
                    Some('|' | '·') => is_apart,
                    Some('-' | '–' | '—') => is_apart && cut.contains(self.status.as_str()),
                    _ => false,
                };
                is_named = true;
                rest = shorter;
            }
            if rest.len() == before.len() {
                break;
            }
        }
        if rest.contains(char::is_alphabetic) {
            let is_nothing = self.is_all(rest) || is_site && is_site_s(rest);
            return (!is_nothing).then(|| balanced(text, end.saturating_sub(rest.len()), rest));
        }
        // `Error 1015` has a number that nobody knows.
        (!is_named && text.contains(char::is_alphabetic)).then_some(text)
    }

    /// A text without the status that it begins with.
    fn without_start(self, text: &str) -> Option<(&str, By)> {
        let begin = separated(text);
        let is_introduction = |segment| {
            let is_short = words(segment).map(str::len).sum::<usize>() < 16;
            is_short && is_introducing(segment)
        };
        if let Some(rest) = self.after_number(begin) {
            return Some((rest, By::Number));
        }
        if let Some((segment, rest)) = first_segment(begin) {
            let by = self.repeats(segment);
            let by = by.or_else(|| is_introduction(segment).then_some(By::Introduction));
            if let Some(by) = by.filter(|_| !is_of_data(segment)) {
                return Some((separated(rest), by));
            }
        }
        let rest = self.after_heading(begin)?;
        Some((rest, By::Phrase))
    }

    /// What follows the number of the status, with `HTTP`, `Error` and the like before it.
    fn after_number(self, text: &str) -> Option<&str> {
        let mut rest = after_version(text).unwrap_or(text);
        for _ in 0..MOST_AROUND {
            match AROUND.iter().find_map(|word| after_word(rest, word)) {
                Some(after) => rest = separated(after),
                None => break,
            }
        }
        let after = after_word(rest, self.status.as_str())?;
        let after = after_word(after, ".0").unwrap_or(after);
        // Part of another number.
        let is_longer = |mark| {
            let after = after.strip_prefix(mark);
            after.is_some_and(|after: &str| after.starts_with(|c: char| c.is_ascii_digit()))
        };
        if ['.', ',', ':', '-', '/', '#'].into_iter().any(is_longer) {
            return None;
        }
        let rest = separated(after);
        if let Some(after_phrase) = self.after_phrase(rest) {
            let next = separated(after_phrase);
            if !continues(after_phrase, next) {
                return Some(next);
            }
        }
        // `404 customers` counts customers, and `Error 503 happened` is a sentence.
        (!continues(after, rest)).then_some(rest)
    }

    /// What follows the words of the status, where they stand as a line that another one followed.
    fn after_heading(self, text: &str) -> Option<&str> {
        let rest = self.after_phrase(text)?;
        let heading = || words(before_rest(text, rest));
        let is_heading =
            heading().count() > 1 && heading().all(|word| word.starts_with(char::is_uppercase));
        let mut next = rest.split_whitespace();
        let is_sentence = rest.starts_with(' ')
            && next.next()?.starts_with(char::is_uppercase)
            && next.next()?.starts_with(char::is_lowercase);
        (is_heading && is_sentence).then(|| rest.trim_start())
    }

    /// What follows the longest of its phrases.
    fn after_phrase(self, text: &str) -> Option<&str> {
        let after = |phrase: &str| {
            words(phrase).try_fold(text, |text, word| {
                after_word(text.trim_start_matches([' ', '-']), word)
            })
        };
        self.phrases()
            .filter_map(after)
            .min_by_key(|rest| rest.len())
    }

    /// A text without the status that it ends with.
    fn without_end(self, text: &str) -> Option<&str> {
        let all = text.trim_end_matches(is_between);
        let (before, mark, segment) = last_segment(all)?;
        let by = self.repeats(segment).filter(|_| !is_of_data(segment))?;
        // A number may be one of many.
        let is_apart = !matches!(mark, ':' | ';' | ',' | '.' | '/' | '#' | '!');
        let is_mark = |c: char| !matches!(c, '.' | '!' | ')' | ']') && is_between(c);
        let before = before.trim_end_matches(is_mark);
        // What a bracket holds stays together.
        let is_open = before.matches('(').count() > before.matches(')').count();
        ((by == By::Phrase || is_apart) && !is_open && !before.is_empty()).then_some(before)
    }

    /// Whether it consists of the status and of what is usual around one.
    fn repeats(self, segment: &str) -> Option<By> {
        let number = self.status.as_str();
        let (mut is_number, mut is_last) = (false, false);
        for word in words(segment) {
            let is_minor = is_last && word == "0";
            if !(self.has(word) || is_minor) {
                return None;
            }
            is_last = word == number;
            is_number |= is_last;
        }
        let is_phrase = |phrase| {
            let mut phrase = words(phrase).peekable();
            for word in words(segment) {
                if phrase
                    .next_if(|next| next.eq_ignore_ascii_case(word))
                    .is_none()
                    && word != number
                    && !AROUND.iter().any(|known| known.eq_ignore_ascii_case(word))
                {
                    return false;
                }
            }
            phrase.peek().is_none()
        };
        if self.phrases().any(is_phrase) {
            return Some(By::Phrase);
        }
        is_number.then_some(By::Number)
    }
}

/// Whether it is a piece of a document, of which the rest would be no better one.
fn is_of_data(segment: &str) -> bool {
    segment.contains(['{', '}'])
}

fn is_introducing(segment: &str) -> bool {
    INTRODUCTIONS.iter().any(|known| {
        let known = known.split(' ');
        words(segment)
            .map(str::to_ascii_lowercase)
            .eq(known.map(str::to_owned))
    })
}
