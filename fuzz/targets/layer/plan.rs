//! An approved retry or a held request: its sleeps, its readiness, its price, and its head.

use std::time::Duration;

use http::request;
use revio_status::{Deadline, Idempotent, ResendCount};

use super::{
    drive::{RETRY, URI},
    model::Judge,
    service::Mark,
    settings::{Limit, Time},
    world::{Step, early},
};

/// An approved retry, or a held request.
#[derive(Debug)]
pub struct Plan {
    pub due: Duration,
    pub slept: bool,
    /// Withdrawn from the budget, in millionths.
    pub price: u64,
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

    pub fn is_unready(&self) -> bool {
        self.ready() == Some(&Step::Fail)
    }

    pub fn ready(&self) -> Option<&Step> {
        self.ready.as_ref().map(|(_, step)| step)
    }
}

impl Judge<'_> {
    fn price(&self, delay: Duration) -> u64 {
        let failure = self.failure.as_ref().expect("only failures are retried");
        match self.facts(failure.status).is_free(delay) {
            true => 0,
            false => self.settings.budget.map_or(0, |_| RETRY),
        }
    }

    pub fn ready(&mut self, instance: usize, result: &Step) {
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

    pub fn slept(&mut self, time: Duration) {
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

    pub fn begin_plan(&mut self, delay: Duration, drawn: Option<(Duration, Duration)>) {
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
        if let Some(drawn) = drawn {
            check_draws(drawn, (least, most));
        }
        self.reading.take_over();
        let (facts, price) = (self.facts(failure.status), self.price(delay));
        let (is_early, is_paced) = (facts.wait > Some(delay), facts.is_paced(delay));
        self.was_paced |= is_paced;
        if is_early {
            self.own = None;
        }
        self.plan = Some(Plan {
            due: self.now + delay,
            slept: false,
            price,
            ready: None,
            alarm: None,
        });
    }

    pub fn called(&mut self, instance: usize, head: &request::Parts) {
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
        assert_eq!(extensions.get(), self.job.time_limit().as_ref());
        assert_eq!(extensions.get(), self.deadline().as_ref());
    }

    /// Returns the earlier of the caller's deadline and the layer's.
    fn deadline(&self) -> Option<Deadline> {
        let limit = self.job.time_limit.or(self.settings.time_limit);
        let own = limit.and_then(Limit::deadline);
        let times = [own, self.job.deadline.map(Time::get)];
        let first = times.into_iter().flatten().min()?;
        Some(Deadline(self.epoch + self.started + first))
    }
}

/// Checks that random delays fill their range: some are in its lower half, some in its upper half.
fn check_draws((first, last): (Duration, Duration), (least, most): (Duration, Duration)) {
    assert!(
        least <= first && last <= most,
        "{first:?}..={last:?} is not in {least:?}..={most:?}"
    );
    let middle = least + (most - least) / 2;
    if most - least > Duration::from_millis(1) {
        assert!(
            first <= middle && middle <= last,
            "only {first:?}..={last:?} of {least:?}..={most:?}"
        );
    }
}
