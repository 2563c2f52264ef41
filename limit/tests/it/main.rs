//! The rules of the limit, in one binary.

mod pace;
mod waits;

mod support;
