//! Whether to send again, and when: pure decisions, without futures and clocks.
//!
//! - `retry_policy`: the questions, and the policies that answer them.
//! - `attempt`: what a policy sees of a failure.
//! - `backoff`: the wait where the server names none.
//! - `extensions`: the caller's word about one request.

mod attempt;
mod backoff;
mod extensions;
mod retry_policy;

pub use self::{
    attempt::Attempt,
    backoff::Backoff,
    extensions::{Idempotent, ResendCount},
    retry_policy::{Decision, NeverRetry, PolicyFn, RetryPolicy, StandardPolicy, policy_fn},
};
