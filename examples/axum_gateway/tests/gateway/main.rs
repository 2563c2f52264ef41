//! The gateway over real sockets: what users receive, and what the API receives.

#[path = "../../../../tests/support/mod.rs"]
mod support;

mod desk;
mod failures;
mod passing;
