//! The limits on the retries of one process: this crate's budget, and those of its peers.

use http::StatusCode;
use revio_status::Budget;

use super::events::{Nanos, SECOND};

/// The kind of failure that a retry follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The account called too often.
    Throttled,
    /// Anything else.
    Transient,
}

impl Failure {
    pub fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS => Self::Throttled,
            _ => Self::Transient,
        }
    }
}

pub enum Allowance {
    Unlimited,
    Ours(Ours),
    Tokens(Tokens),
    Tps(Tps),
}

impl Allowance {
    pub fn ours(budget: Budget) -> Self {
        let returned = 0;
        Self::Ours(Ours { budget, returned })
    }

    /// Returns `false` if the retry is not allowed.
    pub fn withdraw(&mut self, now: Nanos, failure: Failure) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Ours(ours) => ours.withdraw(),
            Self::Tokens(tokens) => tokens.withdraw(failure),
            Self::Tps(tps) => tps.withdraw(now),
        }
    }

    /// Records a success, and the failure before its last retry.
    pub fn succeed(&mut self, now: Nanos, retried: Option<Failure>) {
        match self {
            Self::Unlimited => {}
            Self::Ours(ours) => ours.budget.deposit(),
            Self::Tokens(tokens) => tokens.deposit(retried),
            Self::Tps(tps) => tps.deposit(now),
        }
    }

    /// Records a failure that is not retryable: the server is healthy.
    pub fn fail_for_good(&mut self) {
        if let Self::Ours(ours) = self {
            ours.budget.deposit();
        }
    }

    /// Returns a withdrawn retry that is not sent.
    pub fn give_back(&mut self) {
        if let Self::Ours(ours) = self {
            ours.returned += 1;
        }
    }
}

/// This crate's budget, and what came back to it: only the layer can put back a whole retry.
pub struct Ours {
    budget: Budget,
    returned: u32,
}

impl Ours {
    fn withdraw(&mut self) -> bool {
        let left = self.returned.checked_sub(1);
        self.returned = left.unwrap_or(0);
        left.is_some() || self.budget.withdraw()
    }
}

/// AWS's retry quota: 500 tokens. A retry that succeeds gives back what it cost, and a request that
/// succeeds without one gives 1.
pub struct Tokens {
    left: u32,
    transient: u32,
    throttled: u32,
}

impl Tokens {
    const CAPACITY: u32 = 500;

    /// With what a retry costs.
    pub fn new(transient: u32, throttled: u32) -> Self {
        Self {
            left: Self::CAPACITY,
            transient,
            throttled,
        }
    }

    fn cost(&self, failure: Failure) -> u32 {
        match failure {
            Failure::Throttled => self.throttled,
            Failure::Transient => self.transient,
        }
    }

    fn withdraw(&mut self, failure: Failure) -> bool {
        let left = self.left.checked_sub(self.cost(failure));
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    fn deposit(&mut self, retried: Option<Failure>) {
        let earned = retried.map_or(1, |failure| self.cost(failure));
        self.left = (self.left + earned).min(Self::CAPACITY);
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
