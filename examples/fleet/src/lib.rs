//! Many processes, one account. [`limit`] and [`quiet`] are to be copied; the rest shows them at work.

pub mod args;
pub mod cost;
pub mod fleet;
pub mod limit;
pub mod quiet;
pub mod redis_server;
pub mod server;
pub mod tally;
pub mod worker;
