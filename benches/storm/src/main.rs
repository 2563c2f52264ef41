//! The program: arguments and exit code for the library beside it.

use std::{env, error::Error, io, process::ExitCode};

use storm::{
    args::{self, Command},
    run,
};

fn main() -> ExitCode {
    let result = match args::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print!("{}", args::HELP);
            Ok(())
        }
        Ok(Command::Run(args)) => run(&args),
        Err(error) => Err(format!("{error} (see --help)").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the pipe has closed it.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
