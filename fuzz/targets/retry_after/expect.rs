//! The waits that are right for header lines whose making is known.

use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};

use super::date::{self, DAY, END, Form, YEAR};

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
pub enum Name {
    RetryAfter,
    Millis,
    AzureMillis,
}

impl Name {
    pub fn field(self) -> &'static str {
        match self {
            Self::RetryAfter => "retry-after",
            Self::Millis => "retry-after-ms",
            Self::AzureMillis => "x-ms-retry-after-ms",
        }
    }
}

/// The `Date` that the server sends.
#[derive(Arbitrary, Debug)]
pub enum Server {
    Silent,
    /// Seconds from the client's clock.
    Near(i32, Form),
    At(u64, Form),
    LeapSecond(u16, Form),
    Garbage(Vec<u8>),
}

/// The `Date` field.
#[derive(Debug)]
pub struct ServerDate {
    text: Vec<u8>,
    /// `None`: more than one reading is right.
    unix: Option<u64>,
    /// Certainly not a date.
    is_void: bool,
}

impl ServerDate {
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Adds the seconds in a cache.
    pub fn later(self, age: u16) -> Self {
        let unix = self.unix.map(|unix| unix + u64::from(age));
        Self { unix, ..self }
    }
}

impl Server {
    pub fn date(&self, now: Duration) -> Option<ServerDate> {
        let now = now.as_secs();
        let dated = |unix: u64, form, leap| {
            let text = date::write(unix, form, leap).into_bytes();
            let unix = (form != Form::Rfc850 || is_same_century(unix, now))
                .then_some(unix + u64::from(leap));
            ServerDate {
                text,
                unix,
                is_void: false,
            }
        };
        Some(match self {
            Self::Silent => return None,
            Self::Near(off, form) => dated(now.saturating_add_signed((*off).into()), *form, false),
            Self::At(unix, form) => dated(unix % END, *form, false),
            Self::LeapSecond(day, form) => dated(u64::from(*day) * DAY + DAY - 1, *form, true),
            Self::Garbage(text) => {
                let read = date::read(trim(text), now);
                let sure = read.filter(|(unix, form, _)| {
                    *form != Form::Rfc850 || is_same_century(unix.unsigned_abs(), now)
                });
                ServerDate {
                    text: text.clone(),
                    unix: sure.and_then(|(unix, _, leap)| instant(unix, leap)),
                    is_void: read.is_none(),
                }
            }
        })
    }
}

#[derive(Arbitrary, Debug)]
pub enum Line {
    Number {
        zeros: u8,
        number: u64,
        more: Vec<u8>,
        spaces: (Space, Space),
    },
    /// Seconds from the server's clock.
    Near(i32, Form, Space),
    At(u64, Form),
    LeapSecond(u16, Form),
    /// A date with one byte replaced.
    Damaged(u64, Form, u8, u8),
    Garbage(Vec<u8>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Space {
    No,
    One,
    Tab,
    Many,
}

impl Space {
    fn text(self) -> &'static str {
        match self {
            Self::No => "",
            Self::One => " ",
            Self::Tab => "\t",
            Self::Many => " \t \t  ",
        }
    }
}

impl Line {
    /// Returns the header's bytes, with or without spaces around.
    pub fn text(&self, server: Option<&ServerDate>, now: Duration) -> Vec<u8> {
        match self {
            Self::Number {
                zeros,
                number,
                more,
                spaces,
            } => {
                let zeros = "0".repeat((*zeros).into());
                let more: String = more
                    .iter()
                    .map(|digit| char::from(b'0' + digit % 10))
                    .collect();
                let (before, after) = (spaces.0.text(), spaces.1.text());
                format!("{before}{zeros}{number}{more}{after}").into_bytes()
            }
            Self::Damaged(unix, form, place, byte) => {
                let mut text = date::write(unix % END, *form, false).into_bytes();
                let place = usize::from(*place) % text.len();
                text[place] = *byte;
                text
            }
            Self::Garbage(text) => text.clone(),
            _ => {
                let (unix, form, leap) = self.instant(server, now).expect("the others are dates");
                let text = date::write(unix, form, leap);
                let space = match self {
                    Self::Near(.., space) => space.text(),
                    _ => "",
                };
                format!("{space}{text}{space}").into_bytes()
            }
        }
    }

    fn instant(&self, server: Option<&ServerDate>, now: Duration) -> Option<(u64, Form, bool)> {
        let server = server.and_then(|date| date.unix).unwrap_or(now.as_secs());
        match self {
            Self::Near(offset, form, _) => {
                let unix = server.saturating_add_signed((*offset).into());
                Some((unix.min(END - 1), *form, false))
            }
            Self::At(unix, form) => Some((unix % END, *form, false)),
            Self::LeapSecond(day, form) => Some((u64::from(*day) * DAY + DAY - 1, *form, true)),
            _ => None,
        }
    }
}

/// The waits that are right.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    may_be_none: bool,
    /// `None`: it must be `None`.
    range: Option<(Duration, Duration)>,
}

impl Expected {
    const NONE: Self = Self {
        may_be_none: true,
        range: None,
    };
    /// Before 1970: some clocks cannot express the time.
    const PAST: Self = Self {
        may_be_none: true,
        range: Some((Duration::ZERO, Duration::ZERO)),
    };
    const ANY: Self = Self {
        may_be_none: true,
        range: Some((Duration::ZERO, Duration::MAX)),
    };

    fn within(least: Duration, most: Duration) -> Self {
        Self {
            may_be_none: false,
            range: Some((least, most)),
        }
    }

    /// Returns the longest wait of several lines; milliseconds come before seconds. `clock` is the time
    /// before and after the reading.
    pub fn of(
        lines: &[(Name, &Line, Vec<u8>)],
        server: Option<&ServerDate>,
        clock: (Duration, Duration),
    ) -> Self {
        let longest = |name: Name| {
            let lines = lines.iter().filter(|line| line.0 == name);
            let waits = lines.map(|(_, line, text)| match name {
                Name::RetryAfter => seconds(line, text, server, clock),
                _ => number(text, Duration::from_millis).unwrap_or(Self::NONE),
            });
            waits.fold(Self::NONE, Self::longer)
        };
        let fields = [Name::Millis, Name::AzureMillis, Name::RetryAfter].map(longest);
        fields
            .into_iter()
            .rev()
            .fold(Self::NONE, |second, first| first.or(second))
    }

    pub fn holds(self, wait: Option<Duration>) -> bool {
        match (wait, self.range) {
            (None, _) => self.may_be_none,
            (Some(_), None) => false,
            (Some(wait), Some((least, most))) => (least..=most).contains(&wait),
        }
    }

    fn longer(self, other: Self) -> Self {
        let range = match (self.range, other.range) {
            (Some(one), Some(two)) => {
                // A wait that may be absent does not raise the other's least.
                let least = match (self.may_be_none, other.may_be_none) {
                    (true, true) => one.0.min(two.0),
                    (true, false) => two.0,
                    (false, true) => one.0,
                    (false, false) => one.0.max(two.0),
                };
                Some((least, one.1.max(two.1)))
            }
            (one, two) => one.or(two),
        };
        Self {
            may_be_none: self.may_be_none && other.may_be_none,
            range,
        }
    }

    /// Returns `self` if a wait is present, else `second`.
    fn or(self, second: Self) -> Self {
        if !self.may_be_none {
            return self;
        }
        let range = match (self.range, second.range) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        };
        Self {
            may_be_none: second.may_be_none,
            range,
        }
    }
}

fn seconds(
    line: &Line,
    text: &[u8],
    server: Option<&ServerDate>,
    clock: (Duration, Duration),
) -> Expected {
    if let Some(wait) = number(text, Duration::from_secs) {
        return wait;
    }
    let now = server
        .and_then(|date| date.unix)
        .unwrap_or(clock.0.as_secs());
    let made = line.instant(server, clock.0);
    let made = made.map(|(unix, form, leap)| (unix as i64, form, leap));
    let Some((unix, form, leap)) = made.or_else(|| date::read(trim(text), now)) else {
        return Expected::NONE;
    };
    let Some(then) = instant(unix, leap).map(Duration::from_secs) else {
        return Expected::PAST;
    };
    // The server's clock if it is known, else the client's.
    let (first, last) = match server {
        Some(ServerDate {
            unix: Some(unix), ..
        }) => (Duration::from_secs(*unix), Duration::from_secs(*unix)),
        Some(ServerDate { is_void: false, .. }) => return Expected::ANY,
        _ => clock,
    };
    if form == Form::Rfc850 && !is_same_century(then.as_secs(), first.as_secs()) {
        return Expected::ANY;
    }
    Expected::within(then.saturating_sub(last), then.saturating_sub(first))
}

/// Returns `None` unless the text is `1*DIGIT`. A number that overflows is at least 68 years.
fn number(text: &[u8], unit: fn(u64) -> Duration) -> Option<Expected> {
    let digits = std::str::from_utf8(trim(text)).ok()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(match (digits.is_empty(), digits.parse::<u64>()) {
        (true, _) => Expected::within(Duration::ZERO, Duration::ZERO),
        (_, Ok(number)) => Expected::within(unit(number), unit(number)),
        (_, Err(_)) => Expected::within(Duration::from_secs(1 << 31), Duration::MAX),
    })
}

/// A two-digit year is read within 50 years of now; one year is left out at the edges.
fn is_same_century(unix: u64, now: u64) -> bool {
    unix.abs_diff(now) < 49 * YEAR
}

/// A leap second counts as the second after it. Returns `None` before 1970.
fn instant(unix: i64, leap: bool) -> Option<u64> {
    Some(u64::try_from(unix).ok()? + u64::from(leap))
}

/// Removes the spaces and tabs around the text.
fn trim(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = text.iter().position(is_text).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(is_text)
        .map_or(start, |last| last + 1);
    &text[start..end]
}
