//! What became of calls and requests, counted from the lines that a worker prints.

use std::{collections::HashSet, fmt::Write, time::Duration};

use bytes::Bytes;

use crate::{args::Share, workers::Told};

#[derive(Clone, Default)]
pub struct Tally {
    pub asked: u32,
    pub calls: u32,
    pub refused: u32,
    pub held: u32,
    pub unknown: u32,
    /// The notes that were not sent.
    pub unsent: Vec<String>,
    /// The notes that were made, and the milliseconds that each took.
    pub made: Vec<String>,
    waits: Vec<u32>,
}

impl Tally {
    pub fn take(&mut self, line: &str) {
        let mut words = line.split(' ');
        match words.next() {
            Some("asked") => self.asked += 1,
            Some("sent") => self.calls += 1,
            Some("refused") => self.refused += 1,
            Some("held") => self.held += 1,
            Some("unsent") => self.unsent.extend(words.nth(1).map(str::to_owned)),
            Some("made") => {
                let wait = words.next().and_then(|wait| wait.parse::<u32>().ok());
                self.waits.extend(wait);
                self.made.extend(words.next().map(str::to_owned));
            }
            _ => self.unknown += 1,
        }
    }

    pub fn sum<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for tally in tallies {
            sum.asked += tally.asked;
            sum.calls += tally.calls;
            sum.refused += tally.refused;
            sum.held += tally.held;
            sum.unknown += tally.unknown;
            sum.unsent.extend_from_slice(&tally.unsent);
            sum.made.extend_from_slice(&tally.made);
            sum.waits.extend_from_slice(&tally.waits);
        }
        sum
    }

    /// Whoever could tell how they ended has failed.
    pub fn call_the_rest_unknown(&mut self) {
        self.unknown += self.asked.saturating_sub(self.ended());
    }

    fn ended(&self) -> u32 {
        (self.made.len() + self.unsent.len()) as u32 + self.unknown
    }

    /// So many of a hundred requests that ended well took no longer, in seconds.
    pub fn wait(&self, percent: usize) -> Option<f64> {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let index = (waits.len() * percent).div_ceil(100).max(1) - 1;
        waits.get(index).map(|&wait| f64::from(wait) / 1000.0)
    }

    /// `calls 57 refused 0 held 0 wait 0.12/0.36 s`, in few letters.
    pub fn line(&self) -> String {
        let Self {
            calls,
            refused,
            held,
            ..
        } = self;
        format!(
            "{calls} {refused} {held} {}/{}",
            text_of(self.wait(50)),
            text_of(self.wait(99))
        )
    }
}

fn text_of(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".into(), |seconds| format!("{seconds:.2}"))
}

pub const HEADING: &str =
    "PROCESS  ASKED  CALLS  REFUSED   HELD   MADE  UNSENT  UNKNOWN  WAIT p50     p99\n";

fn row(name: &str, tally: &Tally) -> String {
    format!(
        "{name:<7} {:>6} {:>6} {:>8} {:>6} {:>6} {:>7} {:>8} {:>7} s {:>5} s\n",
        tally.asked,
        tally.calls,
        tally.refused,
        tally.held,
        tally.made.len(),
        tally.unsent.len(),
        tally.unknown,
        text_of(tally.wait(50)),
        text_of(tally.wait(99)),
    )
}

/// A run as a whole, checked against what the server has.
pub struct Report {
    pub tallies: Vec<Tally>,
    /// In whole windows of the gateway, if there was one.
    pub used: Option<f64>,
    pub last_refusal: Option<Duration>,
    /// The processes that failed. What they did not say is unknown.
    pub failures: Vec<String>,
    /// The server has it no time, or more than once.
    pub lost: usize,
    pub twice: usize,
    /// The server has it, although its process was told that it was not sent, or never asked for it.
    pub denied: usize,
    /// Asked for, and its process did not say how it ended; or the other way round.
    pub endless: u32,
}

impl Report {
    pub fn new(told: Told, notes: &[Bytes]) -> Self {
        let all = Tally::sum(&told.tallies);
        let notes: Vec<String> = notes.iter().filter_map(note).collect();
        let had: HashSet<&str> = notes.iter().map(String::as_str).collect();
        let made: HashSet<&str> = all.made.iter().map(String::as_str).collect();
        let unsent: HashSet<&str> = all.unsent.iter().map(String::as_str).collect();
        let others = had
            .iter()
            .filter(|&name| !made.contains(name) && !unsent.contains(name));
        let unasked = others.count().saturating_sub(all.unknown as usize);
        let endless = told
            .tallies
            .iter()
            .map(|tally| tally.asked.abs_diff(tally.ended()));
        Self {
            used: None,
            last_refusal: told.last_refusal,
            failures: told.failures,
            endless: endless.sum(),
            lost: made.difference(&had).count(),
            twice: notes.len() - had.len(),
            denied: had.intersection(&unsent).count() + unasked,
            tallies: told.tallies,
        }
    }

    pub fn is_exact(&self) -> bool {
        self.lost + self.twice + self.denied == 0 && self.endless == 0
    }

    pub fn table(&self) -> String {
        let mut text = HEADING.to_owned();
        for (index, tally) in self.tallies.iter().enumerate() {
            text += &row(&(index + 1).to_string(), tally);
        }
        text += &row("all", &Tally::sum(&self.tallies));
        let _ = match self.used {
            Some(used) => write!(
                text,
                "used: {:.1} % of the limit, in the gateway's whole windows",
                used * 100.0
            ),
            None => write!(text, "used: no whole window of the gateway was seen"),
        };
        let _ = match self.last_refusal {
            Some(time) => writeln!(text, "; last refusal: after {} s", time.as_secs()),
            None => writeln!(text, "; no refusal"),
        };
        let _ = writeln!(
            text,
            "POSTs: {} lost, {} made twice, {} made and called unsent",
            self.lost, self.twice, self.denied
        );
        if self.endless > 0 {
            let _ = writeln!(text, "requests: {} without an end", self.endless);
        }
        text
    }
}

/// Runs side by side: those who want little, and the one who wants ten times as much.
pub fn compare(runs: &[(Share, Report)]) -> String {
    let mut text = "\
SHARED   USED  REFUSED  LITTLE: p50     p99  UNSENT  MUCH: p50     p99  UNSENT
"
    .to_owned();
    for (share, report) in runs {
        let used = report.used.map(|used| format!("{:.1} %", used * 100.0));
        let _ = write!(
            text,
            "{share:<7} {:>7} {:>5}",
            used.as_deref().unwrap_or("-"),
            Tally::sum(&report.tallies).refused,
        );
        let (much, little) = report.tallies.split_last().expect("one process at least");
        for tally in [&Tally::sum(little), much] {
            let (median, high) = (text_of(tally.wait(50)), text_of(tally.wait(99)));
            let unsent = tally.unsent.len() as f64 / f64::from(tally.asked.max(1)) * 100.0;
            let _ = write!(text, "{median:>12} s {high:>5} s {unsent:>5.0} %");
        }
        text += "\n";
    }
    text
}

fn note(body: &Bytes) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body.get("note")?.as_str()?.to_owned())
}
