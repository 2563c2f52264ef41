//! What the tests share: a Redis of their own, and patience.

#![allow(dead_code)] // every test binary uses its own part

pub mod program;

use std::{
    future::Future,
    io::{self, Write as _},
    time::Duration,
};

use fleet::redis_server::RedisServer;
use tokio::time::{sleep, timeout};

/// Starts a server. `None`, with a loud message, if it is not installed.
pub fn redis(options: &[&str]) -> Option<RedisServer> {
    match RedisServer::start(options) {
        Ok(server) => Some(server),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Past the harness, which hides what a test that passes has printed.
            let warning = "WARNING: redis-server is not installed: this test tests nothing.";
            let _ = writeln!(io::stderr(), "{warning}");
            None
        }
        Err(error) => panic!("redis-server: {error}"),
    }
}

pub async fn bounded<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(60), future)
        .await
        .expect("within a minute")
}

/// Checks again and again.
pub async fn until(is_true: impl Fn() -> bool) {
    bounded(async {
        while !is_true() {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Sends a command to the server, past everything under test.
pub fn command(url: &str, words: &[&str]) -> redis::Value {
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("it runs");
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut connection).expect("a valid command")
}
