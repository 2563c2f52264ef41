//! The example for the shell, from its arguments to its exit code, against the server of the
//! quickstart and, where that is too well-behaved, against one of the tests' own. All on the paused
//! clock: waits take no time, and their lengths are exact.

#[path = "../../../../tests/support/mod.rs"]
mod support;
#[path = "../../../../tests/support/tls.rs"]
mod tls;

#[path = "../../../quickstart/server.rs"]
mod server;

mod exits;
mod limits;
mod quiet;
mod screen;
mod secrets;
mod shell;
mod usage;
mod wire;
