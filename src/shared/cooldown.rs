//! What one answer says to all requests of an account: send nothing until then.

use std::{
    fmt,
    sync::{OnceLock, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use http::StatusCode;

use super::sync::{Arc, AtomicU64};

/// A time until which an account sends nothing, shared by many requests.
///
/// The gateway in front of the API counts the calls of an account. When it answers 429 with
/// `Retry-After: 40` to one request, it speaks to all. That answer *arms* the cool-down, and requests
/// that have not been sent yet are held until it is over.
///
/// The default is `Cooldown::new(5 min)`.
///
/// A clone is the same cool-down, not a second one. Each [`RevioStatusLayer`] starts with its own;
/// give one to several layers of the same account and the same clock. In a request's extensions it is
/// the one that this request listens to and arms: one layer, several accounts.
///
/// ```
/// use revio_status::{Cooldown, RevioStatusLayer};
///
/// let of_acme = Cooldown::default();
/// # #[cfg(feature = "tokio")] {
/// let customers = RevioStatusLayer::new().cooldown(of_acme.clone());
/// let payments = RevioStatusLayer::new().cooldown(of_acme.clone());
/// # }
/// assert_eq!(of_acme.until(), None);
/// let request = http::Request::get("http://localhost/v1/Bills").extension(of_acme);
/// ```
///
/// [`RevioStatusLayer`]: crate::RevioStatusLayer
#[derive(Clone)]
pub struct Cooldown(Arc<State>);

struct State {
    /// Until when, and by which status: 0 if it was never armed, or was lifted. The time is in the
    /// upper bits, so that the larger number is the longer cool-down.
    word: AtomicU64,
    max: Duration,
}

impl Cooldown {
    /// A cool-down that an answer arms for at most `max` at a time.
    ///
    /// # Panics
    ///
    /// If `max` is zero.
    #[must_use]
    pub fn new(max: Duration) -> Self {
        assert!(!max.is_zero(), "a cool-down of at most {max:?} is none");
        Self(Arc::new(State {
            word: AtomicU64::new(0),
            max,
        }))
    }

    /// Until when nothing is sent, on the layer's clock, to the microsecond, rounded up. It may lie in
    /// the past. `None`: it was never armed, or was lifted.
    pub fn until(&self) -> Option<Instant> {
        self.armed().map(|armed| armed.until)
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
        self.0.word.fetch_max(word(status, until), Relaxed);
    }

    /// Lifts it: requests that are held go on to wait, those that come are sent.
    pub fn clear(&self) {
        self.0.word.store(0, Relaxed);
    }

    /// Arms it for the time that an answer asked for, within its maximum. Returns until when, and
    /// whether that makes it begin, or longer by a second or more.
    pub(crate) fn arm(
        &self,
        status: StatusCode,
        now: Instant,
        wait: Duration,
    ) -> Option<(Instant, bool)> {
        const SECOND: Duration = Duration::from_secs(1);
        let word = word(status, now.checked_add(wait.min(self.0.max))?);
        let before = self.0.word.fetch_max(word, Relaxed);
        let until = armed(word)?.until;
        let rest = armed(before).map_or(Duration::ZERO, |before| before.rest(now));
        let longer = until.saturating_duration_since(now).saturating_sub(rest);
        Some((until, rest.is_zero() || longer >= SECOND))
    }

    /// One load if it was never armed.
    #[inline]
    pub(crate) fn armed(&self) -> Option<Armed> {
        match self.0.word.load(Relaxed) {
            0 => None,
            word => armed(word),
        }
    }
}

/// What an answer, or another process, has said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Armed {
    pub(crate) status: StatusCode,
    pub(crate) until: Instant,
}

impl Armed {
    pub(crate) fn rest(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// What of that was asked for: without what rounding the end up has added.
    pub(crate) fn asked(&self, now: Instant) -> Duration {
        let micros = u64::try_from(self.rest(now).as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(micros)
    }
}

/// Two are equal if one is a clone of the other, whatever their times.
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
        let armed = self.armed();
        f.debug_struct("Cooldown")
            .field("status", &armed.map(|armed| armed.status))
            .field("until", &armed.map(|armed| armed.until))
            .field("max", &self.0.max)
            .finish()
    }
}

/// Statuses have three digits.
const STATUS_BITS: u32 = 10;

/// Instants are told apart by their distance, in microseconds, from this one. It lies in the middle:
/// a clock of one's own may be behind it.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

const MIDDLE: u64 = 1 << 53;

/// Never zero, and rounded up: nobody comes too early.
fn word(status: StatusCode, until: Instant) -> u64 {
    let micros = |time: Duration| u64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(MIDDLE);
    let time = match until.checked_duration_since(epoch()) {
        Some(after) => MIDDLE.saturating_add(micros(after)),
        None => {
            let before = epoch().saturating_duration_since(until).as_micros();
            MIDDLE.saturating_sub(u64::try_from(before).unwrap_or(MIDDLE))
        }
    };
    let time = time.clamp(1, 2 * MIDDLE - 1);
    (time << STATUS_BITS) | u64::from(status.as_u16())
}

#[cold]
fn armed(word: u64) -> Option<Armed> {
    let (time, status) = (word >> STATUS_BITS, word & ((1 << STATUS_BITS) - 1));
    let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    let until = match time.checked_sub(MIDDLE) {
        Some(after) => epoch().checked_add(Duration::from_micros(after)),
        None => epoch().checked_sub(Duration::from_micros(MIDDLE.saturating_sub(time))),
    };
    Some(Armed {
        status,
        until: until?,
    })
}
