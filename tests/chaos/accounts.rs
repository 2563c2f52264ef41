//! Accounts that are told to be quiet: whose cool-down a request listens to, and when it was armed.

use std::time::{Duration, Instant};

use revio_status::Cooldown;

use super::{
    ledger::{Answer, Ledger},
    plan::{Order, Plan},
};

pub const ACCOUNTS: usize = 8;
/// The longest that an answer may ask for at a time: many ask for an hour.
pub const MOST: Duration = Duration::from_millis(100);
/// Who is impatient is held no longer.
pub const HOLD: Duration = Duration::from_millis(40);

/// Which cool-down a layer heeds, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quiet {
    /// None.
    Off,
    /// The layer's, which is that of the first account.
    Shared,
    /// That in the request's extensions.
    Own,
    /// The same, but not for long.
    Impatient,
}

/// Handles of cool-downs, shared by all layers.
pub struct Accounts([Cooldown; ACCOUNTS]);

impl Accounts {
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| Cooldown::new(MOST)))
    }

    pub fn of(&self, account: usize) -> &Cooldown {
        &self.0[account]
    }
}

/// An answer that asked an account for quiet.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    /// When it was about to reach the layer.
    pub at: Instant,
    /// When the layer had certainly seen it: what came of it was written down.
    pub seen: Option<Instant>,
    pub until: Instant,
}

/// By account: what it was told.
pub fn armed(plan: &Plan, ledger: &Ledger) -> Vec<Vec<Armed>> {
    let mut all = vec![Vec::new(); ACCOUNTS];
    for id in 0..ledger.requests() {
        let order = plan.order(id);
        let Some(account) = order.account else {
            continue;
        };
        let page = ledger.page(id);
        for (sent, attempt) in page.sent.iter().zip(1..) {
            let Some((at, Answer::Status(429 | 403))) = sent.answer else {
                continue;
            };
            let asked = asked(plan, &order, attempt);
            let next = page.sent.get(attempt as usize).map(|next| next.at);
            let end = page.called.map(|called| called + page.took);
            all[account].extend(asked.map(|asked| Armed {
                at,
                seen: next.or(end),
                until: at + asked.min(MOST),
            }));
        }
    }
    all
}

fn asked(plan: &Plan, order: &Order, attempt: u32) -> Option<Duration> {
    let asked = plan.act(order, attempt).wait.asked();
    asked.filter(|wait| !wait.is_zero())
}
