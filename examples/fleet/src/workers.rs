//! The processes of a fleet: started, read, and waited for, but not for ever.

use std::{
    io,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    sync::mpsc,
    time::{interval, sleep_until},
};

use crate::{redis_server::URL, tally::Tally, worker::Spec};

/// A line, and the index of its process.
type Line = (usize, String);

pub struct Workers {
    start: Instant,
    children: Vec<Child>,
    lines: mpsc::Receiver<Line>,
}

/// What the processes reported, and which of them failed.
pub struct Told {
    pub tallies: Vec<Tally>,
    pub failures: Vec<String>,
}

impl Workers {
    /// Starts the processes. They are killed when this is dropped.
    pub fn start(program: &Path, specs: &[Spec], redis: &str) -> io::Result<Self> {
        let start = Instant::now();
        let (sender, lines) = mpsc::channel(1024);
        let mut children = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let mut child = Command::new(program)
                .args(["worker", &spec.to_arg()])
                .env(URL, redis)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
            tokio::spawn(read(index, out, sender.clone()));
            children.push(child);
        }
        Ok(Self {
            start,
            children,
            lines,
        })
    }

    /// Reads until all processes have ended. Those that go on for longer than `most` are killed. The
    /// outcome of a request is unknown if its process failed before it reported it.
    ///
    /// # Errors
    ///
    /// If the exit status of a process cannot be read.
    pub async fn watch(
        mut self,
        most: Duration,
        mut progress: impl FnMut(Duration, &[Tally]),
    ) -> io::Result<Told> {
        let mut tallies = vec![Tally::default(); self.children.len()];
        let mut second = interval(Duration::from_secs(1));
        second.tick().await;
        let too_long = sleep_until((self.start + most).into());
        tokio::pin!(too_long);
        let mut is_killed = false;
        loop {
            tokio::select! {
                line = self.lines.recv() => match line {
                    Some((index, line)) => tallies[index].add(&line),
                    None => break,
                },
                _ = second.tick() => progress(self.start.elapsed(), &tallies),
                () = &mut too_long, if !is_killed => {
                    is_killed = true;
                    for child in &mut self.children {
                        let _ = child.start_kill(); // fails if it has ended
                    }
                }
            }
        }
        let mut failures = Vec::new();
        for (index, (child, tally)) in self.children.iter_mut().zip(&mut tallies).enumerate() {
            let status = child.wait().await?;
            if !status.success() {
                tally.add_unreported();
                failures.push(format!("process {} ended with {status}", index + 1));
            }
        }
        Ok(Told { tallies, failures })
    }
}

async fn read(index: usize, out: ChildStdout, lines: mpsc::Sender<Line>) {
    let mut out = BufReader::new(out).lines();
    while let Ok(Some(line)) = out.next_line().await {
        if lines.send((index, line)).await.is_err() {
            break;
        }
    }
}
