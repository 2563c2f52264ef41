//! What the layers are told to send again, and from which budget.

use std::time::Duration;

use fastrand::Rng;
use http::StatusCode;
use revio_status::{Backoff, RevioStatusLayer, StandardPolicy};

use super::{
    budgets::Budgets,
    caller::{DEADLINE, PAUSE},
    layer,
    plan::{chance, pick},
};

/// The layer that a request goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// Has the budget that is soon used up.
    pub is_thrifty: bool,
    pub retries_429: bool,
    pub mends: Mends,
}

/// Which attempts without an answer a layer sends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mends {
    Nothing,
    /// `retry_unsent`.
    Unsent,
    /// `retry_no_answer`.
    NoAnswer,
}

impl Setting {
    pub fn draw(rng: &mut Rng) -> Self {
        let mends = [
            (1, Mends::Nothing),
            (1, Mends::Unsent),
            (2, Mends::NoAnswer),
        ];
        Self {
            is_thrifty: chance(rng, 10),
            retries_429: rng.bool(),
            mends: pick(rng, &mends),
        }
    }

    /// Every one that can be drawn.
    pub fn all() -> impl Iterator<Item = Self> {
        let mends = [Mends::Nothing, Mends::Unsent, Mends::NoAnswer];
        (0..12).map(move |number| Self {
            is_thrifty: number % 2 == 0,
            retries_429: number / 2 % 2 == 0,
            mends: mends[number / 4],
        })
    }

    /// As a layer.
    pub fn layer(self, budgets: &Budgets) -> RevioStatusLayer {
        let backoff = Backoff::exponential(Duration::from_millis(1), PAUSE);
        let mut policy = StandardPolicy::default().backoff(backoff);
        if self.retries_429 {
            policy = policy.retry_on(StatusCode::TOO_MANY_REQUESTS);
        }
        policy = match self.mends {
            Mends::Nothing => policy,
            Mends::Unsent => policy.retry_unsent(),
            Mends::NoAnswer => policy.retry_no_answer(),
        };
        let budget = match self.is_thrifty {
            true => &budgets.scarce,
            false => &budgets.ample,
        };
        // One request's answer must not change what another one is planned to do.
        let layer = layer().policy(policy).deadline(DEADLINE).no_cooldown();
        layer.budget(budget.clone())
    }
}
