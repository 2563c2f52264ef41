//! One limit and one cool-down for many processes, over Redis (feature `redis`).
//!
//! - `account`: the account's connection, and the names of its keys.
//! - `remote`: turns booked in Redis, or the process's own share of them.
//! - `sync`: one cool-down for all processes.

mod account;
mod remote;
mod sync;

pub(crate) use self::remote::{Remote, prepare};
pub use self::{account::Account, sync::CooldownSync};
