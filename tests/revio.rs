//! The example for the shell, from its arguments to its exit code, against the server of the
//! quickstart and, where that is too well-behaved, against one of the tests' own. All on the paused
//! clock: waits take no time, and their lengths are exact.
#![cfg(all(feature = "tokio", feature = "json"))]

mod support;
#[path = "support/tls.rs"]
mod tls;

#[allow(dead_code)] // its `main`
#[path = "../examples/revio/main.rs"]
mod revio;

#[path = "../examples/quickstart/server.rs"]
mod server;

#[path = "revio/exits.rs"]
mod exits;
#[path = "revio/limits.rs"]
mod limits;
#[path = "revio/screen.rs"]
mod screen;
#[path = "revio/secrets.rs"]
mod secrets;
#[path = "revio/shell.rs"]
mod shell;
#[path = "revio/usage.rs"]
mod usage;
#[path = "revio/wire.rs"]
mod wire;
