//! The cool-down: which requests are held, for how long, and which are refused.

use std::time::Duration;

use http::StatusCode;
use libfuzzer_sys::arbitrary::{self, Arbitrary};

use super::{
    model::Judge,
    plan::Plan,
    settings::{Policy, Time},
    world::World,
};

/// The cool-down that a request obeys, and its maximum.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Account {
    None,
    Layer(Max),
    Request(Max),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Max {
    Time(Time),
    Unlimited,
}

impl Account {
    pub fn max(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Layer(Max::Time(time)) | Self::Request(Max::Time(time)) => {
                Some(time.get().max(Duration::from_millis(1)))
            }
            Self::Layer(Max::Unlimited) | Self::Request(Max::Unlimited) => Some(Duration::MAX),
        }
    }
}

/// The end of the cool-down, and the status that set it.
pub type Active = Option<(Duration, StatusCode)>;

/// The cool-down as the model sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Model {
    pub active: Active,
    /// The end that was last reported.
    reported: Option<Duration>,
}

/// A `CooldownStarted` event that must come next.
#[derive(Debug)]
pub struct Expected {
    event: (StatusCode, Duration),
    /// `false`: less than a microsecond of the reported cool-down is left, so both are right.
    is_certain: bool,
}

impl Model {
    pub fn extend_until(&mut self, end: Duration, status: StatusCode) {
        self.reported = self.reported.max(Some(end));
        self.extend(end, status);
    }

    fn extend(&mut self, end: Duration, status: StatusCode) {
        let key = |(end, status): &(Duration, StatusCode)| (*end, status.as_u16());
        let ends = [self.active, Some((end, status))];
        self.active = ends.into_iter().flatten().max_by_key(key);
    }

    /// A response starts or extends the cool-down. Returns the event that must follow.
    pub fn start(&mut self, now: Duration, end: Duration, status: StatusCode) -> Option<Expected> {
        let is_extended = self.active.is_none_or(|(active, _)| active < end);
        self.extend(end, status);
        let event = (status, end);
        let (left, is_far) = match self.reported {
            None => (Duration::ZERO, true),
            Some(reported) => (
                reported.saturating_sub(now),
                end >= reported + Duration::from_secs(1),
            ),
        };
        let is_news = is_far || left < Duration::from_micros(1);
        (is_extended && is_news).then_some(Expected {
            event,
            is_certain: is_far || left.is_zero(),
        })
    }
}

/// Returns the range of the random time after a wait: a tenth of it, within limits.
pub fn spread(wait: Duration, least: Duration, remaining: Option<Duration>) -> Duration {
    let tenth = (wait / 10).clamp(Duration::from_millis(100), Duration::from_secs(5));
    let range = tenth.max(least);
    match remaining.map(|time| time.saturating_sub(wait)) {
        Some(left) if left < range => left / 2,
        _ => range,
    }
}

/// The time that was asked for, without the rounding of the end.
pub fn whole_micros(time: Duration) -> Duration {
    Duration::from_micros(time.as_micros().try_into().expect("within centuries"))
}

/// `None` ignores cool-downs.
pub fn max_hold(policy: &Policy) -> Option<Duration> {
    match policy {
        Policy::Never => None,
        Policy::Standard { max_hold, .. } => Some(max_hold.get()),
        Policy::Default | Policy::Closure(_) => Some(Duration::from_secs(60)),
    }
}

/// The statuses that the gateway returns for an account.
pub fn concerns_account(status: StatusCode) -> bool {
    status == 429 || status == 403
}

/// The end that a response with this waiting time sets, if its status starts a cool-down.
pub fn end(world: &World, account: Account, wait: Option<Duration>) -> Option<Duration> {
    let wait = wait.filter(|wait| !wait.is_zero())?;
    Some(world.end(wait.min(account.max()?)))
}

impl Judge<'_> {
    /// A request that `call` did not send is held, or refused.
    pub fn polled(&mut self) {
        if self.attempts > 0 || self.plan.is_some() {
            return;
        }
        self.started = self.now;
        assert!(self.cooling_down().is_some(), "held without a cool-down");
        self.held_by = self.cooldown.active;
        self.plan = Some(Plan::first(self.now));
    }

    /// Another user's policy has the default statuses.
    pub fn other_responded(&mut self, status: StatusCode, end: Option<Duration>) {
        if let Some(end) = end.filter(|_| concerns_account(status)) {
            self.expected = self.cooldown.start(self.now, end, status);
        }
    }

    pub fn cooldown_started(&mut self, status: StatusCode, end: Duration) {
        let expected = self.expected.take();
        let expected = expected.expect("CooldownStarted, but no event is due");
        assert_eq!((status, end), expected.event, "CooldownStarted");
        self.cooldown.reported = Some(end);
    }

    /// Checks that no event is missing.
    pub fn no_event_is_due(&mut self) {
        let missing = self.expected.take().filter(|event| event.is_certain);
        assert!(missing.is_none(), "no CooldownStarted: {missing:?}");
    }

    /// Returns the remaining time and the status, if the cool-down holds this request now.
    pub fn cooling_down(&self) -> Option<(Duration, StatusCode)> {
        let (until, status) = self.cooldown.active?;
        max_hold(&self.settings.policy)?;
        let holds = until > self.now && self.own != Some(until);
        holds.then(|| (until - self.now, status))
    }

    /// Returns the longest spread, or `None` if the request is refused.
    pub fn spread(&self, cooldown: Duration) -> Option<Duration> {
        let (cooldown, max_hold) = (whole_micros(cooldown), max_hold(&self.settings.policy)?);
        let left = self.remaining().map(|time| time.saturating_sub(cooldown));
        let is_short = left.is_some_and(|left| left < Duration::from_millis(10));
        let is_held = self.held + cooldown <= max_hold && !is_short;
        is_held.then(|| spread(cooldown, Duration::ZERO, self.remaining()))
    }

    pub fn hold(&mut self, time: Duration) {
        let (cooldown, _) = self.cooling_down().expect("held without a cool-down");
        let spread = self.spread(cooldown).expect("held, and not refused");
        let longest = cooldown + spread;
        assert!(
            cooldown <= time && time <= longest,
            "held for {time:?}, not {cooldown:?}..={longest:?}"
        );
        let told = self.told_held.take();
        assert_eq!(told, Some(whole_micros(cooldown)), "the event Held");
        self.held += time;
        self.held_by = self.cooldown.active;
        let plan = self.plan.as_mut().expect("a plan");
        (plan.due, plan.slept) = (self.now + time, true);
        (plan.ready, plan.alarm) = (None, None);
    }
}
