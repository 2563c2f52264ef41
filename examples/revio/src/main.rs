//! The program: arguments, environment and terminal for the library beside it.

use std::{
    env,
    io::{self, IsTerminal},
    process::ExitCode,
};

use revio::{Console, Screen, run};

/// One thread: the trace's subscriber is this thread's, and there is one request to serve.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut console = Console {
        out: Box::new(io::stdout()),
        err: Screen::new(io::stderr()),
        is_terminal: io::stderr().is_terminal(),
    };
    let args = env::args_os().skip(1);
    let exit = run(args, |name| env::var_os(name), &mut console).await;
    ExitCode::from(exit as u8)
}
