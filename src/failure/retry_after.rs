//! Reads the wait that the server asked for: `Retry-After`, and its variants in milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AGE, DATE, RETRY_AFTER},
};

/// In order of precedence. Azure has two spellings for milliseconds, which are more exact than seconds.
static FIELDS: [HeaderName; 3] = [
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-ms-retry-after-ms"),
    RETRY_AFTER,
];

/// Returns the wait, counted from the arrival of the response.
///
/// Repeated fields are undefined (RFC 9110): the longest wait counts.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    // One pass over the headers is cheaper than three lookups.
    let mut longest = [None; FIELDS.len()];
    for (name, value) in headers {
        let mut known = FIELDS.iter().zip(&mut longest);
        let Some((_, longest)) = known.find(|(field, _)| *field == name) else {
            continue;
        };
        let wait = if *name == RETRY_AFTER {
            digits(value.as_bytes())
                .map(Duration::from_secs)
                .or_else(|| time_until(value, headers))
        } else {
            digits(value.as_bytes()).map(Duration::from_millis)
        };
        *longest = wait.max(*longest);
    }
    longest.into_iter().flatten().next()
}

/// Parses `1*DIGIT`. Saturates.
pub(super) fn digits(value: &[u8]) -> Option<u64> {
    let digits = trim(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number: u64, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit.saturating_sub(b'0')))
    }))
}

/// Returns the time until an HTTP-date, by the server's clock (`Date` plus `Age`) if known, otherwise by
/// ours. A past date is zero.
fn time_until(value: &HeaderValue, headers: &HeaderMap) -> Option<Duration> {
    let client_now = SystemTime::now();
    let server_now = headers
        .get(DATE)
        .and_then(|date| http_date(date, client_now))
        .and_then(|date| date.checked_add(age(headers)));
    let now = server_now.unwrap_or(client_now);
    let date = http_date(value, now)?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Returns the time for which a cache has held the response: the first member of the first field, or zero
/// ([RFC 9111 §5.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.1)).
fn age(headers: &HeaderMap) -> Duration {
    const LONGEST: u64 = 1 << 31; // stands for any larger number: RFC 9111 §1.2.2
    let first = headers
        .get(AGE)
        .and_then(|age| age.as_bytes().split(|byte| *byte == b',').next());
    let seconds = first.and_then(digits).unwrap_or(0);
    Duration::from_secs(seconds.min(LONGEST))
}

/// Parses all three forms of [RFC 9110 §5.6.7](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7).
fn http_date(value: &HeaderValue, now: SystemTime) -> Option<SystemTime> {
    let text = std::str::from_utf8(trim(value.as_bytes())).ok()?;
    // RFC 5322 §3.3 allows a leap second at the end of a day; `httpdate` does not.
    if text.contains("23:59:60") {
        let before = parse_date(&text.replace("23:59:60", "23:59:59"), now)?;
        return before.checked_add(Duration::from_secs(1));
    }
    parse_date(text, now)
}

fn parse_date(text: &str, now: SystemTime) -> Option<SystemTime> {
    match rfc850(text) {
        Some(date) => date.resolve(now),
        // `httpdate` accepts malformed RFC 850 dates too. The other two forms have no hyphens.
        None if text.contains('-') => None,
        None => httpdate::parse_http_date(text).ok(),
    }
}

/// A date such as `Sunday, 06-Nov-94 08:49:37 GMT`. Its century depends on the current date.
struct Rfc850<'a> {
    weekday: &'a str,
    day: &'a str,
    month: &'a str,
    year: u64,
    time: &'a str,
}

fn rfc850(text: &str) -> Option<Rfc850<'_>> {
    const WEEKDAYS: [&str; 7] = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    let (weekday, after) = text.split_once(", ")?;
    let (date, time) = after.split_once(' ')?;
    let mut date = date.split('-');
    let (day, month, year) = (date.next()?, date.next()?, date.next()?);
    let two_digits = year.len() == 2 && year.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = WEEKDAYS.contains(&weekday) && two_digits && date.next().is_none();
    well_formed.then_some(Rfc850 {
        weekday: weekday.get(..3)?,
        day,
        month,
        year: year.parse().ok()?,
        time,
    })
}

impl Rfc850<'_> {
    /// Returns the date with its century: a date more than 50 years ahead is one in the past (RFC 9110
    /// §5.6.7).
    #[cfg_attr(
        not(test),
        expect(clippy::arithmetic_side_effects, reason = "small years")
    )]
    fn resolve(&self, now: SystemTime) -> Option<SystemTime> {
        const YEAR: u64 = 31_556_952; // seconds, the Gregorian mean
        let horizon = now.checked_add(Duration::from_secs(50 * YEAR))?;
        let this_year = 1970 + now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()) / YEAR;
        // 51, because the mean year is off by a day at the turn of a year.
        let latest = this_year + 51;
        let year = latest - (latest - self.year) % 100;
        [year, year - 100].into_iter().find_map(|year| {
            let Self {
                weekday,
                day,
                month,
                time,
                ..
            } = self;
            let date = format!("{weekday}, {day} {month} {year} {time}");
            let date = httpdate::parse_http_date(&date).ok()?;
            (date <= horizon).then_some(date)
        })
    }
}

/// Trims optional whitespace, which is space and tab alone (RFC 9110 §5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
