//! An account's limit: how many calls the gateway lets through.

use std::collections::VecDeque;

use super::{
    events::{MINUTE, Nanos, SECOND},
    scenario::World,
};

/// The treatment of refused calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusals {
    /// They do not use up the limit. Minutes are counted one by one, as in Azure API Management.
    AreFree,
    /// They use up the limit. The last 60 seconds count, so that a caller that does not stop stays locked out.
    Count,
}

#[derive(Clone, Debug)]
pub enum Account {
    ByMinute { minute_ends: Nanos, calls: u32 },
    OfTheLast60Seconds(VecDeque<Nanos>),
}

impl Account {
    /// `minute_ends`: its first one's.
    pub fn new(minute_ends: Nanos, refusals: Refusals) -> Self {
        match refusals {
            Refusals::AreFree => Self::ByMinute {
                minute_ends,
                calls: 0,
            },
            Refusals::Count => Self::OfTheLast60Seconds(VecDeque::new()),
        }
    }

    /// Counts a call.
    ///
    /// # Errors
    ///
    /// The seconds until the account may call again, at most 60.
    pub fn count(&mut self, now: Nanos) -> Result<(), u32> {
        match self {
            Self::ByMinute { minute_ends, calls } => {
                if now >= *minute_ends {
                    *minute_ends += ((now - *minute_ends) / MINUTE + 1) * MINUTE;
                    *calls = 0;
                }
                if *calls == World::LIMIT {
                    return Err((*minute_ends - now).div_ceil(SECOND) as u32);
                }
                *calls += 1;
                Ok(())
            }
            Self::OfTheLast60Seconds(calls) => {
                while calls.front().is_some_and(|call| call + MINUTE <= now) {
                    calls.pop_front();
                }
                calls.push_back(now);
                // The call that must be a minute old before there is room for one more.
                let Some(before) = calls.len().checked_sub(World::LIMIT as usize + 1) else {
                    return Ok(());
                };
                Err((calls[before + 1] + MINUTE - now).div_ceil(SECOND) as u32)
            }
        }
    }
}
