//! What a request and a cool-down have to do with each other: it arms it, and waits for it.

use std::time::Duration;

use http::StatusCode;

use super::{
    completed,
    hold::spread,
    kept::Kept,
    pause::Pause,
    trace::{self, Subject},
};
use crate::{
    failure::{Error, StatusError},
    policy::{Event, RetryPolicy},
    shared::{Armed, Cooldown},
};

impl<S, P: RetryPolicy, B> Kept<S, P, B> {
    /// The answer's head is here. It may ask for quiet, of all requests.
    pub(crate) fn arm(&mut self, error: &StatusError) {
        let asked = error.retry_after().filter(|wait| !wait.is_zero());
        let settings = self.settings();
        let Some(wait) = asked.filter(|_| settings.policy.cools_down(error.status())) else {
            return;
        };
        let now = settings.timer.now();
        let Some(cooldown) = self.cooldown() else {
            return;
        };
        let Some((until, is_news)) = cooldown.arm(error.status(), now, wait) else {
            return;
        };
        if is_news {
            trace::cooldown_began(error.status(), until.saturating_duration_since(now));
            if let Some(observer) = &settings.observer {
                observer.tell(&Event::CooldownStarted {
                    cooldown,
                    status: error.status(),
                    until,
                });
            }
        }
        if let Self::Resendable(session) = self {
            session.has_armed(until);
        }
    }

    fn cooldown(&self) -> Option<&Cooldown> {
        let own = match self {
            Self::Once { more, .. } => more.as_ref().and_then(|more| more.cooldown.as_ref()),
            Self::Resendable(session) => session.cooldown.as_ref(),
            Self::Held(held) => held.head.extensions.get(),
        };
        own.or(self.settings().cooldown.as_ref())
    }

    /// The cool-down that this request is to wait for, and for how long it may.
    fn quiet(&self) -> Option<(Armed, Duration)> {
        let max_hold = self.settings().policy.max_hold()?;
        let armed = self.cooldown()?.armed()?;
        let is_own = matches!(self, Self::Resendable(session) if session.is_own(armed.until));
        (!is_own).then_some((armed, max_hold))
    }

    /// Before it is sent: is the account to be quiet? Returns for how long to wait on, if at all.
    pub(crate) fn look(&mut self) -> Result<Option<Pause>, Error> {
        let Some((armed, max_hold)) = self.quiet() else {
            return Ok(None);
        };
        let now = self.settings().timer.now();
        let (rest, asked) = (armed.rest(now), armed.asked(now));
        if rest.is_zero() {
            return Ok(None);
        }
        let remaining = self.remaining();
        let held = match self {
            Self::Resendable(session) => session.held(),
            Self::Held(held) => {
                held.armed = armed;
                &mut held.time
            }
            Self::Once { .. } => completed(),
        };
        match spread(asked, *held, max_hold, remaining) {
            Ok(spread) => {
                let time = rest.saturating_add(spread);
                *held = held.saturating_add(time);
                self.tell_held(armed.status, asked);
                Ok(Some(Pause::new(now, time)))
            }
            Err(reason) => Err(self.give_up(reason, Some(asked))),
        }
    }

    /// It waited for so long before it was sent: that counts for what is to come.
    pub(crate) fn was_held(&mut self, time: Duration) {
        if let Self::Resendable(session) = self {
            *session.held() = time;
        }
    }

    fn tell_held(&self, status: StatusCode, rest: Duration) {
        let Some((method, uri)) = self.subject() else {
            return;
        };
        let resend = match self {
            Self::Resendable(session) => Some(session.resends().saturating_add(1)),
            Self::Held(_) | Self::Once { .. } => None,
        };
        trace::held(Subject { method, uri }, status, resend, rest);
        if let Some(observer) = &self.settings().observer {
            observer.tell(&Event::Held {
                method,
                remaining: rest,
            });
        }
    }
}
