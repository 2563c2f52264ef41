//! The scene that a byte string describes: settings, requests, and the inner service's behaviour.

use std::time::Duration;

use super::{
    others::Other,
    settings::{Limit, Settings, Time},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use revio_status::TimeLimit;

#[derive(Arbitrary, Debug)]
pub struct Scene {
    pub settings: Settings,
    pub jobs: Vec<Job>,
}

/// One request and all that happens to it.
#[derive(Arbitrary, Debug)]
pub struct Job {
    pub method: Verb,
    pub idempotent: Option<bool>,
    pub time_limit: Option<Limit>,
    /// A `Deadline` of the caller, counted from the call.
    pub deadline: Option<Time>,
    pub body: Vec<Piece>,
    pub hint: Hint,
    /// `is_end_stream` is exact.
    pub knows_its_end: bool,
    /// Another request deposits into the budget before this one (`true`), or withdraws.
    pub budget_use: Option<bool>,
    pub scripts: Vec<AttemptScript>,
    /// The caller drops the future after so many polls.
    pub drop_after: Option<u8>,
    /// The acts of other users, each after so many polls.
    pub others: Vec<(u8, Other)>,
    /// How far the clock goes beyond the next alarm; the lowest bit: an extra poll.
    pub steps: Vec<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Verb {
    Get,
    Put,
    Delete,
    Head,
    Options,
    Trace,
    Post,
    Patch,
    Connect,
    /// Methods are case-sensitive.
    Lower,
}

impl Verb {
    pub fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
            Self::Head => Method::HEAD,
            Self::Options => Method::OPTIONS,
            Self::Trace => Method::TRACE,
            Self::Post => Method::POST,
            Self::Patch => Method::PATCH,
            Self::Connect => Method::CONNECT,
            Self::Lower => Method::from_bytes(b"get").expect("a token"),
        }
    }

    /// RFC 9110 §9.2.2
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch | Self::Connect | Self::Lower)
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Piece {
    /// In two parts, for buffers that are not contiguous.
    Data(u8, u8),
    /// One byte at a time: more chunks than a recording keeps apart.
    Crumbs(u8),
    Pause(Time),
    /// Nothing comes after it.
    Trailers,
    Fail,
}

impl Piece {
    /// The pieces one by one, up to the first that ends the body.
    pub fn spread(pieces: &[Self]) -> Vec<Self> {
        let is_last = |piece: &Self| matches!(piece, Self::Trailers | Self::Fail);
        let end = pieces
            .iter()
            .position(is_last)
            .map_or(pieces.len(), |at| at + 1);
        let one_by_one = |piece: &Self| match piece {
            Self::Crumbs(count) => vec![Self::Data(1, 0); usize::from(count % 64)],
            other => vec![*other],
        };
        pieces[..end].iter().flat_map(one_by_one).collect()
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Hint {
    None,
    Exact,
    Loose(u8, u8),
}

#[derive(Arbitrary, Clone, Debug)]
pub struct AttemptScript {
    /// The times for which readiness is pending before the attempt.
    pub readiness: Vec<Time>,
    pub is_never_ready: bool,
    pub pause: Option<Time>,
    /// The number of frames of the request body that are read before the response.
    pub reads: u8,
    /// The response does not wait for a slow request body.
    pub is_hasty: bool,
    /// A response comes even if the request body fails.
    pub shrugs: bool,
    /// The upload goes on after the response.
    pub reads_on: bool,
    pub status: Status,
    pub wait: Wait,
    pub body: Vec<Piece>,
    pub knows_its_end: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Status(u8);

impl Status {
    /// `None`: no response.
    pub fn get(self) -> Option<StatusCode> {
        const ALL: [u16; 20] = [
            503, 504, 503, 504, 200, 0, 429, 403, 500, 501, 204, 302, 400, 401, 404, 405, 418, 502,
            600, 999,
        ];
        let status = ALL[usize::from(self.0) % ALL.len()];
        StatusCode::from_u16(status).ok()
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Wait {
    Missing,
    Seconds(u8),
    Millis(u16),
    /// Both: milliseconds come first.
    Both(u8, u16),
    Garbage,
    Huge,
}

impl Wait {
    pub fn headers(self) -> HeaderMap {
        const MILLIS: HeaderName = HeaderName::from_static("retry-after-ms");
        let seconds = |value| (http::header::RETRY_AFTER, value);
        let fields = match self {
            Self::Missing => vec![],
            Self::Seconds(n) => vec![seconds(HeaderValue::from(u16::from(n)))],
            Self::Millis(n) => vec![(MILLIS, HeaderValue::from(n))],
            Self::Both(s, n) => {
                vec![
                    seconds(HeaderValue::from(u16::from(s))),
                    (MILLIS, HeaderValue::from(n)),
                ]
            }
            Self::Garbage => vec![seconds(HeaderValue::from_static("soon"))],
            Self::Huge => vec![seconds(HeaderValue::from(u64::MAX))],
        };
        fields.into_iter().collect()
    }

    pub fn get(self) -> Option<Duration> {
        match self {
            Self::Missing | Self::Garbage => None,
            Self::Seconds(n) => Some(Duration::from_secs(n.into())),
            Self::Millis(n) | Self::Both(_, n) => Some(Duration::from_millis(n.into())),
            Self::Huge => Some(Duration::from_secs(u64::MAX)),
        }
    }
}

impl Job {
    pub fn resend(&self) -> bool {
        self.idempotent.unwrap_or(self.method.is_idempotent())
    }

    pub fn time_limit(&self) -> Option<TimeLimit> {
        self.time_limit.map(|limit| TimeLimit(limit.get()))
    }

    /// Returns the script of this attempt; the last one serves all further attempts.
    pub fn script(&self, attempt: u32) -> &AttemptScript {
        let scripts = &self.scripts;
        scripts
            .get(attempt as usize - 1)
            .unwrap_or(&scripts[scripts.len() - 1])
    }

    /// Returns how far the clock goes beyond its next alarm, and `true` for an extra poll.
    pub fn step(&self, number: usize) -> (Duration, bool) {
        let byte = self.steps.get(number).copied().unwrap_or(0);
        let beyond = match u64::from(byte >> 1) {
            0..64 => Duration::ZERO,
            n @ 64..120 => Duration::from_millis(n - 63),
            n => Duration::from_secs(n - 119),
        };
        (beyond, byte & 1 == 1)
    }

    /// Returns the bytes of the body, and `true` if trailers follow.
    pub fn content(pieces: &[Piece]) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        for piece in Piece::spread(pieces) {
            match piece {
                Piece::Data(one, two) => {
                    let end = bytes.len() + usize::from(one) + usize::from(two);
                    // The value of each byte depends on its position.
                    bytes.extend((bytes.len()..end).map(|at| (at % 251) as u8));
                }
                Piece::Pause(_) | Piece::Crumbs(_) => {}
                Piece::Trailers => return (bytes, true),
                Piece::Fail => break,
            }
        }
        (bytes, false)
    }
}
