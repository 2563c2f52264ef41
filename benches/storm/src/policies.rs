//! The retry policies: this crate's own code with several settings, and its peers as published.

use std::time::Duration;

use http::{StatusCode, request};
use revio_status::{
    Attempt, Backoff, Budget, Decision, NeverRetry, Resend, RetryPolicy, StandardPolicy, StopReason,
};

use super::allowance::{Allowance, Failure, Tokens, Tps};

/// A policy, and its limits in each process.
pub struct Policy {
    pub name: String,
    pub rules: Box<dyn RetryPolicy + Send + Sync>,
    pub allowance: Box<dyn Fn() -> Allowance + Send + Sync>,
    /// `true` if each process has a cool-down.
    pub has_cooldown: bool,
}

impl Policy {
    fn new(
        name: &str,
        rules: impl RetryPolicy + Send + Sync + 'static,
        allowance: impl Fn() -> Allowance + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            rules: Box::new(rules),
            allowance: Box::new(allowance),
            has_cooldown: false,
        }
    }

    /// This crate's policy, with these settings.
    pub fn ours(
        name: &str,
        rules: StandardPolicy,
        budget: impl Fn() -> Option<Budget> + Send + Sync + 'static,
    ) -> Self {
        let allowance = move || budget().map_or(Allowance::Unlimited, Allowance::ours);
        Self {
            has_cooldown: true,
            ..Self::new(name, rules, allowance)
        }
    }

    pub fn without_cooldown(self) -> Self {
        Self {
            has_cooldown: false,
            ..self
        }
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
        Policy::ours("backoff, no jitter", steps, || None).without_cooldown(),
        Policy::ours("full jitter, no budget", StandardPolicy::default(), || None)
            .without_cooldown(),
        ours(),
        cooling(),
        aws_until_2026(),
        aws(),
        tower(TOWER),
        Policy::new("reqwest-retry", REQWEST_RETRY, || Allowance::Unlimited),
    ]
}

/// The peers for the batch: each retries a 429, as its user would configure it.
pub fn peers_over_the_limit() -> Vec<Policy> {
    let at_once = AT_ONCE.also(&[429, 500, 502, 503, 504]);
    vec![
        Policy::new("3 attempts at once", at_once, || Allowance::Unlimited),
        aws_until_2026(),
        aws(),
        tower(TOWER.also(&[429, 503, 504])),
        Policy::new("reqwest-retry", REQWEST_RETRY, || Allowance::Unlimited),
    ]
}

fn aws_until_2026() -> Policy {
    let tokens = || Allowance::Tokens(Tokens::new(5, 5));
    Policy::new("AWS until 2026", AWS_UNTIL_2026, tokens)
}

fn aws() -> Policy {
    let tokens = || Allowance::Tokens(Tokens::new(14, 5));
    Policy::new("AWS since Nov. 2026", AWS, tokens)
}

fn tower(rules: Peer) -> Policy {
    Policy::new(
        "tower + TpsBudget",
        rules,
        || Allowance::Tps(Tps::default()),
    )
}

/// The defaults, plus a cool-down on a 503 with `Retry-After`.
pub fn cooling() -> Policy {
    let rules = StandardPolicy::default().cool_down_on(StatusCode::SERVICE_UNAVAILABLE);
    Policy::ours("cool_down_on(503)", rules, || Some(Budget::default()))
}

/// The defaults.
pub fn ours() -> Policy {
    Policy::ours(OURS, StandardPolicy::default(), || Some(Budget::default()))
}

/// A policy that sends anything twice, and does not read `Retry-After`.
struct Peer {
    attempts: u32,
    statuses: &'static [u16],
    wait: fn(u32, Failure) -> Duration,
}

impl Peer {
    /// Retries these.
    const fn also(self, statuses: &'static [u16]) -> Self {
        Self { statuses, ..self }
    }
}

/// The usual hand-written loop.
const AT_ONCE: Peer = Peer {
    attempts: 3,
    statuses: &[500, 502, 503, 504],
    wait: |_, _| Duration::ZERO,
};

/// The standard mode of AWS's SDKs, as it was until November 2026. That 429 is throttling says the
/// SDK for JavaScript; others go by the error's code.
const AWS_UNTIL_2026: Peer = Peer {
    attempts: 3,
    statuses: &[429, 500, 502, 503, 504],
    wait: |attempt, _| {
        Backoff::exponential(Duration::from_secs(1), Duration::from_secs(20)).delay(attempt)
    },
};

/// The same as it is since then.
const AWS: Peer = Peer {
    wait: |attempt, failure| {
        let base = match failure {
            Failure::Throttled => Duration::from_secs(1),
            Failure::Transient => Duration::from_millis(50),
        };
        Backoff::exponential(base, Duration::from_secs(20)).delay(attempt)
    },
    ..AWS_UNTIL_2026
};

/// tower's `ExponentialBackoffMaker::default()`. Attempts and statuses are its user's choice: ours.
const TOWER: Peer = Peer {
    attempts: 3,
    statuses: &[503, 504],
    wait: |attempt, _| {
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
    wait: |attempt, _| {
        Backoff::exponential(Duration::from_secs(1), Duration::from_secs(30 * 60)).delay(attempt)
    },
};

impl RetryPolicy for Peer {
    fn is_retryable(&self, status: StatusCode) -> bool {
        self.statuses.contains(&status.as_u16())
    }

    fn resend(&self, _: &request::Parts) -> Resend {
        Resend::Always
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        if attempt.number() >= self.attempts {
            return Decision::Stop(StopReason::AttemptsExhausted);
        }
        let failure = attempt.status().map_or(Failure::Transient, Failure::of);
        Decision::Retry {
            after: (self.wait)(attempt.number(), failure),
        }
    }
}
