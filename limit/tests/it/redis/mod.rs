//! What needs a real `redis-server`, which each test starts. Without one installed, the tests say so and
//! pass.

mod cooldown_faults;
mod cooldowns;
mod faults;
mod turns;
mod wire;

mod server;
mod support;
