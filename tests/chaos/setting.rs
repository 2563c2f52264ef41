//! The layers' settings: retries, budgets and cool-downs.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use fastrand::Rng;
use http::StatusCode;
use revio_status::{Backoff, Event, RevioStatusLayer, StandardPolicy};

use super::{
    accounts::{Accounts, CooldownUse, HOLD},
    budgets::Budgets,
    caller::{DEADLINE, PAUSE},
    layer,
    ledger::Ledger,
    plan::{chance, pick},
};

/// A layer's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// Has the scarce budget.
    pub is_thrifty: bool,
    pub retries_429: bool,
    pub opt_in: OptIn,
    pub cooldown_use: CooldownUse,
}

/// The opt-in for retries without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptIn {
    Nothing,
    /// `retry_unsent`.
    Unsent,
    /// `retry_transient`.
    NoResponse,
}

impl Setting {
    pub fn draw(rng: &mut Rng) -> Self {
        let opt_in = [
            (1, OptIn::Nothing),
            (1, OptIn::Unsent),
            (2, OptIn::NoResponse),
        ];
        let cooldown_use = [
            (6, CooldownUse::Off),
            (1, CooldownUse::Shared),
            (2, CooldownUse::Own),
            (1, CooldownUse::Impatient),
        ];
        Self {
            is_thrifty: chance(rng, 10),
            retries_429: rng.bool(),
            opt_in: pick(rng, &opt_in),
            cooldown_use: pick(rng, &cooldown_use),
        }
    }

    /// Returns all settings that `draw` can return.
    pub fn all() -> impl Iterator<Item = Self> {
        let opt_in = [OptIn::Nothing, OptIn::Unsent, OptIn::NoResponse];
        let cooldown_use = [
            CooldownUse::Off,
            CooldownUse::Shared,
            CooldownUse::Own,
            CooldownUse::Impatient,
        ];
        (0..48).map(move |number| Self {
            is_thrifty: number % 2 == 0,
            retries_429: number / 2 % 2 == 0,
            opt_in: opt_in[number / 4 % 3],
            cooldown_use: cooldown_use[number / 12],
        })
    }

    /// Makes the layer.
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
        policy = match self.opt_in {
            OptIn::Nothing => policy,
            OptIn::Unsent => policy.retry_unsent(),
            OptIn::NoResponse => policy.retry_transient(),
        };
        let budget = match self.is_thrifty {
            true => &budgets.scarce,
            false => &budgets.ample,
        };
        if self.cooldown_use == CooldownUse::Impatient {
            policy = policy.max_hold(HOLD);
        }
        let layer = layer().policy(policy).time_limit(DEADLINE);
        let layer = match self.cooldown_use {
            CooldownUse::Shared => layer.cooldown(accounts.of(0).clone()),
            CooldownUse::Off | CooldownUse::Own | CooldownUse::Impatient => layer.no_cooldown(),
        };
        let held = ledger.held.clone();
        layer.budget(budget.clone()).on_event(move |event| {
            if let Event::Held { .. } = event {
                held.fetch_add(1, Relaxed);
            }
        })
    }
}
