//! The whole fleet: the server, the processes, a line a second, and the table at the end.

use std::{
    env, io,
    process::Stdio,
    time::{Duration, Instant},
};

use revio_status::BoxError;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::interval,
};

use crate::{
    args::{Args, Share},
    server::Api,
    tally::{Report, Tally},
    worker::Spec,
};

pub const URL: &str = "REVIO_REDIS_URL";

/// The last process wants ten times as much as each other one; all together want half as much again
/// as the limit.
const HEAVY: f64 = 10.0;
const ALL: f64 = 1.5;

/// Runs one fleet. `progress` gets a line a second.
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
    let (sender, mut lines) = mpsc::channel(1024);
    let mut children = Vec::new();
    let begin = Instant::now();
    for spec in specs(args, share, &api) {
        children.push(start(&spec, redis, sender.clone())?);
    }
    drop(sender);

    let mut tallies = vec![Tally::default(); children.len()];
    let mut last_refusal = None;
    let mut second = interval(Duration::from_secs(1));
    second.tick().await;
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some((index, line)) => {
                    if line == "refused" {
                        last_refusal = Some(begin.elapsed());
                    }
                    let index: usize = index;
                    tallies[index].take(&line);
                }
                None => break,
            },
            _ = second.tick() => progress(&summary(begin.elapsed(), &tallies)),
        }
    }
    for mut child in children {
        let status = child.wait().await?;
        if !status.success() {
            return Err(format!("a process ended with {status}").into());
        }
    }
    Ok(Report {
        used: api.used(begin, begin + args.length),
        last_refusal,
        ..Report::new(tallies, &api.notes())
    })
}

fn specs(args: &Args, share: Share, api: &Api) -> Vec<Spec> {
    let per_second = ALL * f64::from(args.limit) / args.window.as_secs_f64();
    let light = per_second / (f64::from(args.processes - 1) + HEAVY);
    let account = format!("fleet {} {share}", std::process::id());
    let spec = |process| Spec {
        server: api.address(),
        account: account.clone(),
        process,
        processes: args.processes,
        limit: args.limit,
        window: args.window,
        share,
        wants: if process == args.processes {
            light * HEAVY
        } else {
            light
        },
        length: args.length,
    };
    (1..=args.processes).map(spec).collect()
}

/// It dies with this one.
fn start(spec: &Spec, redis: &str, lines: mpsc::Sender<(usize, String)>) -> io::Result<Child> {
    let mut child = Command::new(env::current_exe()?)
        .arg("worker")
        .args(spec.to_args())
        .env(URL, redis)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let index = spec.process as usize - 1;
    tokio::spawn(async move {
        let mut out = BufReader::new(out).lines();
        while let Ok(Some(line)) = out.next_line().await {
            if lines.send((index, line)).await.is_err() {
                break;
            }
        }
    });
    Ok(child)
}

/// `  7 s | all 57 0 0 0.12/0.36 | 1: …`
fn summary(time: Duration, tallies: &[Tally]) -> String {
    let mut text = format!(
        "{:>4} s | all {}",
        time.as_secs(),
        Tally::sum(tallies).line()
    );
    for (index, tally) in tallies.iter().enumerate() {
        text += &format!(" | {}: {}", index + 1, tally.line());
    }
    text
}
