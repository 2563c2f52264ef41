//! State that requests share: the retry budget and the cool-down.
//!
//! - `budget`: retries withdrawn, earned and returned.
//! - `cooldown`: started by one response, obeyed by all requests.
//! - `sync`: atomics and locks of the standard library or, for the models, of loom.

mod budget;
mod cooldown;
pub(crate) mod sync;

pub use self::{budget::Budget, cooldown::Cooldown};
pub(crate) use self::{
    budget::Withdrawal,
    cooldown::{Active, random, spread},
};
