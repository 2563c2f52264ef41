//! What a reader of an error page knows without it: that there was an error, and by whose hand.

use std::{borrow::Cow, cell::Cell};

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{SERVER, VIA},
};

use super::{
    line::LONGEST,
    markup::is_any,
    segments::words,
    status_line::{is_of_status, news},
    stock,
};

/// What a reader knows before: the status, and which programs the answer went through.
pub(super) struct Known<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    /// Texts that may still be judged.
    left: Cell<u32>,
}

impl<'a> Known<'a> {
    pub(super) fn new(status: StatusCode, headers: &'a HeaderMap) -> Self {
        Self {
            status,
            headers,
            left: Cell::new(MOST_TEXTS),
        }
    }

    /// Whether a text says more than that, and soon enough.
    pub(super) fn is_news(&self, text: &str) -> bool {
        if !text.contains(char::is_alphabetic) {
            return false;
        }
        let Some(left) = self.left.get().checked_sub(1) else {
            return false;
        };
        self.left.set(left);
        let text = start(text);
        let is_new = |part| !is_version(part) && words(part).any(|word| !self.is_known(word));
        let is_said = |rest| {
            let is_same_for_all = stock::is_stock(rest) || is_report(rest);
            !is_same_for_all && parts(rest).take(MOST_WORDS).any(is_new)
        };
        news(text, self.status).is_some_and(is_said)
    }

    /// Whether a text says no more than the status does.
    pub(super) fn is_status(&self, text: &str) -> bool {
        news(start(text), self.status).is_none()
    }

    /// What a text tells that stands beside others, as a member of a document does. A server may
    /// take another status's name, and the name of an exception has no spaces.
    pub(super) fn worth(&self, text: &str) -> Worth {
        let bare = text.trim_end_matches(is_mark);
        if !self.is_news(&apart(bare)) || is_any(bare, &NO_NEWS) || is_reason(bare) {
            Worth::Nothing
        } else if is_code(bare) {
            Worth::Code
        } else {
            Worth::News
        }
    }

    fn is_known(&self, word: &str) -> bool {
        is_any(word, &EMPTY)
            || is_any(word, &PROGRAMS)
            || is_of_status(word, self.status)
            || self.is_program(word)
    }

    /// Whether a header names a program like this.
    fn is_program(&self, word: &str) -> bool {
        let powered_by = HeaderName::from_static("x-powered-by");
        let values = [SERVER, VIA, powered_by].map(|name| self.headers.get(name));
        let mut values = values
            .iter()
            .flatten()
            .filter_map(|value| value.to_str().ok())
            .filter(|value| value.len() <= LONGEST_NAME);
        values.any(|value| words(value).any(|name| name.eq_ignore_ascii_case(word)))
    }
}

/// `Apache Tomcat/10.1 - Error report`: so begin the pages of Tomcat, and of what is made of it.
fn is_report(text: &str) -> bool {
    let program = stock::strip_end(text, " - error report");
    program.is_some_and(|program| program.split_whitespace().any(is_version))
}

/// What is between spaces, and is not only marks.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .filter(|part| part.contains(char::is_alphanumeric))
}

/// What a text is worth to a reader, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    News,
    /// One for programs: `INVALID_FIELD`, `invalid_grant`.
    Code,
    /// What a reader knows without it.
    Nothing,
}

/// Texts that a body is judged by. Nobody reads on after so many that say nothing.
const MOST_TEXTS: u32 = 1024;

/// Each word of a text is looked for in each of these headers: neither is to be long.
const MOST_WORDS: usize = 32;
const LONGEST_NAME: usize = 128;

/// Words of titles that say no more than that there was an error.
const EMPTY: [&str; 41] = [
    "an",
    "detailed",
    "err",
    "erreur",
    "error",
    "errors",
    "exception",
    "failed",
    "failure",
    "fehler",
    "has",
    "in",
    "internal",
    "like",
    "looks",
    "message",
    "occurred",
    "oops",
    "problem",
    "request",
    "response",
    "runtime",
    "something",
    "sorry",
    "there",
    "this",
    "to",
    "type",
    "unexpected",
    "unhandled",
    "unknown",
    "untitled",
    "validation",
    "was",
    "website",
    "welcome",
    "went",
    "whitelabel",
    "whoops",
    "wrong",
    "your",
];

/// What frameworks say where they have nothing to say.
const NO_NEWS: [&str; 5] = [
    "fail",
    "false",
    "null",
    "one or more validation errors occurred",
    "true",
];

const LONGEST_REASON: usize = 40;

/// Whether it is the name of any failure's status.
fn is_reason(text: &str) -> bool {
    let is = |status: StatusCode| {
        let reason = status.canonical_reason();
        reason.is_some_and(|reason| reason.eq_ignore_ascii_case(text))
    };
    text.len() <= LONGEST_REASON && (400..=599).any(|code| StatusCode::from_u16(code).is_ok_and(is))
}

fn is_code(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_upper = || !text.contains(|c: char| c.is_ascii_lowercase());
    text.len() <= LONGEST_CODE && text.chars().all(is_part) && (text.contains('_') || is_upper())
}

/// The words of a code that has no spaces: `Not Found Exception`.
fn apart(text: &str) -> Cow<'_, str> {
    if text.len() > LONGEST_CODE || text.contains(char::is_whitespace) {
        return text.into();
    }
    let mut words = String::new();
    let mut is_lower = false;
    for character in text.chars() {
        if is_lower && character.is_uppercase() {
            words.push(' ');
        }
        words.push(character);
        is_lower = character.is_lowercase();
    }
    words.into()
}

const LONGEST_CODE: usize = 64;

/// Programs that make error pages, and what stands around their names.
const PROGRAMS: [&str; 39] = [
    "akamai",
    "apache",
    "application",
    "azure",
    "by",
    "cache",
    "caddy",
    "cloudflare",
    "cloudfront",
    "envoy",
    "express",
    "gateway",
    "generated",
    "guru",
    "haproxy",
    "iis",
    "information",
    "internet",
    "jboss",
    "jetty",
    "kestrel",
    "lighttpd",
    "meditation",
    "microsoft",
    "nghttpx",
    "nginx",
    "openresty",
    "powered",
    "proxy",
    "server",
    "services",
    "squid",
    "tengine",
    "tomcat",
    "traefik",
    "varnish",
    "webserver",
    "werkzeug",
    "wildfly",
];

/// `nginx/1.22`, `v2`, `10.0`: a program with its version, or a version alone.
fn is_version(part: &str) -> bool {
    let number = part.rsplit('/').next().unwrap_or(part);
    let number = number
        .trim_start_matches(['v', 'V'])
        .trim_end_matches(is_mark);
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let is_numbered = number.starts_with(|c: char| c.is_ascii_digit());
    is_numbered
        && number
            .split(['-', '_'])
            .next()
            .is_some_and(|number| number.chars().all(is_number))
        && (part.contains('/') || number.contains('.') || part.starts_with(['v', 'V']))
}

fn is_mark(character: char) -> bool {
    matches!(character, ',' | ';' | ':' | ')' | '.')
}

/// As much of a text as is ever shown, and what might be dropped from it.
fn start(text: &str) -> &str {
    let long = text.char_indices().find(|(place, _)| *place >= 2 * LONGEST);
    long.and_then(|(place, _)| text.get(..place))
        .unwrap_or(text)
}
