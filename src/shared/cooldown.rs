//! The cool-down: a pause that one response starts for all requests of an account.

use std::{
    fmt,
    sync::{OnceLock, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use http::StatusCode;

use super::sync::{Arc, AtomicU64};

/// A shared pause: until it ends, no request of the account is sent.
///
/// The gateway in front of the API counts the calls of an account. A 429 with `Retry-After: 40`
/// concerns the whole account, so the response *starts* the cool-down, and all requests that were not
/// sent yet are held until it ends. A later end *extends* the cool-down; nothing shortens it but
/// [`clear`](Self::clear).
///
/// The default is `Cooldown::new(5 min)`.
///
/// A clone is the same cool-down. Each [`RevioStatusLayer`] begins with its own; pass one to several
/// layers of the same account, if they use the same clock. A `Cooldown` in a request's extensions
/// replaces the layer's for this request: one layer, several accounts.
///
/// ```
/// use revio_status::{Cooldown, RevioStatusLayer};
///
/// let acme = Cooldown::default();
/// # #[cfg(feature = "tokio")] {
/// let customers = RevioStatusLayer::new().cooldown(acme.clone());
/// let payments = RevioStatusLayer::new().cooldown(acme.clone());
/// # }
/// assert_eq!(acme.until(), None);
/// let request = http::Request::get("http://localhost/v1/Bills").extension(acme);
/// ```
///
/// [`RevioStatusLayer`]: crate::RevioStatusLayer
#[derive(Clone)]
pub struct Cooldown(Arc<State>);

struct State {
    /// The end and its status: see `encode`. 0 if the cool-down never started, or was cleared.
    end: AtomicU64,
    /// The end of the last event, as a number of `micros`.
    reported: AtomicU64,
    max: Duration,
}

impl Cooldown {
    /// Creates a cool-down that a response starts, or extends, for at most `max` from now.
    ///
    /// # Panics
    ///
    /// If `max` is zero.
    #[must_use]
    pub fn new(max: Duration) -> Self {
        assert!(!max.is_zero(), "the cool-down's maximum is {max:?}");
        Self(Arc::new(State {
            end: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            max,
        }))
    }

    /// Returns the end of the cool-down, on the layer's clock, rounded up to the microsecond.
    ///
    /// The end may be in the past. Returns `None` if the cool-down never started, or was cleared.
    pub fn until(&self) -> Option<Instant> {
        self.active().map(|active| active.until)
    }

    /// Starts or extends the cool-down from outside, for instance because another process was told.
    ///
    /// `until` is an instant of the layer's clock. It is not clamped to the maximum, never shortens
    /// the cool-down, and is not reported by an event. A status below 400 counts as 429.
    pub fn extend_until(&self, status: StatusCode, until: Instant) {
        let status = match status.as_u16() {
            ..400 => StatusCode::TOO_MANY_REQUESTS,
            _ => status,
        };
        let end = micros(until);
        let word = encode(status, end);
        if self.0.end.fetch_max(word, Relaxed) < word {
            self.0.reported.fetch_max(end, Relaxed);
        }
    }

    /// Ends the cool-down for requests that come from now on. Requests that are already held keep
    /// waiting.
    pub fn clear(&self) {
        self.0.end.store(0, Relaxed);
        // Last: a start that `clear` erases must not silence the next one.
        self.0.reported.store(0, Relaxed);
    }

    /// Starts or extends the cool-down for the time that a response asked for, at most the maximum.
    ///
    /// Returns the end, and `true` if the end is to be reported: the cool-down starts, or is extended
    /// to at least a second later than the last event said.
    pub(crate) fn start(
        &self,
        status: StatusCode,
        now: Instant,
        wait: Duration,
    ) -> (Instant, bool) {
        const SECOND: u64 = 1_000_000;
        let end = now.checked_add(wait.min(self.0.max));
        let end = end.map_or(LATEST, micros);
        let before = self.0.end.fetch_max(encode(status, end), Relaxed) >> STATUS_BITS;
        let now_micros = micros(now);
        let is_news =
            |reported: u64| reported <= now_micros || end >= reported.saturating_add(SECOND);
        let update = |reported| (end > before && is_news(reported)).then_some(end);
        let is_reported = self
            .0
            .reported
            .fetch_update(Relaxed, Relaxed, update)
            .is_ok();
        (instant(end).unwrap_or(now), is_reported)
    }

    /// Returns the end and its status. Costs one load if the cool-down never started.
    #[inline]
    pub(crate) fn active(&self) -> Option<Active> {
        match self.0.end.load(Relaxed) {
            0 => None,
            word => decode(word),
        }
    }
}

/// The end of a cool-down, and the status of the response that set it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Active {
    pub(crate) status: StatusCode,
    pub(crate) until: Instant,
}

impl Active {
    /// Returns the time to wait. Zero: the cool-down is over.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// Returns the remaining time as the server asked for it: without the fraction of a microsecond
    /// that rounding the end up added.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        let micros = u64::try_from(self.wait(now).as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(micros)
    }
}

/// Two are equal if one is a clone of the other, whatever their ends.
impl PartialEq for Cooldown {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cooldown {}

impl Default for Cooldown {
    fn default() -> Self {
        Self::new(Duration::from_secs(300))
    }
}

impl fmt::Debug for Cooldown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let active = self.active();
        f.debug_struct("Cooldown")
            .field("status", &active.map(|active| active.status))
            .field("until", &active.map(|active| active.until))
            .field("max", &self.0.max)
            .finish()
    }
}

/// Returns the range of the random time that is added to a wait of this length: a tenth of it, at
/// least 100 ms and at most 5 s.
///
/// If less than that is left between the wait's end and the deadline, half of the time left.
pub(crate) fn spread(wait: Duration, remaining: Option<Duration>, least: Duration) -> Duration {
    let tenth = wait.checked_div(10).unwrap_or(wait);
    let spread = tenth
        .clamp(Duration::from_millis(100), Duration::from_secs(5))
        .max(least);
    match remaining.map(|remaining| remaining.saturating_sub(wait)) {
        Some(left) if left < spread => left.checked_div(2).unwrap_or(left),
        _ => spread,
    }
}

/// Returns a random time, uniform in zero to `range`.
pub(crate) fn random(range: Duration) -> Duration {
    let nanos = u64::try_from(range.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(fastrand::u64(..=nanos))
}

/// An end is kept as the microseconds from an instant that lies `MIDDLE` before this one, so that the
/// layer's clock may be behind ours.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

const MIDDLE: u64 = 1 << 53;
const LATEST: u64 = 2 * MIDDLE - 1;

/// Never zero, and rounded up, so that no request comes too early.
fn micros(time: Instant) -> u64 {
    let number = |time: Duration| u64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(MIDDLE);
    let micros = match time.checked_duration_since(epoch()) {
        Some(after) => MIDDLE.saturating_add(number(after)),
        None => {
            let before = epoch().saturating_duration_since(time).as_micros();
            MIDDLE.saturating_sub(u64::try_from(before).unwrap_or(MIDDLE))
        }
    };
    micros.clamp(1, LATEST)
}

fn instant(micros: u64) -> Option<Instant> {
    match micros.checked_sub(MIDDLE) {
        Some(after) => epoch().checked_add(Duration::from_micros(after)),
        None => epoch().checked_sub(Duration::from_micros(MIDDLE.saturating_sub(micros))),
    }
}

/// Statuses have three digits.
const STATUS_BITS: u32 = 10;

/// The end takes the upper bits, so that the larger number is the later end.
fn encode(status: StatusCode, micros: u64) -> u64 {
    (micros << STATUS_BITS) | u64::from(status.as_u16())
}

#[cold]
fn decode(word: u64) -> Option<Active> {
    let (micros, status) = (word >> STATUS_BITS, word & ((1 << STATUS_BITS) - 1));
    Some(Active {
        status: StatusCode::from_u16(u16::try_from(status).ok()?).ok()?,
        until: instant(micros)?,
    })
}
