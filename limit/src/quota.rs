//! The account's quota: its calls per period, and the pace that follows from them.

use std::time::Duration;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// An account's calls per period.
///
/// ```
/// use std::time::Duration;
/// use revio_status_limit::Quota;
///
/// let quota = Quota::per_minute(500);
/// assert_eq!(quota, Quota::new(500, Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    calls: u32,
    per: Duration,
}

impl Quota {
    /// Creates a quota of so many calls in each period.
    ///
    /// # Panics
    ///
    /// If `calls` is below 2, if `per` is zero or above a day, or if the quota is above one call per
    /// microsecond.
    #[must_use]
    pub fn new(calls: u32, per: Duration) -> Self {
        assert!(calls >= 2, "a quota of {calls} calls: at least 2");
        assert!(
            !per.is_zero() && per <= DAY,
            "a quota per {per:?}: above zero, and at most a day"
        );
        assert!(
            per >= Duration::from_micros(calls.into()),
            "a quota of {calls} calls per {per:?}: at most one call per microsecond"
        );
        Self { calls, per }
    }

    /// Creates a quota of so many calls a minute. Panics as [`new`](Self::new) does.
    #[must_use]
    pub fn per_minute(calls: u32) -> Self {
        Self::new(calls, Duration::from_secs(60))
    }

    /// Returns the time between two calls. 2 % of the quota stays unused: the gateway counts calls when
    /// they arrive, in windows whose start is unknown.
    pub(crate) fn interval(self) -> Duration {
        self.per / (self.calls - self.calls.div_ceil(50))
    }

    /// Returns the time by which calls may come early to make up turns that were not used: 1 % of the
    /// quota.
    pub(crate) fn burst(self) -> Duration {
        self.interval() * (self.calls / 100)
    }
}
