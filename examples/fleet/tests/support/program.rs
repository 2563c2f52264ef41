//! The program, to be run as a user does.

use std::process::{Command, Output, Stdio};

pub const URL: &str = "REVIO_REDIS_URL";
pub const EXACT: &str = "POSTs: 0 lost, 0 made twice, 0 made and called unsent";

pub fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.args(args).env_remove(URL).stdin(Stdio::null());
    command
}

/// Three processes, for so many seconds.
pub fn three_for(seconds: &str) -> Command {
    let mut command = program(&["--processes", "3", "--limit", "100", "--window", "1"]);
    command.args(["--seconds", seconds]);
    command
}

pub fn text(output: &Output) -> (String, String) {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (out.into_owned(), err.into_owned())
}
