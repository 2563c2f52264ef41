//! Many processes, one account: a proof of `revio-status-limit`.

pub mod args;
pub mod fleet;
pub mod redis_server;
pub mod server;
pub mod stack;
pub mod tally;
pub mod worker;
pub mod workers;
