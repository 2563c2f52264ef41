//! Many processes, one account. [`shared`] is to be copied; the rest shows it at work.

pub mod args;
pub mod cost;
pub mod fleet;
pub mod redis_server;
pub mod server;
pub mod shared;
pub mod stack;
pub mod tally;
pub mod worker;
pub mod workers;
