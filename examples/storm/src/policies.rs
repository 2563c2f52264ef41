//! Who retries how: this crate's own code with several settings, and its peers as published.

use std::time::Duration;

use http::{StatusCode, request};
use revio_status::{
    Attempt, Backoff, Budget, Decision, NeverRetry, Resend, RetryPolicy, StandardPolicy, StopReason,
};

use super::allowance::{Allowance, Tokens, Tps};

/// A policy, and what limits it in each process.
pub struct Policy {
    pub name: String,
    pub rules: Box<dyn RetryPolicy>,
    pub allowance: Box<dyn Fn() -> Allowance>,
}

impl Policy {
    fn new(
        name: &str,
        rules: impl RetryPolicy + 'static,
        allowance: impl Fn() -> Allowance + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            rules: Box::new(rules),
            allowance: Box::new(allowance),
        }
    }

    /// This crate's policy, with these settings.
    pub fn ours(
        name: &str,
        rules: StandardPolicy,
        budget: impl Fn() -> Option<Budget> + 'static,
    ) -> Self {
        let allowance = move || budget().map_or(Allowance::Unlimited, Allowance::Ours);
        Self::new(name, rules, allowance)
    }
}

/// This crate's name stands for its defaults.
pub const OURS: &str = "revio-status";

/// The table has them in this order.
pub fn all() -> Vec<Policy> {
    let steps = StandardPolicy::default().backoff(Backoff::default().without_jitter());
    vec![
        Policy::new("no retry", NeverRetry, || Allowance::Unlimited),
        Policy::new("3 attempts at once", AT_ONCE, || Allowance::Unlimited),
        Policy::ours("backoff, no jitter", steps, || None),
        Policy::ours("full jitter, no budget", StandardPolicy::default(), || None),
        ours(),
        Policy::new("AWS until 2026", AWS, || {
            Allowance::Tokens(Tokens::default())
        }),
        Policy::new(
            "tower + TpsBudget",
            TOWER,
            || Allowance::Tps(Tps::default()),
        ),
        Policy::new("reqwest-retry", REQWEST_RETRY, || Allowance::Unlimited),
    ]
}

/// The defaults.
pub fn ours() -> Policy {
    Policy::ours(OURS, StandardPolicy::default(), || Some(Budget::default()))
}

/// A policy that sends anything twice, and does not read `Retry-After`.
struct Peer {
    attempts: u32,
    statuses: &'static [u16],
    wait: fn(u32) -> Duration,
}

/// The loop that everybody writes first.
const AT_ONCE: Peer = Peer {
    attempts: 3,
    statuses: &[500, 502, 503, 504],
    wait: |_| Duration::ZERO,
};

/// The standard mode of AWS's SDKs, as it was until November 2026.
const AWS: Peer = Peer {
    attempts: 3,
    statuses: &[500, 502, 503, 504],
    wait: |attempt| {
        Backoff::exponential(Duration::from_secs(1), Duration::from_secs(20)).delay(attempt)
    },
};

/// tower's `ExponentialBackoffMaker::default()`. Attempts and statuses are its user's choice: ours.
const TOWER: Peer = Peer {
    attempts: 3,
    statuses: &[503, 504],
    wait: |attempt| {
        let base = Backoff::exponential(Duration::from_millis(50), Duration::MAX);
        base.without_jitter()
            .delay(attempt)
            .mul_f64(1.0 + 0.99 * fastrand::f64())
    },
};

/// `build_with_max_retries(3)` of its builder's defaults, and its default strategy.
const REQWEST_RETRY: Peer = Peer {
    attempts: 4,
    statuses: &[408, 429, 500, 502, 503, 504],
    wait: |attempt| {
        Backoff::exponential(Duration::from_secs(1), Duration::from_secs(30 * 60)).delay(attempt)
    },
};

impl RetryPolicy for Peer {
    fn is_retryable(&self, status: StatusCode) -> bool {
        self.statuses.contains(&status.as_u16())
    }

    fn may_resend(&self, _: &request::Parts) -> Resend {
        Resend::Always
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        if attempt.number() >= self.attempts {
            return Decision::Stop(StopReason::AttemptsExhausted);
        }
        Decision::Retry {
            after: (self.wait)(attempt.number()),
        }
    }
}
