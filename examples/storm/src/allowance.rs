//! What limits the retries of one process: this crate's budget, and those of its peers.

use revio_status::Budget;

use super::events::{Nanos, SECOND};

pub enum Allowance {
    Unlimited,
    Ours(Budget),
    Tokens(Tokens),
    Tps(Tps),
}

impl Allowance {
    /// False: the retry must not be made.
    pub fn withdraw(&mut self, now: Nanos) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Ours(budget) => budget.withdraw(),
            Self::Tokens(tokens) => tokens.withdraw(),
            Self::Tps(tps) => tps.withdraw(now),
        }
    }

    /// A request succeeded after so many resends.
    pub fn succeed(&mut self, now: Nanos, resends: u8) {
        match self {
            Self::Unlimited => {}
            Self::Ours(budget) => budget.deposit(),
            Self::Tokens(tokens) => tokens.deposit(resends),
            Self::Tps(tps) => tps.deposit(now),
        }
    }

    /// A request ended in a failure that is not retryable: the server is well.
    pub fn fail_for_good(&mut self) {
        if let Self::Ours(budget) = self {
            budget.deposit();
        }
    }
}

/// AWS's retry quota: 500 tokens. A retry costs 5; one that succeeds gives them back, and a request
/// that succeeds without one gives 1.
pub struct Tokens(u32);

impl Tokens {
    const CAPACITY: u32 = 500;
    const COST: u32 = 5;

    fn withdraw(&mut self) -> bool {
        let left = self.0.checked_sub(Self::COST);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }

    fn deposit(&mut self, resends: u8) {
        let earned = if resends > 0 { Self::COST } else { 1 };
        self.0 = (self.0 + earned).min(Self::CAPACITY);
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self(Self::CAPACITY)
    }
}

/// tower's `TpsBudget::default()`: over the last 10 seconds, 10 retries a second and one for five
/// successes. Counted in fifths of a retry, in slots of a second.
///
/// A slot begins with the first event after the last one's end. That leaves a little over a second,
/// for which tower clears one slot more: in effect it remembers 5 seconds, and grants more.
#[derive(Default)]
pub struct Tps {
    slots: [i32; 10],
    index: usize,
    current: i32,
    began: Nanos,
}

impl Tps {
    const COST: i32 = 5;
    const RESERVE: i32 = 10 * 10 * Self::COST;

    fn withdraw(&mut self, now: Nanos) -> bool {
        self.forget(now);
        let balance = Self::RESERVE + self.current + self.slots.iter().sum::<i32>();
        let is_allowed = balance >= Self::COST;
        if is_allowed {
            self.current -= Self::COST;
        }
        is_allowed
    }

    fn deposit(&mut self, now: Nanos) {
        self.forget(now);
        self.current += 1;
    }

    fn forget(&mut self, now: Nanos) {
        let passed = now - self.began;
        if passed < SECOND {
            return;
        }
        let balance = std::mem::take(&mut self.current);
        self.fill(balance);
        // More than this many whole seconds, not as many.
        let more = (passed - 1) / SECOND;
        for _ in 0..more {
            self.fill(0);
        }
        self.began = now;
    }

    fn fill(&mut self, balance: i32) {
        self.slots[self.index] = balance;
        self.index = (self.index + 1) % self.slots.len();
    }
}
