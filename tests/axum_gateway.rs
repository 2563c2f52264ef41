//! What the users of the axum example get to see, and what the API does: over real sockets.
#![cfg(all(feature = "tokio", feature = "json"))]

mod support;
#[path = "support/tls.rs"]
mod tls;

#[allow(dead_code)] // its `main`
#[path = "../examples/axum_gateway.rs"]
mod axum_gateway;

#[path = "axum_gateway/bodies.rs"]
mod bodies;
#[path = "axum_gateway/borders.rs"]
mod borders;
#[path = "axum_gateway/desk.rs"]
mod desk;
#[path = "axum_gateway/problems.rs"]
mod problems;
