//! The reference model: replays the log and checks each event against the rules.
//! Written from the documented promises; it shares no code with the crate.

use std::time::Duration;

use http::{Response, StatusCode, request};
use revio_status::{Error, Idempotent, ResendCount};

use super::{
    capture::Failure,
    cooldown::{Active, starts_cooldown},
    drive::{RETRY, URI},
    reading::Reading,
    scene::Job,
    service::Mark,
    settings::{Policy, Settings},
    upload::Script,
    verdict::Facts,
    world::{Asked, Event, Held, Step, early},
};

/// An approved retry, or a held request.
#[derive(Debug)]
pub struct Plan {
    pub due: Duration,
    pub slept: bool,
    /// Withdrawn from the budget, in millionths.
    price: u64,
    /// The last `poll_ready`: its instance and its result.
    pub ready: Option<(usize, Step)>,
    /// The earliest time at which the alarm for the deadline fires.
    pub alarm: Option<Duration>,
}

impl Plan {
    /// A held first attempt: due now.
    pub fn first(now: Duration) -> Self {
        Self {
            due: now,
            slept: false,
            price: 0,
            ready: None,
            alarm: None,
        }
    }

    pub fn ready(&self) -> Option<&Step> {
        self.ready.as_ref().map(|(_, step)| step)
    }
}

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
    first_instance: usize,
    reading: Reading,
    pub active: Active,
    /// The cool-down that held the request last.
    pub held_by: Active,
    /// The end that the request's own response set, if its own delay covers it.
    pub own: Option<Duration>,
    /// The time held so far, as planned.
    pub held: Duration,
}

impl<'a> Judge<'a> {
    pub fn new(settings: &'a Settings, job: &'a Job, balance: u64, active: Active) -> Self {
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
            active,
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
            Event::Extended(status, until) => self.extend(Some((*until, *status))),
            Event::Cleared => self.active = None,
            Event::Scheduled(delay) => self.begin_plan(*delay),
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
        let deadline = self.settings.deadline?.get();
        Some(deadline.saturating_sub(self.now - self.started))
    }

    fn is_late(&self) -> bool {
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

    fn price(&self, delay: Duration) -> u64 {
        let failure = self.failure.as_ref().expect("only failures are retried");
        match self.facts(failure.status).is_paced(delay) {
            true => 0,
            false => self.settings.budget.map_or(0, |_| RETRY),
        }
    }

    fn ready(&mut self, instance: usize, result: &Step) {
        if self.attempts == 0 && self.plan.is_none() {
            self.first_instance = instance;
            return;
        }
        let (now, holds) = (self.now, self.cooling_down().is_some());
        let plan = self.plan.as_mut().expect("asked without a plan");
        assert!(now >= plan.due, "resent {:?} too early", plan.due - now);
        assert!(
            plan.ready.is_some() || !holds,
            "the cool-down was not checked before readiness"
        );
        plan.ready = Some((instance, result.clone()));
    }

    fn slept(&mut self, time: Duration) {
        assert!(!time.is_zero(), "a sleep of zero");
        if self.plan.is_none() && !self.conclude() {
            return self.capture_timer(time);
        }
        let remaining = self.remaining();
        let plan = self.plan.as_mut().expect("sleeps without a plan");
        if plan.ready() == Some(&Step::Done) || plan.ready.is_none() && self.now >= plan.due {
            self.hold(time);
        } else if plan.ready.is_some() {
            assert_eq!(Some(time), remaining, "the alarm for the deadline");
            assert!(plan.alarm.is_none(), "a second alarm");
            plan.alarm = Some(self.now + time - early(self.settings.slop(), time));
        } else {
            assert_eq!(
                time,
                plan.due - self.now,
                "the delay, or what is left after a timer that fired early"
            );
            plan.slept = true;
        }
    }

    fn begin_plan(&mut self, delay: Duration) {
        assert!(self.conclude(), "a retry before the failure is read");
        let failure = self.failure.as_ref().expect("only failures are retried");
        let verdict = failure.verdict.as_ref().expect("concluded");
        let Some((least, most)) = verdict.go else {
            panic!("retried, although {:?}", verdict.stop)
        };
        assert!(
            least <= delay && delay <= most,
            "{delay:?} is not in {least:?}..={most:?}"
        );
        assert!(
            self.remaining().is_none_or(|left| delay < left),
            "sleeps beyond the deadline"
        );
        self.reading.take_over();
        let price = self.price(delay);
        self.plan = Some(Plan {
            due: self.now + delay,
            slept: false,
            price,
            ready: None,
            alarm: None,
        });
    }

    fn called(&mut self, instance: usize, head: &request::Parts) {
        assert!(self.cooling_down().is_none(), "sent during the cool-down");
        match self.plan.take() {
            None => {
                assert_eq!(self.attempts, 0, "sent again without a plan");
                assert_eq!(instance, self.first_instance, "the instance that is ready");
                self.started = self.now;
            }
            Some(plan) => {
                assert_eq!(plan.ready, Some((instance, Step::Done)), "called unready");
                assert!(!self.is_late(), "sent at the deadline");
                self.balance -= plan.price;
                self.failure = None;
            }
        }
        self.check_head(head);
        self.attempts += 1;
        self.reading.begin();
    }

    /// Checks that the head is the caller's, with the resend's number.
    fn check_head(&self, head: &request::Parts) {
        assert_eq!(head.method, self.job.method.method());
        assert_eq!(head.uri, URI);
        assert_eq!(head.version, http::Version::HTTP_10);
        let fields: Vec<_> = head
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_bytes()))
            .collect();
        assert_eq!(fields, [("x-one", &b"1"[..]), ("x-one", b"2")]);
        let extensions = &head.extensions;
        assert_eq!(extensions.get(), Some(&Mark(7)));
        assert_eq!(
            extensions.get(),
            self.job.idempotent.map(Idempotent).as_ref()
        );
        let resends = (self.attempts > 0).then_some(ResendCount(self.attempts));
        assert_eq!(extensions.get(), resends.as_ref());
    }

    fn responded(&mut self, status: Option<StatusCode>, end: Option<Duration>) {
        match status {
            None => self.is_broken = true,
            Some(status) if status.as_u16() < 400 => self.good = Some(status),
            Some(status) => {
                let code = status.as_u16();
                self.applied |= code == 408 || code >= 500 && code != 501;
                self.failure = Some(Failure::new(status));
                let end = end.filter(|_| starts_cooldown(self.settings, status));
                let asked = end.map(|until| (until, status));
                self.own = self.own.max(asked.map(|(until, _)| until));
                self.extend(asked);
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

    fn capture_timer(&mut self, time: Duration) {
        assert_eq!(time, self.patience(), "the time to read a failed body");
        let (now, slop) = (self.now, self.settings.slop());
        self.failure().begin_timer(now, time, slop);
    }

    /// Decides about the failure. Returns `false` if its body is still awaited.
    fn conclude(&mut self) -> bool {
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

    fn facts(&self, status: StatusCode) -> Facts<'_> {
        Facts {
            policy: &self.settings.policy,
            status,
            wait: self.job.script(self.attempts).wait.get(),
            resend: self.resend(),
            attempt: self.attempts,
            remaining: self.remaining(),
            is_replayable: self.reading.is_replayable(),
            has_cooldown: self.settings.account.max().is_some(),
            has_budget: self.settings.budget.is_none() || self.balance >= RETRY,
        }
    }
}
