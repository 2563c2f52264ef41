//! What must be read from lines of which it is known how they were made.

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

/// What the server's clock says of itself.
#[derive(Arbitrary, Debug)]
pub enum Server {
    Silent,
    /// Seconds from our clock.
    Near(i32, Form),
    At(u64, Form),
    LeapSecond(u16, Form),
    Garbage(Vec<u8>),
}

/// The `Date` field.
#[derive(Debug)]
pub struct ServerDate {
    text: Vec<u8>,
    /// `None`: nobody can tell whether and how it is read.
    unix: Option<u64>,
    /// No date for sure.
    is_void: bool,
}

impl ServerDate {
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

impl Server {
    pub fn date(&self, now: Duration) -> Option<ServerDate> {
        let now = now.as_secs();
        let dated = |unix: u64, form, leap| {
            // A leap second is written as the one before it, and is the one after it.
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
            Self::Garbage(text) => ServerDate {
                text: text.clone(),
                unix: None,
                is_void: !is_like_a_date(text),
            },
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
    /// One byte of a date is another one.
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
    /// The bytes of the field, trimmed or not.
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
                let (unix, form, leap) = self.instant(server, now).expect("the rest are dates");
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

/// The waits that would be right.
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

    /// Of several lines the longest wait; milliseconds before seconds. `clock` is the time before
    /// and after the reading.
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
            .fold(Self::NONE, |rest, first| first.or(rest))
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
                // One that may be absent does not lift the least that the other asks for.
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

    /// The first where it is there, else the second.
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
    let Some((unix, form, leap)) = line.instant(server, clock.0) else {
        return if is_like_a_date(text) {
            Expected::ANY
        } else {
            Expected::NONE
        };
    };
    // By the server's clock if it is known, else by ours.
    let (first, last) = match server {
        Some(ServerDate {
            unix: Some(unix), ..
        }) => (Duration::from_secs(*unix), Duration::from_secs(*unix)),
        Some(ServerDate { is_void: false, .. }) => return Expected::ANY,
        _ => clock,
    };
    if form == Form::Rfc850 && !is_same_century(unix, first.as_secs()) {
        return Expected::ANY;
    }
    let then = Duration::from_secs(unix + u64::from(leap));
    Expected::within(then.saturating_sub(last), then.saturating_sub(first))
}

/// `None`: not `1*DIGIT`. What no type can hold is very long: 68 years at the least.
fn number(text: &[u8], unit: fn(u64) -> Duration) -> Option<Expected> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let end = text.iter().rposition(|byte| !is_space(byte))? + 1;
    let digits = std::str::from_utf8(&text[start..end]).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(match (digits.is_empty(), digits.parse::<u64>()) {
        (true, _) => Expected::within(Duration::ZERO, Duration::ZERO),
        (_, Ok(number)) => Expected::within(unit(number), unit(number)),
        (_, Err(_)) => Expected::within(Duration::from_secs(1 << 31), Duration::MAX),
    })
}

/// Two digits of a year are understood within 50 years; a year is spared for the edges.
fn is_same_century(unix: u64, now: u64) -> bool {
    unix.abs_diff(now) < 49 * YEAR
}

/// Every form has a time with two colons and a month.
fn is_like_a_date(text: &[u8]) -> bool {
    let colons = text.iter().filter(|byte| **byte == b':').count();
    let letters = text
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    colons >= 2 && letters >= 6
}
