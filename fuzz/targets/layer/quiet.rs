//! The account's cool-down: who is held, for how long, and who is refused.

use std::time::Duration;

use http::StatusCode;
use libfuzzer_sys::arbitrary::{self, Arbitrary};

use super::{
    model::{Judge, Plan},
    scene::Status,
    settings::{Policy, Settings, Time},
    world::World,
};

/// Whose cool-down a request listens to, and the most that an answer may ask for.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Account {
    None,
    OfTheLayer(Time),
    OfTheRequest(Time),
}

impl Account {
    pub fn most(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::OfTheLayer(time) | Self::OfTheRequest(time) => {
                Some(time.get().max(Duration::from_millis(1)))
            }
        }
    }
}

/// What somebody else does to it.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Other {
    Begin(Status, Time),
    End,
}

/// Until when, and by which status: what is later counts.
pub type Armed = Option<(Duration, StatusCode)>;

/// What is known when somebody looks.
pub struct Look {
    pub rest: Duration,
    pub held: Duration,
    pub remaining: Option<Duration>,
}

impl Look {
    /// The longest spread, or `None`: refused.
    pub fn spread(&self, policy: &Policy) -> Option<Duration> {
        let (rest, max_hold) = (whole_micros(self.rest), max_hold(policy)?);
        let spread = (rest / 10).clamp(Duration::from_millis(100), Duration::from_secs(5));
        let left = self.remaining.map(|time| time.saturating_sub(rest));
        let is_short = left.is_some_and(|left| left < Duration::from_millis(10));
        if self.held + rest > max_hold || is_short {
            return None;
        }
        Some(match left {
            Some(left) if left < spread => left / 2,
            _ => spread,
        })
    }
}

/// What was asked for, without the rounding of its end.
pub fn whole_micros(rest: Duration) -> Duration {
    Duration::from_micros(rest.as_micros().try_into().expect("within centuries"))
}

/// `None` pays it no heed.
pub fn max_hold(policy: &Policy) -> Option<Duration> {
    match policy {
        Policy::Never => None,
        Policy::Standard { max_hold, .. } => Some(max_hold.get()),
        Policy::Default | Policy::Closure(_) => Some(Duration::from_secs(60)),
    }
}

/// The gateway's words, which are said to the account.
pub fn is_of_the_account(status: StatusCode) -> bool {
    status == 429 || status == 403
}

/// Whether the layer hears what such an answer says to the account.
pub fn is_heard(settings: &Settings, status: StatusCode) -> bool {
    is_of_the_account(status) && !matches!(settings.policy, Policy::Never)
}

/// Until when this asks the account for quiet, if it does.
pub fn asked(world: &World, account: Account, wait: Option<Duration>) -> Option<Duration> {
    let wait = wait.filter(|wait| !wait.is_zero())?;
    let until = world.state().now + wait.min(account.most()?);
    Some(world.rounded(until))
}

impl Judge<'_> {
    /// Not sent by `call`: it is held, or refused.
    pub fn polled(&mut self) {
        if self.attempts > 0 || self.plan.is_some() {
            return;
        }
        self.started = self.now;
        assert!(self.quiet().is_some(), "held for nothing");
        self.heeded = self.armed;
        self.plan = Some(Plan::first(self.now));
    }

    pub fn arm(&mut self, armed: Armed) {
        let code = |armed: &(Duration, StatusCode)| (armed.0, armed.1.as_u16());
        self.armed = [self.armed, armed].into_iter().flatten().max_by_key(code);
    }

    /// What the cool-down has left, if that is for this request to heed.
    pub fn quiet(&self) -> Option<(Duration, StatusCode)> {
        let (until, status) = self.armed?;
        max_hold(&self.settings.policy)?;
        let is_heeded = until > self.now && self.own != Some(until);
        is_heeded.then(|| (until - self.now, status))
    }

    pub fn rest(&self, until: Duration) -> Duration {
        until.saturating_sub(self.now)
    }

    /// The longest spread, or `None`: refused.
    pub fn spread(&self, rest: Duration) -> Option<Duration> {
        let (held, remaining) = (self.held, self.remaining());
        let look = Look {
            rest,
            held,
            remaining,
        };
        look.spread(&self.settings.policy)
    }

    pub fn hold(&mut self, time: Duration) {
        let (rest, _) = self.quiet().expect("held for nothing");
        let spread = self.spread(rest).expect("held, and not refused");
        let most = rest + spread;
        assert!(
            rest <= time && time <= most,
            "held for {time:?}, not {rest:?}..={most:?}"
        );
        self.held += time;
        self.heeded = self.armed;
        let plan = self.plan.as_mut().expect("a plan");
        (plan.due, plan.slept) = (self.now + time, true);
        (plan.ready, plan.alarm) = (None, None);
    }
}
