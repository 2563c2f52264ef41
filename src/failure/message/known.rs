//! What a reader of an error page knows without it: that there was an error, and by whose hand.

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{SERVER, VIA},
};

use super::{
    markup::is_any,
    status_line::{is_of_status, words},
};

/// What a reader knows before: the status, and which programs the answer went through.
pub(super) struct Known<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
}

impl Known<'_> {
    /// Whether a text says more than that, and soon enough.
    pub(super) fn is_news(&self, text: &str) -> bool {
        !is_squid_s(text)
            && text
                .split_whitespace()
                .take(MOST_WORDS)
                .any(|part| !is_version(part) && words(part).any(|word| !self.is_known(word)))
    }

    fn is_known(&self, word: &str) -> bool {
        is_any(word, &EMPTY)
            || is_any(word, &PROGRAMS)
            || is_of_status(word, self.status, "")
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

/// Each word of a text is looked for in each of these headers: neither is to be long.
const MOST_WORDS: usize = 128;
const LONGEST_NAME: usize = 512;

/// Words of titles that say no more than that there was an error.
const EMPTY: [&str; 29] = [
    "an",
    "detailed",
    "err",
    "error",
    "errors",
    "exception",
    "failed",
    "failure",
    "has",
    "message",
    "occurred",
    "oops",
    "problem",
    "report",
    "request",
    "response",
    "something",
    "sorry",
    "this",
    "type",
    "uh",
    "untitled",
    "was",
    "welcome",
    "went",
    "website",
    "wrong",
    "your",
    "to",
];

/// Programs that make error pages, and what stands around their names.
const PROGRAMS: [&str; 37] = [
    "akamai",
    "apache",
    "application",
    "azure",
    "by",
    "cache",
    "caddy",
    "cloudflare",
    "cloudfront",
    "edition",
    "envoy",
    "express",
    "gateway",
    "glassfish",
    "haproxy",
    "iis",
    "information",
    "internet",
    "jboss",
    "jetty",
    "lighttpd",
    "microsoft",
    "nghttpx",
    "nginx",
    "open",
    "openresty",
    "payara",
    "powered",
    "proxy",
    "server",
    "services",
    "squid",
    "tomcat",
    "traefik",
    "varnish",
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

/// Squid's one title for all of its errors.
fn is_squid_s(title: &str) -> bool {
    title.eq_ignore_ascii_case("ERROR: The requested URL could not be retrieved")
}
