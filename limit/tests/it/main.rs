//! The rules of the limit, in one binary.

mod pace;
#[cfg(feature = "redis")]
mod redis;
mod waits;

mod support;
