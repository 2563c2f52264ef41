//! What the users of the axum example get to see, and what the API does: over real sockets.

#[path = "../../../../tests/support/mod.rs"]
mod support;
#[path = "../../../../tests/support/tls.rs"]
mod tls;

mod bodies;
mod borders;
mod desk;
mod problems;
