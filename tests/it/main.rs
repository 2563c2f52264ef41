//! The tests of the crate, in one binary: a module for each room of `src`, and `docs` for the pages.

mod body;
mod docs;
mod failure;
mod layer;
mod policy;
mod request;
mod shared;
#[path = "../support/mod.rs"]
mod support;
