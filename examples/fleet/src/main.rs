//! The program: arguments, Redis and exit code for the library beside it.

use std::{env, future::pending, io, process::ExitCode};

use fleet::{
    args::{self, Args, Command, Share},
    cost,
    fleet::run,
    redis_server::{RedisServer, URL, client},
    tally,
    worker::{self, Spec},
};
use revio_status::BoxError;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    tokio::select! {
        biased; // whoever starts something can be told already
        number = told_to_end() => ExitCode::from(128 + number),
        code = go() => code,
    }
}

/// By Ctrl-C, by `kill`, or because the terminal is gone. What was started ends then too.
async fn told_to_end() -> u8 {
    tokio::select! {
        () = got(SignalKind::interrupt()) => 2,
        () = got(SignalKind::terminate()) => 15,
        () = got(SignalKind::hangup()) => 1,
    }
}

async fn got(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => pending().await,
    }
}

async fn go() -> ExitCode {
    let mut args = env::args_os().skip(1).peekable();
    let result = if args.next_if(|arg| arg == "worker").is_some() {
        work(args.map(|arg| arg.to_string_lossy().into_owned()).collect()).await
    } else {
        match args::parse(args) {
            Ok(Command::Help) => {
                print!("{}", args::HELP);
                return ExitCode::SUCCESS;
            }
            Ok(command) => {
                // Its own server ends when this is dropped.
                let (redis, _server) = match redis(&command) {
                    Ok(redis) => redis,
                    Err(error) => {
                        eprintln!("fleet: {error}");
                        return ExitCode::from(2);
                    }
                };
                lead(command, &redis).await
            }
            Err(error) => {
                eprintln!("fleet: {error} (see --help)");
                return ExitCode::from(2);
            }
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn work(args: Vec<String>) -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
    worker::run(Spec::parse(&args)?, env::var(URL).ok()).await
}

async fn lead(command: Command, redis: &str) -> Result<(), BoxError> {
    let Command::Run(args) = command else {
        print!("{}", cost::table(redis, cost::CALLS).await?);
        return Ok(());
    };
    let mut runs = Vec::new();
    for &share in &args.shares {
        let Args {
            processes, limit, ..
        } = args;
        let (window, length) = (args.window.as_secs(), args.length.as_secs());
        eprintln!("for each: calls, refused, held, seconds of wait p50/p99 since the begin");
        let report = run(&args, share, redis, |line| eprintln!("{line}")).await?;
        println!(
            "\n{processes} processes, {limit} calls in {window} s, for {length} s, shared: {share}"
        );
        print!("{}", report.table());
        let mut wrong = report.failures.clone();
        if !report.is_exact() {
            wrong.push("the books do not balance".into());
        }
        if !wrong.is_empty() {
            return Err(wrong.join(", ").into());
        }
        runs.push((share, report));
    }
    if runs.len() > 1 {
        print!("\n{}", tally::compare(&runs));
    }
    Ok(())
}

/// The Redis of the environment, or one of its own. None where nothing needs it.
fn redis(command: &Command) -> Result<(String, Option<RedisServer>), String> {
    if let Command::Run(args) = command
        && !args.shares.contains(&Share::Redis)
    {
        return Ok((String::new(), None));
    }
    if let Some(url) = env::var(URL).ok().filter(|url| !url.is_empty()) {
        return client(&url).map(|_| (url, None));
    }
    match RedisServer::start(&[]) {
        Ok(server) => Ok((server.url(), Some(server))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
            "there is no redis-server here. Install it (Debian: apt-get install redis-server), or \
             name a Redis by {URL}=redis://host:6379"
        )),
        Err(error) => Err(format!("redis-server does not start: {error}")),
    }
}
