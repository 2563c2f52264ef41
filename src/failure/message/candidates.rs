//! Candidates for the message: which of a body's texts says most.

use http::header::{HeaderMap, SERVER, VIA};
use http::status::StatusCode;

use super::line::one_line;

/// The worth of a text, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    Sentence,
    /// One word: `invalid_grant`.
    Code,
    /// The status again, or words of every error page.
    Nothing,
}

/// The best of the texts that a body has offered so far.
pub(super) struct Candidates<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    pub(super) best: Option<(Worth, u64, Box<str>)>,
    /// The number of texts that may still be looked at.
    left: u32,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(status: StatusCode, headers: &'a HeaderMap) -> Self {
        Self {
            status,
            headers,
            best: None,
            left: 256,
        }
    }

    /// Offers a text that must be worth at least `least`, to be shown with the label before it.
    /// Among equals the lowest `order` wins, then the first.
    pub(super) fn offer(&mut self, order: u64, least: Worth, label: &str, text: &str) {
        if !self.is_open(order) {
            return;
        }
        self.left = self.left.saturating_sub(1);
        #[cfg(test)]
        super::tests::look(text);
        let Some(line) = one_line(text).filter(|line| !is_document(line)) else {
            return;
        };
        let worth = self.worth(&line);
        let best = self.best.as_ref();
        if worth <= least && best.is_none_or(|best| (worth, order) < (best.0, best.1)) {
            let label = label.contains(char::is_alphanumeric).then_some(label);
            let labelled = label.and_then(|label| one_line(&format!("{label}: {line}")));
            self.best = Some((worth, order, labelled.unwrap_or(line)));
        }
    }

    /// Returns `true` if a text of this order could still become the message.
    pub(super) fn is_open(&self, order: u64) -> bool {
        let best = self.best.as_ref();
        self.left > 0 && best.is_none_or(|best| best.0 > Worth::Sentence || best.1 > order)
    }

    fn worth(&self, line: &str) -> Worth {
        let headers = [SERVER, VIA].map(|name| self.headers.get(name)?.to_str().ok());
        let is_server = |word: &str| {
            let mut headers = headers.iter().flatten();
            headers.any(|name| has_word(name.get(..64).unwrap_or(name), word))
        };
        match says_more(line, self.status, is_server) {
            false => Worth::Nothing,
            true if line.is_ascii() && !line.contains(' ') => Worth::Code,
            true => Worth::Sentence,
        }
    }
}

/// Returns `true` if a word is new to a reader who knows the status and error pages.
pub(crate) fn says_more(text: &str, status: StatusCode, is_server: impl Fn(&str) -> bool) -> bool {
    let reason = status.canonical_reason().unwrap_or_default();
    let is_known = |word: &str| {
        let is_number = word.len() == 1 || word.contains(|c: char| c.is_ascii_digit());
        is_number || is_common(word) || has_word(reason, word) || is_server(word)
    };
    text.split_whitespace().any(|part| {
        let part = part.trim_matches(|c: char| !c.is_alphanumeric());
        let is_reason = || is_same(part, reason) || words(reason).any(|word| is_same(part, word));
        !(words(part).all(is_known) || is_reason() || is_host_or_version(part))
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty())
}

pub(crate) fn has_word(text: &str, word: &str) -> bool {
    words(text).any(|known| known.eq_ignore_ascii_case(word))
}

/// Compares letters and digits only: `Time-out` is `Timeout`, `BAD_REQUEST` is `Bad Request`.
fn is_same(text: &str, reason: &str) -> bool {
    let letters = |text| str::chars(text).filter(|c| c.is_alphanumeric());
    let letters = |text| letters(text).map(|c| c.to_ascii_lowercase());
    letters(text).eq(letters(reason))
}

/// `ledger.example`, `UnheardOf/3.1`.
fn is_host_or_version(part: &str) -> bool {
    let is_of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let version = part.split_once('/').map(|(_, version)| version);
    part.contains('.') && part.chars().all(is_of_host)
        || version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

/// Returns `true` if a line is a piece of JSON or of markup: requested data may be in it.
fn is_document(line: &str) -> bool {
    let is_tag = |c: char| c.is_alphabetic() || matches!(c, '!' | '?' | '/');
    match line.strip_prefix(['{', '[']).map(str::trim_start) {
        Some(inner) => inner.starts_with(['"', '\'', '{', '[']) || inner.contains("\":"),
        None => line
            .strip_prefix('<')
            .is_some_and(|tag| tag.starts_with(is_tag)),
    }
}

fn is_common(word: &str) -> bool {
    let word = || word.bytes().map(|byte| byte.to_ascii_lowercase());
    COMMON
        .binary_search_by(|known| known.bytes().cmp(word()))
        .is_ok()
}

/// Words that error pages are full of, and programs that make such pages. Sorted.
#[rustfmt::skip]
const COMMON: [&str; 85] = [
    "an", "and", "apache", "application", "azure", "bad", "be", "cache", "cloudflare", "cloudfront",
    "code", "content", "could", "detailed", "entity", "error", "errors", "exception", "failed",
    "failure", "gateway", "guru", "happened", "haproxy", "has", "http", "id", "iis", "in",
    "internal", "is", "jetty", "kong", "like", "looks", "meditation", "message", "microsoft",
    "more", "nginx", "not", "occurred", "one", "oops", "or", "page", "please", "problem", "proxy",
    "report", "request", "requested", "response", "retrieved", "runtime", "server", "service",
    "something", "sorry", "squid", "status", "temporarily", "that", "the", "there", "this", "to",
    "tomcat", "type", "unavailable", "unexpected", "unhandled", "unknown", "url", "validation",
    "varnish", "was", "website", "welcome", "went", "what", "whitelabel", "whoops", "wrong", "xid",
];
