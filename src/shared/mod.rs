//! What requests share: the allowance for retries.
//!
//! - `budget`: retries withdrawn, earned and given back.
//! - `sync`: the atomics and locks, from the standard library or, for the models, from loom.

mod budget;
pub(crate) mod sync;

pub use self::budget::Budget;
pub(crate) use self::budget::Withdrawal;
