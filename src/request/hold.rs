//! How long a request waits for a cool-down, or why it does not.

use std::time::Duration;

use crate::failure::StopReason;

/// Wakes those who were told the same moment one after the other.
const SPREAD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Less than this before the deadline is no time to be sent in.
const LEAST_LEFT: Duration = Duration::from_millis(10);

/// What is added to the wait for a cool-down that lasts `asked`, or why nobody waits.
///
/// `held` is how long the request has been held already, `max_hold` how long it may be in all.
pub(crate) fn spread(
    asked: Duration,
    held: Duration,
    max_hold: Duration,
    remaining: Option<Duration>,
) -> Result<Duration, StopReason> {
    if held.saturating_add(asked) > max_hold {
        return Err(StopReason::CoolingDown);
    }
    let tenth = asked.checked_div(10).unwrap_or(asked);
    let mut spread = tenth.clamp(SPREAD.0, SPREAD.1);
    if let Some(remaining) = remaining {
        let left = remaining.saturating_sub(asked);
        if left < LEAST_LEFT {
            return Err(StopReason::CoolingDown);
        }
        if left < spread {
            spread = left.checked_div(2).unwrap_or(left);
        }
    }
    Ok(random(spread))
}

/// Uniform in zero to this. The nanoseconds of a few seconds fit.
fn random(most: Duration) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(fastrand::u64(..=nanos))
}
