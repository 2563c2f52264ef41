//! One request with all recorded facts, and the conclusions from them.

use std::time::{Duration, Instant};

use http::Method;
use revio_status::StopReason;

use super::{
    accounts::{CooldownUse, HOLD, MOST, Started},
    caller::{DEADLINE, PAUSE},
    ledger::{AttemptResult, Outcome, Page, Report},
    plan::{Act, Door, Manner, Order, Plan, REPLAY_LIMIT, When, may_execute},
    setting::OptIn,
};

#[derive(Debug)]
pub struct Case<'a> {
    pub plan: &'a Plan,
    pub order: Order,
    pub page: &'a Page,
    pub outcome: &'a Outcome,
    pub lateness: Duration,
    /// The starts of its account's cool-down, if it obeys one.
    pub started: &'a [Started],
}

impl Case<'_> {
    /// Returns `true` if the request is not idempotent.
    pub fn is_post(&self) -> bool {
        self.order.method == Method::POST
    }

    /// Returns the number of the last attempt; the first is 1.
    pub fn last(&self) -> u32 {
        self.page.sent.len() as u32
    }

    /// Returns the time of `call`.
    fn called(&self) -> Instant {
        self.page.called.expect("every request was called")
    }

    /// Returns the time from `call` until then.
    pub fn since_called(&self, then: Instant) -> Duration {
        then - self.called()
    }

    /// Returns the result of this attempt, and its time. Attempt 0 was never sent.
    fn result(&self, attempt: u32) -> Option<(Instant, AttemptResult)> {
        self.page
            .sent
            .get((attempt as usize).wrapping_sub(1))?
            .result
    }

    pub fn status(&self, attempt: u32) -> Option<u16> {
        match self.result(attempt) {
            Some((_, AttemptResult::Status(status))) => Some(status),
            _ => None,
        }
    }

    /// Returns `true` if this attempt was applied.
    pub fn executed(&self, attempt: u32) -> bool {
        let mut executed = self.page.executed.iter();
        executed.any(|execution| execution.attempt == attempt)
    }

    /// Returns `true` if the plan refuses this attempt's connection.
    pub fn is_refused(&self, attempt: u32) -> bool {
        self.plan.is_refused(&self.order, attempt)
    }

    /// Returns `true` if this attempt could not connect.
    pub fn is_unsent(&self, attempt: u32) -> bool {
        matches!(self.result(attempt), Some((_, AttemptResult::NoConnection)))
    }

    /// Returns `true` if this attempt has no response but may have reached a server.
    pub fn is_lost(&self, attempt: u32) -> bool {
        self.status(attempt).is_none() && !self.is_unsent(attempt)
    }

    /// Returns `true` if connecting failed only as planned: at the closed port, or where the server resets
    /// each connection at once.
    pub fn connects_by_plan(&self, attempt: u32) -> bool {
        match self.result(attempt) {
            Some((_, AttemptResult::NoConnection)) => {
                self.is_refused(attempt) || self.order.door == Door::Slammed
            }
            Some((_, AttemptResult::Status(_) | AttemptResult::Error)) => !self.is_refused(attempt),
            Some((_, AttemptResult::TimedOut)) | None => true,
        }
    }

    /// Returns `true` if any part of this attempt reached a server.
    pub fn arrived(&self, attempt: u32) -> bool {
        self.page.arrived.contains(&attempt) || self.executed(attempt)
    }

    /// Returns `true` if one of the attempts up to this one may have been applied.
    pub fn may_be_applied_by(&self, attempt: u32) -> bool {
        (1..=attempt).any(|attempt| match self.status(attempt) {
            Some(status) => may_execute(status),
            None => !self.is_unsent(attempt),
        })
    }

    /// Returns `true` if the request may be resent after this attempt.
    pub fn resend(&self, attempt: u32) -> bool {
        let setting = self.order.setting;
        let is_kept = setting.retries_429 || setting.opt_in != OptIn::Nothing;
        !self.is_post() || is_kept && !self.may_be_applied_by(attempt)
    }

    /// Returns whether this attempt's result is retryable. `None`: unknown, as over HTTP/2 another stream
    /// may have ended the connection.
    pub fn is_retryable(&self, attempt: u32) -> Option<bool> {
        let setting = self.order.setting;
        match self.result(attempt)?.1 {
            AttemptResult::Status(429) => Some(setting.retries_429),
            AttemptResult::Status(status) => Some(matches!(status, 503 | 504)),
            AttemptResult::NoConnection => Some(setting.opt_in != OptIn::Nothing),
            _ if setting.opt_in != OptIn::NoResponse => Some(false),
            AttemptResult::TimedOut => Some(true),
            AttemptResult::Error => self.is_transient(attempt),
        }
    }

    /// Returns whether this attempt's response was lost, if that is certain.
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

    /// Returns the `Retry-After` of this attempt's response.
    pub fn asked(&self, attempt: u32) -> Duration {
        let asked = self.plan.act(&self.order, attempt).wait.asked();
        let asked = asked.filter(|_| self.status(attempt).is_some());
        asked.unwrap_or_default()
    }

    /// Returns the time between this attempt's end and the next attempt.
    pub fn pause(&self, attempt: u32) -> Duration {
        let (end, _) = self.result(attempt).expect("before a resend");
        self.page.sent[attempt as usize].at - end
    }

    /// Returns `true` if the request deposits into the budget: its last result is a response, and not a
    /// retryable one.
    pub fn earns(&self) -> bool {
        match self.outcome {
            Outcome::Success { .. } | Outcome::Broken { .. } | Outcome::Hung => true,
            Outcome::Error(report) => {
                report.status.is_some() && report.reason == StopReason::NotRetryable
            }
            Outcome::Cancelled => false,
        }
    }

    /// Returns `true` if the outcome is the last attempt's result.
    pub fn is_honest(&self) -> bool {
        let Some((_, last)) = self.result(self.last()) else {
            return matches!(self.outcome, Outcome::Cancelled) || self.was_never_sent();
        };
        match (self.outcome, last) {
            (Outcome::Cancelled | Outcome::Hung, _) => true,
            (Outcome::Error(report), AttemptResult::Status(status)) => {
                report.status == Some(status)
            }
            (Outcome::Error(report), _) => report.status.is_none(),
            (_, AttemptResult::Status(status)) => status < 400,
            _ => false,
        }
    }

    /// Returns `true` if the error fits, or if there is none.
    pub fn error_fits(&self, fits: impl Fn(&Report) -> bool) -> bool {
        match self.outcome {
            Outcome::Error(report) => fits(report),
            _ => true,
        }
    }

    /// Returns `true` if the error fits the server's act, or if there is no response.
    pub fn response_fits(&self, fits: impl Fn(&Report, Act) -> bool) -> bool {
        self.error_fits(|report| {
            let act = self.plan.act(&self.order, report.attempts);
            let is_answered = report.status.is_some() && report.attempts > 0;
            !is_answered || report.status == Some(act.status) && fits(report, act)
        })
    }

    /// Returns the attempts that the error reports as unsent.
    pub fn reported_unsent(&self) -> impl Iterator<Item = u32> {
        let report = match self.outcome {
            Outcome::Error(report) => Some(report),
            _ => None,
        };
        let flags = report.into_iter().flat_map(|report| {
            let earlier = report.earlier.iter().map(|failed| failed.is_unsent());
            earlier.chain([report.is_unsent])
        });
        flags
            .zip(1..)
            .filter(|(is_unsent, _)| *is_unsent)
            .map(|(_, attempt)| attempt)
    }

    /// Returns `true` if the error reports all previous attempts in order, with delays that were kept.
    pub fn remembers(&self) -> bool {
        self.error_fits(|report| {
            report.earlier.len() == self.page.sent.len().saturating_sub(1)
                && report.earlier.iter().zip(1..).all(|(failed, attempt)| {
                    failed.status().map(|status| status.as_u16()) == self.status(attempt)
                        && failed.is_unsent() == self.is_unsent(attempt)
                        && failed.delay() >= self.asked(attempt)
                        && failed.delay() <= self.pause(attempt)
                })
        })
    }

    /// Returns `true` if neither the error nor the ledger has an attempt.
    pub fn was_never_sent(&self) -> bool {
        let has_no_attempt = matches!(self.outcome, Outcome::Error(report) if report.attempts == 0);
        has_no_attempt && self.page.sent.is_empty()
    }

    /// Returns the longest `Retry-After` that the policy accepts from the last response.
    fn longest_wait(&self, last: u32) -> Duration {
        match (self.status(last), self.order.setting.cooldown_use) {
            (Some(429 | 403), CooldownUse::Impatient) => HOLD,
            (Some(429 | 403), _) => Duration::from_secs(60),
            _ => Duration::from_secs(30),
        }
    }

    /// Returns `true` if a retry after this attempt is paced by its cool-down.
    pub fn is_paced(&self, attempt: u32) -> bool {
        let may_start = matches!(self.status(attempt), Some(429 | 403));
        self.order.account.is_some() && may_start && !self.asked(attempt).is_zero()
    }

    /// Returns `true` if no attempt was sent during a cool-down that the layer certainly knew of.
    pub fn obeys_cooldown(&self) -> bool {
        let slack = Duration::from_millis(20) + self.lateness;
        self.page.sent.iter().enumerate().all(|(number, sent)| {
            self.started.iter().all(|started| {
                let is_known = started.at + slack < sent.at
                    || number == 0 && started.seen.is_some_and(|seen| seen < self.called());
                !is_known || sent.at >= started.until
            })
        })
    }

    /// Returns `true` if a cool-down was active when the request was refused.
    pub fn has_cause(&self) -> bool {
        let ended = self.called() + self.page.took;
        let slack = Duration::from_millis(20) + self.lateness;
        let asked = |started: &Started| started.at <= ended && started.at + MOST + slack >= ended;
        self.started.iter().any(asked)
    }

    /// Returns `true` if the stop reason fits the facts: no earlier question ended in "no".
    pub fn has_true_reason(&self, report: &Report) -> bool {
        let (upload, last) = (&self.order.upload, self.last());
        let is_short = report.retry_after.unwrap_or_default() <= self.longest_wait(last);
        let is_retryable = self.is_retryable(last) != Some(false);
        let is_permitted = is_retryable && self.resend(last);
        let has_more = is_permitted && last < 3;
        if report.reason == StopReason::CoolingDown {
            return (last == 0 || has_more) && self.has_cause();
        }
        if last == 0 {
            let is_late = self.page.took.saturating_add(MOST) >= DEADLINE;
            return report.reason == StopReason::DeadlineExceeded && is_late;
        }
        let is_open = has_more && is_short;
        match report.reason {
            StopReason::NotRetryable => self.is_retryable(last) != Some(true),
            StopReason::NotIdempotent => is_retryable && !self.resend(last),
            StopReason::AttemptsExhausted => is_permitted && last == 3,
            StopReason::RetryAfterTooLong => has_more && !is_short,
            // The longest possible delay would have ended at the deadline or after.
            StopReason::DeadlineExceeded => {
                let pause = PAUSE.saturating_add(report.retry_after.unwrap_or_default());
                is_open && self.page.took.saturating_add(pause) >= DEADLINE
            }
            // An unsent attempt has not read the body.
            StopReason::BodyNotReplayable => {
                let is_lossy = upload.breaks || upload.bytes.len() > REPLAY_LIMIT;
                is_open && is_lossy && !self.is_unsent(last)
            }
            StopReason::BudgetExhausted => is_open && self.order.setting.is_thrifty,
            _ => false,
        }
    }
}
