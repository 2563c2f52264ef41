//! Retry policies: pure decisions, without futures or clocks.
//!
//! - `retry_policy`: the trait, and its defaults.
//! - `standard`, `never`, `policy_fn`: the policies.
//! - `attempt`: a failed attempt, as a policy sees it.
//! - `backoff`: the delay without `Retry-After`.
//! - `extensions`: settings and facts in the extensions of requests and responses.
//! - `event`: the events for `on_event`.

mod attempt;
mod backoff;
mod event;
mod extensions;
mod never;
mod policy_fn;
mod retry_policy;
mod standard;

pub use self::{
    attempt::Attempt,
    backoff::Backoff,
    event::Event,
    extensions::{Deadline, Idempotent, MaxAttempts, ResendCount, TimeLimit},
    never::NeverRetry,
    policy_fn::{PolicyFn, policy_fn},
    retry_policy::{Decision, Resend, RetryPolicy},
    standard::StandardPolicy,
};
pub(crate) use self::{event::Observer, retry_policy::cooldown_wait};
