//! The processes of a fleet: started, listened to, and waited for, but not for ever.

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

/// A line, and whose it is.
type Line = (usize, String);

pub struct Workers {
    begin: Instant,
    children: Vec<Child>,
    lines: mpsc::Receiver<Line>,
}

/// What they told, and which of them failed.
pub struct Told {
    pub tallies: Vec<Tally>,
    /// How long after the begin the last call was refused.
    pub last_refusal: Option<Duration>,
    pub failures: Vec<String>,
}

impl Workers {
    /// They die with this.
    ///
    /// # Errors
    ///
    /// If one does not start.
    pub fn start(program: &Path, specs: &[Spec], redis: &str) -> io::Result<Self> {
        let begin = Instant::now();
        let (sender, lines) = mpsc::channel(1024);
        let mut children = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let mut child = Command::new(program)
                .arg("worker")
                .args(spec.to_args())
                .env(URL, redis)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
            tokio::spawn(listen(index, out, sender.clone()));
            children.push(child);
        }
        Ok(Self {
            begin,
            children,
            lines,
        })
    }

    /// Listens until all have ended; who goes on for longer than `most` is killed. What became of a
    /// request is unknown if its process failed and did not say it.
    ///
    /// # Errors
    ///
    /// If nobody can tell how one ended.
    pub async fn watch(
        mut self,
        most: Duration,
        mut progress: impl FnMut(Duration, &[Tally]),
    ) -> io::Result<Told> {
        let mut tallies = vec![Tally::default(); self.children.len()];
        let mut last_refusal = None;
        let mut second = interval(Duration::from_secs(1));
        second.tick().await;
        let too_long = sleep_until((self.begin + most).into());
        tokio::pin!(too_long);
        let mut is_killed = false;
        loop {
            tokio::select! {
                line = self.lines.recv() => match line {
                    Some((index, line)) => {
                        if line == "refused" {
                            last_refusal = Some(self.begin.elapsed());
                        }
                        tallies[index].take(&line);
                    }
                    None => break,
                },
                _ = second.tick() => progress(self.begin.elapsed(), &tallies),
                () = &mut too_long, if !is_killed => {
                    is_killed = true;
                    for child in &mut self.children {
                        let _ = child.start_kill(); // or it has ended
                    }
                }
            }
        }
        Ok(Told {
            failures: self.failures(&mut tallies).await?,
            tallies,
            last_refusal,
        })
    }

    async fn failures(&mut self, tallies: &mut [Tally]) -> io::Result<Vec<String>> {
        let mut failures = Vec::new();
        for (index, (child, tally)) in self.children.iter_mut().zip(tallies).enumerate() {
            let status = child.wait().await?;
            if !status.success() {
                tally.call_the_rest_unknown();
                failures.push(format!("process {} ended with {status}", index + 1));
            }
        }
        Ok(failures)
    }
}

async fn listen(index: usize, out: ChildStdout, lines: mpsc::Sender<Line>) {
    let mut out = BufReader::new(out).lines();
    while let Ok(Some(line)) = out.next_line().await {
        if lines.send((index, line)).await.is_err() {
            break;
        }
    }
}
