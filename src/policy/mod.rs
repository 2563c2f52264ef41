//! Whether to send again, and when: pure decisions, without futures and clocks.
//!
//! - `retry_policy`: the questions, and the answers of a policy that leaves them open.
//! - `standard`, `never`, `policy_fn`: policies.
//! - `attempt`: what a policy sees of a failure.
//! - `backoff`: the wait where the server names none.
//! - `extensions`: the caller's word about one request.
//! - `event`: what was decided, told to whoever counts.

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
