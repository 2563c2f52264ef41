//! Every kind of `Retry-After`: its headers, and the time that they mean.

use std::time::Duration;

use fastrand::Rng;

use super::plan::pick;

/// The wait that a response asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wait {
    None,
    Zero,
    /// In Azure's own header.
    Millis(u64),
    Second,
    /// A date one second after the response's `Date`.
    DateAhead,
    DatePast,
    Garbage(&'static str),
    /// Longer than the deadline allows.
    FiveSeconds,
    /// Longer than the policy accepts.
    Hour,
    /// Longer than any clock can represent.
    Absurd,
}

impl Wait {
    /// Draws a wait for this status. Whole seconds are rare, to keep the test short.
    pub fn draw(rng: &mut Rng, status: u16) -> Self {
        if !matches!(status, 403 | 429 | 503 | 504) {
            return Self::None;
        }
        let millis = Self::Millis(rng.u64(1..20));
        let garbage = ["soon", "-1", "1.5", "", "Sun, 99 Nov 1994"];
        let garbage = Self::Garbage(garbage[rng.usize(..garbage.len())]);
        pick(
            rng,
            &[
                (500, Self::None),
                (230, millis),
                (80, Self::Zero),
                (50, Self::DatePast),
                (60, garbage),
                (5, Self::Second),
                (5, Self::DateAhead),
                (20, Self::FiveSeconds),
                (20, Self::Hour),
                (20, Self::Absurd),
            ],
        )
    }

    /// Returns the headers.
    pub fn headers(self) -> Vec<(&'static str, String)> {
        let retry_after = match self {
            Self::None => return Vec::new(),
            Self::Millis(millis) => return vec![("retry-after-ms", millis.to_string())],
            Self::Zero => "0",
            Self::Second => "1",
            Self::DateAhead => "Sun, 06 Nov 1994 08:49:38 GMT",
            Self::DatePast => "Sunday, 06-Nov-94 08:49:37 GMT",
            Self::Garbage(text) => text,
            Self::FiveSeconds => "5",
            Self::Hour => "3600",
            Self::Absurd => "99999999999999999999999999999999",
        };
        let mut headers = vec![("retry-after", retry_after.to_owned())];
        if self == Self::DateAhead {
            headers.push(("date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()));
        }
        headers
    }

    /// Returns the time that the headers mean.
    pub fn asked(self) -> Option<Duration> {
        Some(match self {
            Self::None | Self::Garbage(_) => return None,
            Self::Zero | Self::DatePast => Duration::ZERO,
            Self::Millis(millis) => Duration::from_millis(millis),
            Self::Second | Self::DateAhead => Duration::from_secs(1),
            Self::FiveSeconds => Duration::from_secs(5),
            Self::Hour => Duration::from_secs(3600),
            Self::Absurd => Duration::from_secs(u64::MAX),
        })
    }
}
