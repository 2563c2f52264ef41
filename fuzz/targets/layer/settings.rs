//! The layer's settings, and the times they are made of.

use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use revio_status::{Decision, StopReason};

use http::StatusCode;

use super::cooldown::{Account, concerns_account};

/// The most retries that a closure approves.
const LONGEST_CLOSURE: usize = 5;

#[derive(Arbitrary, Debug)]
pub struct Settings {
    pub policy: Policy,
    pub budget: Option<(Reserve, Ratio)>,
    pub time_limit: Option<Limit>,
    pub account: Account,
    pub error_body_limit: u8,
    pub error_body_timeout: Time,
    pub replay_body_limit: u8,
    /// Timers end early by so many microseconds, but never by more than a quarter of the sleep.
    pub slop: u16,
}

impl Settings {
    pub fn slop(&self) -> Duration {
        Duration::from_micros(self.slop.into())
    }
}

/// In coarse steps, so that instants coincide.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Time(u8);

impl Time {
    pub fn get(self) -> Duration {
        let unit = [0, 1, 250, 1000][usize::from(self.0 >> 6)];
        Duration::from_millis(unit * u64::from(self.0 & 63))
    }
}

/// A time limit; the end of the longest overflows the clock.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Limit {
    Time(Time),
    Overflow,
}

impl Limit {
    pub fn get(self) -> Duration {
        match self {
            Self::Time(time) => time.get(),
            Self::Overflow => Duration::MAX,
        }
    }

    /// Returns the time until the deadline, or `None` if there is no deadline.
    pub fn deadline(self) -> Option<Duration> {
        match self {
            Self::Time(time) => Some(time.get()),
            Self::Overflow => None,
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Reserve(u8);

impl Reserve {
    pub fn get(self) -> u32 {
        (self.0 % 5).into()
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Ratio {
    Nothing,
    Tenth,
    Third,
    Half,
    Whole,
    Twice,
}

impl Ratio {
    pub fn get(self) -> f64 {
        self.millionths() as f64 / 1e6
    }

    pub fn millionths(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Tenth => 100_000,
            Self::Third => 333_333,
            Self::Half => 500_000,
            Self::Whole => 1_000_000,
            Self::Twice => 2_000_000,
        }
    }
}

#[derive(Arbitrary, Clone, Debug)]
pub enum Policy {
    Default,
    Standard {
        attempts: u8,
        backoff: Backoff,
        max_retry_after: Time,
        retry_429: bool,
        max_hold: Time,
        cool_503: bool,
    },
    Never,
    /// The closure's decision after each attempt, and then stop.
    Closure(Vec<Option<Time>>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Backoff {
    None,
    Fixed(Time),
    Exact(Time, Time),
    Jittered(Time, Time),
}

impl Backoff {
    pub const DEFAULT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));

    pub fn build(self) -> revio_status::Backoff {
        match self {
            Self::None => revio_status::Backoff::none(),
            Self::Fixed(time) => revio_status::Backoff::fixed(time.get()),
            Self::Exact(one, two) => exponential(one, two).without_jitter(),
            Self::Jittered(one, two) => exponential(one, two),
        }
    }

    pub fn is_jittered(self) -> bool {
        matches!(self, Self::Jittered(..))
    }

    /// The shortest and the longest wait after attempt `n`.
    pub fn range(self, n: u32) -> (Duration, Duration) {
        let after = |one: Time, two: Time| {
            let (base, max) = ordered(one, two);
            full(base, max, n)
        };
        match self {
            Self::None => (Duration::ZERO, Duration::ZERO),
            Self::Fixed(time) => (time.get(), time.get()),
            Self::Exact(one, two) => (after(one, two), after(one, two)),
            Self::Jittered(one, two) => (Duration::ZERO, after(one, two)),
        }
    }
}

/// The full exponential wait after attempt `n`.
pub fn full(base: Duration, max: Duration, n: u32) -> Duration {
    (1..n).fold(base, |wait, _| wait * 2).min(max)
}

fn exponential(one: Time, two: Time) -> revio_status::Backoff {
    let (base, max) = ordered(one, two);
    revio_status::Backoff::exponential(base, max)
}

fn ordered(one: Time, two: Time) -> (Duration, Duration) {
    (one.get().min(two.get()), one.get().max(two.get()))
}

impl Policy {
    /// Returns `true` if a response with this status and a waiting time starts a cool-down.
    pub fn cools_down(&self, status: StatusCode) -> bool {
        match self {
            Self::Never => false,
            Self::Standard { cool_503: true, .. } if status == 503 => true,
            _ => concerns_account(status),
        }
    }

    /// Returns the closure's decision after attempt `n`.
    pub fn closure_decision(words: &[Option<Time>], n: u32) -> Decision {
        match words.iter().take(LONGEST_CLOSURE).nth(n as usize - 1) {
            Some(Some(time)) => Decision::Retry { after: time.get() },
            _ => Decision::Stop(StopReason::StoppedByPolicy),
        }
    }
}
