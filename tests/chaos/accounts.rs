//! Accounts and their cool-downs: which one a request obeys, and when each was started.

use std::time::{Duration, Instant};

use revio_status::Cooldown;

use super::{
    ledger::{AttemptResult, Ledger},
    plan::{Order, Plan},
};

pub const ACCOUNTS: usize = 8;
/// The longest cool-down that one response can start: many responses ask for an hour.
pub const MOST: Duration = Duration::from_millis(100);
/// `max_hold` of an impatient layer.
pub const HOLD: Duration = Duration::from_millis(40);

/// The cool-down that a layer obeys, and its `max_hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CooldownUse {
    /// None.
    Off,
    /// The layer's, which is the first account's.
    Shared,
    /// The one in the request's extensions.
    Own,
    /// Like `Own`, with a short `max_hold`.
    Impatient,
}

/// The accounts' cool-downs, shared by all layers.
pub struct Accounts([Cooldown; ACCOUNTS]);

impl Accounts {
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| Cooldown::new(MOST)))
    }

    pub fn of(&self, account: usize) -> &Cooldown {
        &self.0[account]
    }
}

/// A response that started an account's cool-down.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// Just before it reached the layer.
    pub at: Instant,
    /// When the layer had certainly seen it: its consequence is recorded.
    pub seen: Option<Instant>,
    pub until: Instant,
}

/// Returns the cool-downs' starts, by account.
pub fn started(plan: &Plan, ledger: &Ledger) -> Vec<Vec<Started>> {
    let mut all = vec![Vec::new(); ACCOUNTS];
    for id in 0..ledger.requests() {
        let order = plan.order(id);
        let Some(account) = order.account else {
            continue;
        };
        let page = ledger.page(id);
        for (sent, attempt) in page.sent.iter().zip(1..) {
            let Some((at, AttemptResult::Status(429 | 403))) = sent.result else {
                continue;
            };
            let asked = asked(plan, &order, attempt);
            let next = page.sent.get(attempt as usize).map(|next| next.at);
            let end = page.called.map(|called| called + page.took);
            all[account].extend(asked.map(|asked| Started {
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
