//! The computed delay between attempts.

use std::time::Duration;

use crate::shared::random;

/// The delay between attempts: exponential with full jitter, fixed, or none.
///
/// The default is `Backoff::exponential(500 ms, 20 s)`.
///
/// *Full jitter* draws the delay uniformly between zero and the exponential value, so that clients that
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
    /// Creates a backoff with full jitter: up to `base` after the first attempt, doubled after each
    /// further attempt, at most `max`.
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

    /// Creates a backoff of exactly `delay` after every attempt, without jitter.
    #[must_use]
    pub fn fixed(delay: Duration) -> Self {
        Self {
            base: delay,
            max: delay,
            jitter: false,
        }
    }

    /// Creates a backoff of zero.
    #[must_use]
    pub fn none() -> Self {
        Self::fixed(Duration::ZERO)
    }

    /// Switches the jitter off: the delay is the exponential value itself.
    #[must_use]
    pub fn without_jitter(self) -> Self {
        Self {
            jitter: false,
            ..self
        }
    }

    /// Returns the delay after this attempt, counted from 1. With jitter, every call draws a new random
    /// time.
    pub fn delay(&self, attempt: u32) -> Duration {
        match self.jitter {
            true => random(self.exponential_value(attempt)),
            false => self.exponential_value(attempt),
        }
    }

    /// Returns the range of the jitter after this attempt, or `None` without jitter.
    pub(super) fn jitter_range(&self, attempt: u32) -> Option<Duration> {
        self.jitter.then(|| self.exponential_value(attempt))
    }

    fn exponential_value(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(127);
        let nanos = self.base.as_nanos().saturating_mul(1 << doublings);
        from_nanos(nanos.min(self.max.as_nanos()))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_millis(500), Duration::from_secs(20))
    }
}

/// `nanos` is at most that of a `Duration`, so the seconds fit.
fn from_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}
