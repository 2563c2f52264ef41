//! How long to wait between attempts when the server does not say.

use std::time::Duration;

use crate::shared::random;

/// The wait between attempts: exponential with full jitter, fixed, or none.
///
/// The default is `Backoff::exponential(500 ms, 20 s)`.
///
/// *Full jitter* draws the wait uniformly from zero to the exponential value, so that clients that
/// failed together do not come back together
/// ([Exponential Backoff And Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)).
///
/// ```
/// use std::time::Duration;
/// use revio_status::Backoff;
///
/// let backoff = Backoff::exponential(Duration::from_millis(500), Duration::from_secs(20));
/// assert!(backoff.delay(1) <= Duration::from_millis(500));
/// assert!(backoff.delay(2) <= Duration::from_secs(1));
///
/// let exact = backoff.without_jitter();
/// assert_eq!(exact.delay(3), Duration::from_secs(2));
/// assert_eq!(exact.delay(u32::MAX), Duration::from_secs(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    jitter: bool,
}

impl Backoff {
    /// Waits up to `base` after the first attempt and twice as long after each further one, never
    /// longer than `max`; with full jitter.
    ///
    /// # Panics
    ///
    /// If `base` is longer than `max`.
    #[must_use]
    pub fn exponential(base: Duration, max: Duration) -> Self {
        assert!(
            base <= max,
            "the backoff's base {base:?} is longer than its maximum {max:?}"
        );
        Self {
            base,
            max,
            jitter: true,
        }
    }

    /// Waits `delay` after every attempt, never jittered.
    #[must_use]
    pub fn fixed(delay: Duration) -> Self {
        Self {
            base: delay,
            max: delay,
            jitter: false,
        }
    }

    /// Does not wait.
    #[must_use]
    pub fn none() -> Self {
        Self::fixed(Duration::ZERO)
    }

    /// Waits the exponential value itself, not a random part of it.
    #[must_use]
    pub fn without_jitter(self) -> Self {
        Self {
            jitter: false,
            ..self
        }
    }

    /// Returns the wait after this attempt; the first attempt is 1.
    ///
    /// With jitter, every call draws a new random time.
    pub fn delay(&self, attempt: u32) -> Duration {
        match self.jitter {
            true => random(self.ceiling(attempt)),
            false => self.ceiling(attempt),
        }
    }

    /// Returns the range of the jitter after this attempt, or `None` without jitter.
    pub(super) fn jitter_range(&self, attempt: u32) -> Option<Duration> {
        self.jitter.then(|| self.ceiling(attempt))
    }

    fn ceiling(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(127);
        let nanos = self.base.as_nanos().saturating_mul(1 << doublings);
        duration(nanos.min(self.max.as_nanos()))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_millis(500), Duration::from_secs(20))
    }
}

/// The nanoseconds come from a `Duration` or are fewer, so the seconds fit.
fn duration(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}
