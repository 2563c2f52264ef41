//! The program: arguments, Redis and exit code for the library beside it.

use std::{env, io, process::ExitCode};

use fleet::{
    args::{self, Args, Share},
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
        biased; // the signals are caught before anything is started
        number = told_to_end() => ExitCode::from(128 + number),
        code = start() => code,
    }
}

/// Waits for Ctrl-C, `kill`, or the end of the terminal. What was started then ends too.
async fn told_to_end() -> u8 {
    let received = |kind| async move { signal(kind).expect("signals").recv().await };
    tokio::select! {
        _ = received(SignalKind::interrupt()) => 2,
        _ = received(SignalKind::terminate()) => 15,
        _ = received(SignalKind::hangup()) => 1,
    }
}

async fn start() -> ExitCode {
    let mut args = env::args_os().skip(1).peekable();
    let result = if args.next_if(|arg| arg == "worker").is_some() {
        let spec = args.next().unwrap_or_default();
        work(&spec.to_string_lossy()).await
    } else {
        let args = match args::parse(args) {
            Ok(Some(args)) => args,
            Ok(None) => {
                print!("{}", args::HELP);
                return ExitCode::SUCCESS;
            }
            Err(error) => {
                eprintln!("fleet: {error} (see --help)");
                return ExitCode::from(2);
            }
        };
        // The program's own server ends when it is dropped.
        match redis(&args) {
            Ok((redis, _server)) => lead(&args, &redis).await,
            Err(error) => {
                eprintln!("fleet: {error}");
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

async fn work(spec: &str) -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
    worker::run(Spec::parse(spec)?, env::var(URL).ok()).await
}

async fn lead(args: &Args, redis: &str) -> Result<(), BoxError> {
    let mut runs = Vec::new();
    for &share in &args.shares {
        let [window, length] = [args.window, args.length].map(|time| time.as_secs());
        eprintln!("for each: calls, refused, held, seconds of wait p50/p99 since the start");
        let report = run(args, share, redis, |line| eprintln!("{line}")).await?;
        println!(
            "\n{} processes, {} calls in {window} s, for {length} s, shared: {share}",
            args.processes, args.limit
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

/// Returns the URL of the environment's Redis, or of a server of its own; empty if none is needed.
fn redis(args: &Args) -> Result<(String, Option<RedisServer>), String> {
    if !args.shares.contains(&Share::Redis) {
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
