//! One request with all that is known about it, and what follows from that.

use std::time::{Duration, Instant};

use http::Method;
use revio_status::StopReason;

use super::{
    accounts::{Armed, HOLD, MOST, Quiet},
    caller::{DEADLINE, PAUSE},
    ledger::{Answer, Outcome, Page, Told},
    plan::{Act, Door, Manner, Order, Plan, REPLAY_LIMIT, When, may_execute},
    setting::Mends,
};

#[derive(Debug)]
pub struct Case<'a> {
    pub plan: &'a Plan,
    pub order: Order,
    pub page: &'a Page,
    pub outcome: &'a Outcome,
    pub lateness: Duration,
    /// What its account was told, if it listens to that.
    pub armed: &'a [Armed],
}

impl Case<'_> {
    /// What must never happen twice.
    pub fn is_post(&self) -> bool {
        self.order.method == Method::POST
    }

    /// The number of the last attempt; the first is 1.
    pub fn last(&self) -> u32 {
        self.page.sent.len() as u32
    }

    /// When its caller handed it to the layer.
    fn called(&self) -> Instant {
        self.page.called.expect("every request was called")
    }

    /// The time from then.
    pub fn since_called(&self, then: Instant) -> Duration {
        then - self.called()
    }

    /// What the layer was told of this attempt, and when. Nothing of number 0: it was never sent.
    fn answer(&self, attempt: u32) -> Option<(Instant, Answer)> {
        self.page
            .sent
            .get((attempt as usize).wrapping_sub(1))?
            .answer
    }

    pub fn status(&self, attempt: u32) -> Option<u16> {
        match self.answer(attempt) {
            Some((_, Answer::Status(status))) => Some(status),
            _ => None,
        }
    }

    /// Whether this attempt had its effect.
    pub fn executed(&self, attempt: u32) -> bool {
        let mut executed = self.page.executed.iter();
        executed.any(|execution| execution.attempt == attempt)
    }

    /// Whether nobody listened where it went.
    pub fn is_refused(&self, attempt: u32) -> bool {
        self.plan.is_refused(&self.order, attempt)
    }

    /// Whether it is known not to have reached a server.
    pub fn is_unsent(&self, attempt: u32) -> bool {
        matches!(self.answer(attempt), Some((_, Answer::NoConnection)))
    }

    /// Whether it may have reached a server, but no answer came back.
    pub fn is_lost(&self, attempt: u32) -> bool {
        self.status(attempt).is_none() && !self.is_unsent(attempt)
    }

    /// Connecting failed where nobody listens, and else only where a connection that is reset at
    /// once may not even seem to have been made.
    pub fn connects_by_plan(&self, attempt: u32) -> bool {
        match self.answer(attempt) {
            Some((_, Answer::NoConnection)) => {
                self.is_refused(attempt) || self.order.door == Door::Slammed
            }
            Some((_, Answer::Status(_) | Answer::Error)) => !self.is_refused(attempt),
            Some((_, Answer::TimedOut)) | None => true,
        }
    }

    /// Whether anything of it reached a server.
    pub fn arrived(&self, attempt: u32) -> bool {
        self.page.arrived.contains(&attempt) || self.executed(attempt)
    }

    /// Whether one of the attempts up to this one may have had its effect.
    pub fn may_be_applied_by(&self, attempt: u32) -> bool {
        (1..=attempt).any(|attempt| match self.status(attempt) {
            Some(status) => may_execute(status),
            None => !self.is_unsent(attempt),
        })
    }

    /// Whether the request may be sent again after this attempt, if that can mend it.
    pub fn resend(&self, attempt: u32) -> bool {
        let setting = self.order.setting;
        let is_kept = setting.retries_429 || setting.mends != Mends::Nothing;
        !self.is_post() || is_kept && !self.may_be_applied_by(attempt)
    }

    /// Whether sending again can mend what became of this attempt. Of some nobody can tell: over
    /// HTTP/2 another's trouble may have been the end of it.
    pub fn is_retryable(&self, attempt: u32) -> Option<bool> {
        let setting = self.order.setting;
        match self.answer(attempt)?.1 {
            Answer::Status(429) => Some(setting.retries_429),
            Answer::Status(status) => Some(matches!(status, 503 | 504)),
            Answer::NoConnection => Some(setting.mends != Mends::Nothing),
            _ if setting.mends != Mends::NoResponse => Some(false),
            Answer::TimedOut => Some(true),
            Answer::Error => self.is_transient(attempt),
        }
    }

    /// Whether this attempt's answer was lost on its way, where it is certain.
    fn is_transient(&self, attempt: u32) -> Option<bool> {
        let act = self.plan.act(&self.order, attempt);
        let was_read = act.when == When::Late && self.arrived(attempt);
        if self.order.door != Door::One || self.order.upload.breaks || !was_read {
            return None;
        }
        match act.manner {
            Manner::Fail | Manner::Close | Manner::Reset | Manner::CutHead => Some(true),
            Manner::Garbage | Manner::Oversized => Some(false),
            _ => None,
        }
    }

    /// How long this attempt's answer asked for quiet.
    pub fn asked(&self, attempt: u32) -> Duration {
        let asked = self.plan.act(&self.order, attempt).wait.asked();
        let asked = asked.filter(|_| self.status(attempt).is_some());
        asked.unwrap_or_default()
    }

    /// How long it was quiet before the next attempt.
    pub fn pause(&self, attempt: u32) -> Duration {
        let (end, _) = self.answer(attempt).expect("before a resend");
        self.page.sent[attempt as usize].at - end
    }

    /// Answered, and not in the end by a retryable failure.
    pub fn earns(&self) -> bool {
        match self.outcome {
            Outcome::Success { .. } | Outcome::Broken { .. } | Outcome::Hung => true,
            Outcome::Error(told) => {
                told.status.is_some() && told.reason == StopReason::NotRetryable
            }
            Outcome::Cancelled => false,
        }
    }

    /// The caller was told what the layer was told.
    pub fn is_honest(&self) -> bool {
        let Some((_, last)) = self.answer(self.last()) else {
            return matches!(self.outcome, Outcome::Cancelled) || self.was_never_sent();
        };
        match (self.outcome, last) {
            (Outcome::Cancelled | Outcome::Hung, _) => true,
            (Outcome::Error(told), Answer::Status(status)) => told.status == Some(status),
            (Outcome::Error(told), _) => told.status.is_none(),
            (_, Answer::Status(status)) => status < 400,
            _ => false,
        }
    }

    /// Whether what the error says fits; true where there is none.
    pub fn told(&self, fits: impl Fn(&Told) -> bool) -> bool {
        match self.outcome {
            Outcome::Error(told) => fits(told),
            _ => true,
        }
    }

    /// Whether what the error says fits what the server did; true where no answer came.
    pub fn answered(&self, fits: impl Fn(&Told, Act) -> bool) -> bool {
        self.told(|told| {
            let act = self.plan.act(&self.order, told.attempts);
            let is_answered = told.status.is_some() && told.attempts > 0;
            !is_answered || told.status == Some(act.status) && fits(told, act)
        })
    }

    /// The attempts that the caller was told were not sent.
    pub fn told_unsent(&self) -> impl Iterator<Item = u32> {
        let told = match self.outcome {
            Outcome::Error(told) => Some(told),
            _ => None,
        };
        let words = told.into_iter().flat_map(|told| {
            let earlier = told.earlier.iter().map(|failed| failed.is_unsent());
            earlier.chain([told.is_unsent])
        });
        words
            .zip(1..)
            .filter(|(is_unsent, _)| *is_unsent)
            .map(|(_, attempt)| attempt)
    }

    /// Every attempt before the last is told, in order, and the wait after it was kept.
    pub fn remembers(&self) -> bool {
        self.told(|told| {
            told.earlier.len() == self.page.sent.len().saturating_sub(1)
                && told.earlier.iter().zip(1..).all(|(failed, attempt)| {
                    failed.status().map(|status| status.as_u16()) == self.status(attempt)
                        && failed.is_unsent() == self.is_unsent(attempt)
                        && failed.delay() >= self.asked(attempt)
                        && failed.delay() <= self.pause(attempt)
                })
        })
    }

    /// Told by its caller's error, and true by what is known.
    pub fn was_never_sent(&self) -> bool {
        let is_told = matches!(self.outcome, Outcome::Error(told) if told.attempts == 0);
        is_told && self.page.sent.is_empty()
    }

    /// What the policy accepts of the last answer's wish.
    fn longest_wait(&self, last: u32) -> Duration {
        match (self.status(last), self.order.setting.quiet) {
            (Some(429 | 403), Quiet::Impatient) => HOLD,
            (Some(429 | 403), _) => Duration::from_secs(60),
            _ => Duration::from_secs(30),
        }
    }

    /// Whether a retry after this attempt waits as long as the account has to in any case.
    pub fn is_paced(&self, attempt: u32) -> bool {
        let is_told = matches!(self.status(attempt), Some(429 | 403));
        self.order.account.is_some() && is_told && !self.asked(attempt).is_zero()
    }

    /// Nothing was sent while the account was to be quiet, but what was on its way before. What was
    /// called after the layer had seen the answer that asked for quiet was certainly not.
    pub fn keeps_quiet(&self) -> bool {
        let slack = Duration::from_millis(20) + self.lateness;
        self.page.sent.iter().enumerate().all(|(number, sent)| {
            self.armed.iter().all(|armed| {
                let is_known = armed.at + slack < sent.at
                    || number == 0 && armed.seen.is_some_and(|seen| seen < self.called());
                !is_known || sent.at >= armed.until
            })
        })
    }

    /// Somebody had asked the account for quiet that was not over when the request was refused.
    pub fn has_cause(&self) -> bool {
        let ended = self.called() + self.page.took;
        let slack = Duration::from_millis(20) + self.lateness;
        let asked = |armed: &Armed| armed.at <= ended && armed.at + MOST + slack >= ended;
        self.armed.iter().any(asked)
    }

    /// The stop reason fits what is known: every question before it was answered yes.
    pub fn has_true_reason(&self, told: &Told) -> bool {
        let (upload, last) = (&self.order.upload, self.last());
        let is_short = told.retry_after.unwrap_or_default() <= self.longest_wait(last);
        let is_retryable = self.is_retryable(last) != Some(false);
        let is_permitted = is_retryable && self.resend(last);
        let has_more = is_permitted && last < 3;
        if told.reason == StopReason::CoolingDown {
            return (last == 0 || has_more) && self.has_cause();
        }
        if last == 0 {
            let is_late = self.page.took.saturating_add(MOST) >= DEADLINE;
            return told.reason == StopReason::DeadlineExceeded && is_late;
        }
        let is_open = has_more && is_short;
        match told.reason {
            StopReason::NotRetryable => self.is_retryable(last) != Some(true),
            StopReason::NotIdempotent => is_retryable && !self.resend(last),
            StopReason::AttemptsExhausted => is_permitted && last == 3,
            StopReason::RetryAfterTooLong => has_more && !is_short,
            // The longest pause that may have been meant would have ended at it, or after.
            StopReason::DeadlineExceeded => {
                let pause = PAUSE.saturating_add(told.retry_after.unwrap_or_default());
                is_open && self.page.took.saturating_add(pause) >= DEADLINE
            }
            // An attempt that was not sent has not touched it.
            StopReason::BodyNotReplayable => {
                let is_lossy = upload.breaks || upload.bytes.len() > REPLAY_LIMIT;
                is_open && is_lossy && !self.is_unsent(last)
            }
            StopReason::BudgetExhausted => is_open && self.order.setting.is_thrifty,
            _ => false,
        }
    }
}
