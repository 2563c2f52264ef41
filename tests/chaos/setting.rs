//! What the layers are told to send again, and from which budget.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use fastrand::Rng;
use http::StatusCode;
use revio_status::{Backoff, Event, RevioStatusLayer, StandardPolicy};

use super::{
    accounts::{Accounts, HOLD, Quiet},
    budgets::Budgets,
    caller::{DEADLINE, PAUSE},
    layer,
    ledger::Ledger,
    plan::{chance, pick},
};

/// The layer that a request goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// Has the budget that is soon used up.
    pub is_thrifty: bool,
    pub retries_429: bool,
    pub mends: Mends,
    pub quiet: Quiet,
}

/// Which attempts without an answer a layer sends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mends {
    Nothing,
    /// `retry_unsent`.
    Unsent,
    /// `retry_transient`.
    NoResponse,
}

impl Setting {
    pub fn draw(rng: &mut Rng) -> Self {
        let mends = [
            (1, Mends::Nothing),
            (1, Mends::Unsent),
            (2, Mends::NoResponse),
        ];
        let quiet = [
            (6, Quiet::Off),
            (1, Quiet::Shared),
            (2, Quiet::Own),
            (1, Quiet::Impatient),
        ];
        Self {
            is_thrifty: chance(rng, 10),
            retries_429: rng.bool(),
            mends: pick(rng, &mends),
            quiet: pick(rng, &quiet),
        }
    }

    /// Every one that can be drawn.
    pub fn all() -> impl Iterator<Item = Self> {
        let mends = [Mends::Nothing, Mends::Unsent, Mends::NoResponse];
        let quiet = [Quiet::Off, Quiet::Shared, Quiet::Own, Quiet::Impatient];
        (0..48).map(move |number| Self {
            is_thrifty: number % 2 == 0,
            retries_429: number / 2 % 2 == 0,
            mends: mends[number / 4 % 3],
            quiet: quiet[number / 12],
        })
    }

    /// As a layer.
    pub fn layer(
        self,
        budgets: &Budgets,
        accounts: &Accounts,
        ledger: &Arc<Ledger>,
    ) -> RevioStatusLayer {
        let backoff = Backoff::exponential(Duration::from_millis(1), PAUSE);
        let mut policy = StandardPolicy::default().backoff(backoff);
        if self.retries_429 {
            policy = policy.retry_on(StatusCode::TOO_MANY_REQUESTS);
        }
        policy = match self.mends {
            Mends::Nothing => policy,
            Mends::Unsent => policy.retry_unsent(),
            Mends::NoResponse => policy.retry_transient(),
        };
        let budget = match self.is_thrifty {
            true => &budgets.scarce,
            false => &budgets.ample,
        };
        if self.quiet == Quiet::Impatient {
            policy = policy.max_hold(HOLD);
        }
        let layer = layer().policy(policy).time_limit(DEADLINE);
        let layer = match self.quiet {
            Quiet::Shared => layer.cooldown(accounts.of(0).clone()),
            Quiet::Off | Quiet::Own | Quiet::Impatient => layer.no_cooldown(),
        };
        let held = ledger.held.clone();
        layer.budget(budget.clone()).on_event(move |event| {
            if let Event::Held { .. } = event {
                held.fetch_add(1, Relaxed);
            }
        })
    }
}
