//! The whole fleet: the server, the processes, a line a second, and the table at the end.

use std::{env, net::SocketAddr, time::Duration};

use revio_status::BoxError;
use tokio::time::Instant;

use crate::{
    args::{Args, Share},
    server::Api,
    stack::TIME_LIMIT,
    tally::{Report, Tally},
    worker::Spec,
    workers::Workers,
};

/// The last process sends ten times as much as each other one; all together send half as much again
/// as the limit.
const HEAVY: f64 = 10.0;
const ALL: f64 = 1.5;

/// How long a process may go on after the time limit of its last request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs one fleet. `progress` receives a line a second.
///
/// # Errors
///
/// If a process or the server does not start.
pub async fn run(
    args: &Args,
    share: Share,
    redis: &str,
    mut progress: impl FnMut(&str),
) -> Result<Report, BoxError> {
    let api = Api::start(args.limit, args.window).await?;
    let start = Instant::now();
    let specs = specs(args, share, api.address());
    let workers = Workers::start(&env::current_exe()?, &specs, redis)?;
    let most = args.length + TIME_LIMIT + PATIENCE;
    let told = workers
        .watch(most, |time, tallies| progress(&summary(time, tallies)))
        .await?;
    Ok(Report {
        used: api.used(start, start + args.length),
        ..Report::new(told, &api.notes())
    })
}

/// Returns what each process is to do.
pub fn specs(args: &Args, share: Share, server: SocketAddr) -> Vec<Spec> {
    let per_second = ALL * f64::from(args.limit) / args.window.as_secs_f64();
    let light = per_second / (f64::from(args.processes - 1) + HEAVY);
    let account = format!("fleet {} {share}", std::process::id());
    let spec = |process| Spec {
        server,
        account: account.clone(),
        process,
        processes: args.processes,
        limit: args.limit,
        window: args.window,
        share,
        per_second: match process == args.processes {
            true => light * HEAVY,
            false => light,
        },
        length: args.length,
    };
    (1..=args.processes).map(spec).collect()
}

/// `  7 s | all 57 0 0 0.12/0.36 | 1: …`
fn summary(time: Duration, tallies: &[Tally]) -> String {
    let all = Tally::sum(tallies).line();
    let mut text = format!("{:>4} s | all {all}", time.as_secs());
    for (index, tally) in tallies.iter().enumerate() {
        text += &format!(" | {}: {}", index + 1, tally.line());
    }
    text
}
