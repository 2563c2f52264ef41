//! Retry or stop, and after which delay: the questions in their order.

use std::time::Duration;

use http::StatusCode;
use revio_status::{Decision, StopReason};

use super::{
    cooldown::{max_hold, spread},
    settings::{Backoff, Policy, full},
};

/// All that a decision may depend on.
pub struct Facts<'a> {
    pub policy: &'a Policy,
    pub status: StatusCode,
    pub wait: Option<Duration>,
    pub resend: bool,
    pub attempt: u32,
    pub remaining: Option<Duration>,
    pub is_replayable: bool,
    pub has_budget: bool,
    /// The request obeys a cool-down.
    pub has_cooldown: bool,
    /// The request's free paced retry is used up.
    pub was_paced: bool,
}

/// Both are possible if the jitter decides about the deadline.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The shortest and the longest delay.
    pub go: Option<(Duration, Duration)>,
    pub stop: Vec<StopReason>,
}

impl From<StopReason> for Verdict {
    fn from(reason: StopReason) -> Self {
        Self {
            go: None,
            stop: vec![reason],
        }
    }
}

impl Facts<'_> {
    pub fn verdict(&self) -> Verdict {
        if !self.is_retryable() {
            return StopReason::NotRetryable.into();
        }
        if !self.resend {
            return StopReason::NotIdempotent.into();
        }
        let (least, most) = match self.delay() {
            Ok(range) => range,
            Err(reason) => return reason.into(),
        };
        let mut verdict = Verdict::default();
        if self.remaining.is_some_and(|left| most >= left) {
            verdict.stop.push(StopReason::DeadlineExceeded);
        }
        if self.remaining.is_some_and(|left| least >= left) {
            return verdict;
        }
        if !self.is_replayable {
            verdict.stop.push(StopReason::BodyNotReplayable);
        } else if !self.has_budget && !self.is_free(least) {
            verdict.stop.push(StopReason::BudgetExhausted);
        } else {
            verdict.go = Some((least, most));
        }
        verdict
    }

    /// The time for which the response starts a cool-down, obeyed or not.
    fn cooldown(&self) -> Option<Duration> {
        let asked = self.wait.filter(|wait| !wait.is_zero());
        asked.filter(|_| self.policy.cools_down(self.status))
    }

    /// A retry that waits as long as a cool-down's response asked for.
    pub fn is_paced(&self, delay: Duration) -> bool {
        self.has_cooldown && self.cooldown().is_some_and(|asked| delay >= asked)
    }

    /// The first paced retry of a request costs nothing.
    pub fn is_free(&self, delay: Duration) -> bool {
        !self.was_paced && self.is_paced(delay)
    }

    fn is_retryable(&self) -> bool {
        match self.policy {
            Policy::Never => false,
            Policy::Closure(_) => true,
            Policy::Standard {
                retry_429: true, ..
            } if self.status == 429 => true,
            _ => self.status == 503 || self.status == 504,
        }
    }

    fn delay(&self) -> Result<(Duration, Duration), StopReason> {
        let standard = |max_attempts, max_wait, (least, most): (Duration, Duration), jitter| {
            let asked = self.wait.unwrap_or_default();
            let max_wait = match self.cooldown() {
                Some(_) => max_hold(self.policy).expect("the policy obeys cool-downs"),
                None => max_wait,
            };
            if self.attempt >= max_attempts {
                Err(StopReason::AttemptsExhausted)
            } else if asked > max_wait {
                Err(StopReason::RetryAfterTooLong)
            } else if self.cooldown().is_some() && jitter {
                Ok((asked, asked + spread(asked, most, self.remaining)))
            } else {
                Ok((asked + least, asked + most))
            }
        };
        match self.policy {
            Policy::Never => Err(StopReason::NotRetryable),
            Policy::Default => {
                let (base, max) = Backoff::DEFAULT;
                let jitter = (Duration::ZERO, full(base, max, self.attempt));
                standard(3, Duration::from_secs(30), jitter, true)
            }
            Policy::Standard {
                attempts,
                backoff,
                max_retry_after,
                ..
            } => standard(
                u32::from(attempts % 5) + 1,
                max_retry_after.get(),
                backoff.range(self.attempt),
                backoff.is_jittered(),
            ),
            Policy::Closure(words) => match Policy::closure_decision(words, self.attempt) {
                Decision::Retry { after } => Ok((after, after)),
                Decision::Stop(reason) => Err(reason),
            },
        }
    }
}
