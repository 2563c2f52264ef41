//! What the processes of an account share over Redis: its [limit](Limit) of calls, and its
//! [quiet](Quiet). Copy this folder.
//!
//! Neither needs Redis to work. Each says in its file what it does without.

mod account;
mod limit;
mod quiet;
mod turns;

pub use account::Account;
pub use limit::{Limit, Limited, Settings, due_in};
pub use quiet::Quiet;
