//! What requests share: the allowance for retries, and the time in which an account sends nothing.
//!
//! - `budget`: retries withdrawn, earned and given back.
//! - `cooldown`: armed by one answer, heeded by all requests.
//! - `sync`: the atomics and locks, from the standard library or, for the models, from loom.

mod budget;
mod cooldown;
pub(crate) mod sync;

pub use self::{budget::Budget, cooldown::Cooldown};
pub(crate) use self::{budget::Withdrawal, cooldown::Armed};
