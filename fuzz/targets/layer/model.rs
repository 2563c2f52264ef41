//! The reference model: replays the log and checks each event against the rules.
//! Written from the documented promises; it shares no code with the crate.

use std::time::{Duration, Instant};

use http::{Response, StatusCode};
use revio_status::Error;

use super::{
    capture::Failure,
    cooldown::{Active, Expected, Model},
    drive::RETRY,
    plan::Plan,
    reading::Reading,
    scene::Job,
    settings::{Policy, Settings},
    upload::Script,
    verdict::Facts,
    world::{Asked, Event, Held},
};

pub struct Judge<'a> {
    pub settings: &'a Settings,
    pub job: &'a Job,
    /// In millionths, including what the plan has withdrawn.
    pub balance: u64,
    pub now: Duration,
    pub started: Duration,
    pub attempts: u32,
    pub applied: bool,
    pub failure: Option<Failure>,
    pub plan: Option<Plan>,
    pub good: Option<StatusCode>,
    pub is_broken: bool,
    /// At the end the deadline had passed, or its alarm had fired, perhaps a little early.
    pub is_late_at_end: bool,
    pub first_instance: usize,
    pub reading: Reading,
    pub cooldown: Model,
    /// The `CooldownStarted` event that must come next.
    pub expected: Option<Expected>,
    /// The remaining time of the last `Held` event, if the hold has not begun yet.
    pub told_held: Option<Duration>,
    /// How many `GivenUp` events came.
    pub given_up: u32,
    /// The instant of time zero.
    pub epoch: Instant,
    /// The request's free paced retry is used up.
    pub was_paced: bool,
    /// The cool-down that held the request last.
    pub held_by: Active,
    /// The end that the request's own response set, if its own delay covers it.
    pub own: Option<Duration>,
    /// The time held so far, as planned.
    pub held: Duration,
}

impl<'a> Judge<'a> {
    pub fn new(
        settings: &'a Settings,
        job: &'a Job,
        balance: u64,
        cooldown: Model,
        epoch: Instant,
    ) -> Self {
        Self {
            settings,
            job,
            balance,
            now: Duration::ZERO,
            started: Duration::ZERO,
            attempts: 0,
            applied: false,
            failure: None,
            plan: None,
            good: None,
            is_broken: false,
            is_late_at_end: false,
            first_instance: 0,
            reading: Reading::new(settings, job),
            cooldown,
            expected: None,
            told_held: None,
            given_up: 0,
            epoch,
            was_paced: false,
            held_by: None,
            own: None,
            held: Duration::ZERO,
        }
    }

    /// Returns the balance that the budget must have at the end.
    pub fn judge(
        &mut self,
        log: &[(Duration, Event)],
        outcome: &Option<Result<Response<Script>, Error>>,
    ) -> u64 {
        for (now, event) in log {
            self.now = *now;
            self.see(event);
        }
        match outcome {
            // A retry that was planned and not sent returns to the budget.
            None => self.balance,
            Some(result) => self.finish(result),
        }
    }

    fn see(&mut self, event: &Event) {
        if !matches!(event, Event::Read { .. }) {
            self.reading.nothing_is_kept_back();
        }
        if !matches!(event, Event::CooldownStarted(..)) {
            self.no_event_is_due();
        }
        if !matches!(event, Event::Slept(_)) {
            assert_eq!(self.told_held, None, "the event Held without a hold");
        }
        match event {
            Event::Pending(budget, held) => self.pending(*budget, *held),
            Event::Waiting(attempts) => self.reading.waiting(attempts),
            Event::Finished => self.finished(),
            Event::Ready { instance, result } => self.ready(*instance, result),
            Event::Called { instance, head } => self.called(*instance, head),
            Event::Responded(status, end) => self.responded(*status, *end),
            Event::Read { attempt, result } => self.reading.read(*attempt, result),
            Event::Given(step) => self.reading.given(step),
            Event::Captured(step) => {
                let limit = self.settings.error_body_limit.into();
                self.failure().step(step, limit);
            }
            Event::CaptureEnd => self.failure.iter_mut().for_each(Failure::announced_end),
            Event::Polled => self.polled(),
            Event::CaptureDropped => {}
            Event::Extended(status, end) => self.cooldown.extend_until(*end, *status),
            Event::OtherResponded(status, end) => self.other_responded(*status, *end),
            Event::Cleared => self.cooldown = Model::default(),
            Event::CooldownStarted(status, end) => self.cooldown_started(*status, *end),
            Event::Held(remaining) => self.told_held = Some(*remaining),
            Event::GivenUp => self.given_up += 1,
            Event::Scheduled(delay, drawn) => self.begin_plan(*delay, *drawn),
            Event::Slept(time) => self.slept(*time),
            Event::Asked(asked) => self.asked(asked),
        }
    }

    fn asked(&mut self, asked: &Asked) {
        assert!(self.conclude(), "asked before the failure is read");
        let resend = self.resend();
        let expected = Asked {
            number: self.attempts,
            elapsed: self.now - self.started,
            remaining: self.remaining(),
            wait: self.job.script(self.attempts).wait.get(),
            body: self.failure().body.clone().into(),
        };
        assert_eq!(*asked, expected, "what the policy is told");
        let failure = self.failure();
        assert!(
            !failure.is_asked && resend,
            "the policy is asked needlessly"
        );
        failure.is_asked = true;
    }

    pub fn remaining(&self) -> Option<Duration> {
        let limit = self.job.time_limit.or(self.settings.time_limit)?;
        let deadline = limit.deadline()?;
        Some(deadline.saturating_sub(self.now - self.started))
    }

    pub fn is_late(&self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }

    /// Checks that nothing was due when the future returned pending.
    fn pending(&mut self, budget: Option<u32>, held: Held) {
        if let Some(failure) = self.failure.as_ref().filter(|_| self.plan.is_none()) {
            failure.is_awaited(self.now);
        }
        let mut balance = self.balance;
        if let Some(plan) = &self.plan {
            balance -= plan.price;
            match plan.ready {
                None => {
                    assert!(plan.slept && self.now < plan.due, "sleeps too long");
                    let nothing = Held {
                        permits: 0,
                        sends: 0,
                        responses: 0,
                    };
                    assert_eq!(held, nothing, "alive during the sleep");
                }
                Some(_) => {
                    let has_fired = plan.alarm.is_some_and(|due| self.now >= due);
                    assert!(
                        !self.is_late() && !has_fired,
                        "readiness beyond the deadline"
                    );
                }
            }
        }
        if let Some(available) = budget {
            assert_eq!(
                u64::from(available),
                balance / RETRY,
                "the budget while it runs"
            );
        }
    }

    /// Records what holds at the last poll.
    fn finished(&mut self) {
        if self.failure.is_some() {
            assert!(self.conclude(), "the failure is not read to its end");
        }
        let alarm = self.plan.as_ref().and_then(|plan| plan.alarm);
        self.is_late_at_end = self.is_late() || alarm.is_some_and(|due| self.now >= due);
    }

    fn responded(&mut self, status: Option<StatusCode>, end: Option<Duration>) {
        match status {
            None => self.is_broken = true,
            Some(status) if status.as_u16() < 400 => self.good = Some(status),
            Some(status) => {
                let code = status.as_u16();
                self.applied |= code == 408 || code >= 500 && code != 501;
                self.failure = Some(Failure::new(status));
                let end = end.filter(|_| self.settings.policy.cools_down(status));
                // An earlier end stays: less than a microsecond of it may be left.
                self.own = self.own.max(end);
                if let Some(end) = end {
                    self.expected = self.cooldown.start(self.now, end, status);
                }
            }
        }
    }

    fn failure(&mut self) -> &mut Failure {
        self.failure.as_mut().expect("something has failed")
    }

    /// Returns the time for which a slow error body is awaited.
    fn patience(&self) -> Duration {
        let timeout = self.settings.error_body_timeout.get();
        self.remaining().map_or(timeout, |left| left.min(timeout))
    }

    pub fn capture_timer(&mut self, time: Duration) {
        assert_eq!(time, self.patience(), "the time to read a failed body");
        let (now, slop) = (self.now, self.settings.slop());
        self.failure().begin_timer(now, time, slop);
    }

    /// Decides about the failure. Returns `false` if its body is still awaited.
    pub fn conclude(&mut self) -> bool {
        let (now, patience) = (self.now, self.patience());
        let failure = self.failure();
        if failure.verdict.is_some() {
            return true;
        }
        if !failure.is_read(now, patience) {
            return false;
        }
        let status = failure.status;
        let verdict = self.facts(status).verdict();
        self.failure().verdict = Some(verdict);
        true
    }

    /// An opted-in 429 leaves a request unapplied, unless an earlier attempt may have been applied.
    fn resend(&self) -> bool {
        let is_429_retried = matches!(
            self.settings.policy,
            Policy::Standard {
                retry_429: true,
                ..
            }
        );
        self.job.resend() || is_429_retried && !self.applied
    }

    pub fn facts(&self, status: StatusCode) -> Facts<'_> {
        Facts {
            policy: &self.settings.policy,
            status,
            wait: self.job.script(self.attempts).wait.get(),
            resend: self.resend(),
            attempt: self.attempts,
            remaining: self.remaining(),
            is_replayable: self.reading.is_replayable(),
            was_paced: self.was_paced,
            has_cooldown: self.settings.account.max().is_some(),
            has_budget: self.settings.budget.is_none() || self.balance >= RETRY,
        }
    }
}
