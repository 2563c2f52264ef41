//! The program: arguments, environment and terminal for the library beside it.

use std::{
    env,
    io::{self, IsTerminal},
    process::ExitCode,
};

use revio::{Console, Screen, run};

/// One thread: the trace's subscriber is this thread's, and there is one request to serve. What still
/// reads standard input when the request has ended is not waited for.
fn main() -> io::Result<ExitCode> {
    let mut console = Console {
        out: Box::new(io::stdout()),
        err: Screen::new(io::stderr()),
        is_terminal: io::stderr().is_terminal(),
    };
    let args = env::args_os().skip(1);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    let exit = runtime.block_on(run(args, |name| env::var_os(name), &mut console));
    runtime.shutdown_background();
    Ok(ExitCode::from(exit as u8))
}
