//! The cool-down: which requests are held, for how long, and which are refused.

use std::time::Duration;

use http::StatusCode;
use libfuzzer_sys::arbitrary::{self, Arbitrary};

use super::{
    model::{Judge, Plan},
    scene::Status,
    settings::{Policy, Settings, Time},
    world::World,
};

/// The cool-down that a request obeys, and its maximum.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Account {
    None,
    Layer(Time),
    Request(Time),
}

impl Account {
    pub fn max(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Layer(time) | Self::Request(time) => {
                Some(time.get().max(Duration::from_millis(1)))
            }
        }
    }
}

/// What another user of the cool-down does.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Other {
    Extend(Status, Time),
    Clear,
}

/// The end of the cool-down, and the status that set it.
pub type Active = Option<(Duration, StatusCode)>;

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

/// Returns `true` if a response with this status and a waiting time starts the cool-down.
pub fn starts_cooldown(settings: &Settings, status: StatusCode) -> bool {
    concerns_account(status) && !matches!(settings.policy, Policy::Never)
}

/// The end that such a response sets, if the status starts a cool-down.
pub fn asked(world: &World, account: Account, wait: Option<Duration>) -> Option<Duration> {
    let wait = wait.filter(|wait| !wait.is_zero())?;
    let until = world.state().now + wait.min(account.max()?);
    Some(world.rounded(until))
}

impl Judge<'_> {
    /// A request that `call` did not send is held, or refused.
    pub fn polled(&mut self) {
        if self.attempts > 0 || self.plan.is_some() {
            return;
        }
        self.started = self.now;
        assert!(self.cooling_down().is_some(), "held without a cool-down");
        self.held_by = self.active;
        self.plan = Some(Plan::first(self.now));
    }

    pub fn extend(&mut self, active: Active) {
        let code = |active: &(Duration, StatusCode)| (active.0, active.1.as_u16());
        self.active = [self.active, active].into_iter().flatten().max_by_key(code);
    }

    /// Returns the remaining time and the status, if the cool-down holds this request now.
    pub fn cooling_down(&self) -> Option<(Duration, StatusCode)> {
        let (until, status) = self.active?;
        max_hold(&self.settings.policy)?;
        let holds = until > self.now && self.own != Some(until);
        holds.then(|| (until - self.now, status))
    }

    /// Returns the longest spread, or `None` if the request is refused.
    pub fn spread(&self, cooldown: Duration) -> Option<Duration> {
        let (cooldown, max_hold) = (whole_micros(cooldown), max_hold(&self.settings.policy)?);
        let spread = (cooldown / 10).clamp(Duration::from_millis(100), Duration::from_secs(5));
        let left = self.remaining().map(|time| time.saturating_sub(cooldown));
        let is_short = left.is_some_and(|left| left < Duration::from_millis(10));
        if self.held + cooldown > max_hold || is_short {
            return None;
        }
        Some(match left {
            Some(left) if left < spread => left / 2,
            _ => spread,
        })
    }

    pub fn hold(&mut self, time: Duration) {
        let (cooldown, _) = self.cooling_down().expect("held without a cool-down");
        let spread = self.spread(cooldown).expect("held, and not refused");
        let longest = cooldown + spread;
        assert!(
            cooldown <= time && time <= longest,
            "held for {time:?}, not {cooldown:?}..={longest:?}"
        );
        self.held += time;
        self.held_by = self.active;
        let plan = self.plan.as_mut().expect("a plan");
        (plan.due, plan.slept) = (self.now + time, true);
        (plan.ready, plan.alarm) = (None, None);
    }
}
