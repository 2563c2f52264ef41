//! The outcomes of calls and requests, counted from the lines that a worker prints.

use std::{collections::HashSet, fmt::Write};

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
    /// The notes that were made; `waits` has the milliseconds that each took.
    pub made: Vec<String>,
    waits: Vec<u32>,
}

impl Tally {
    pub fn add(&mut self, line: &str) {
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

    /// Counts as unknown the requests whose end was not reported.
    pub fn add_unreported(&mut self) {
        self.unknown += self.asked.saturating_sub(self.ended());
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

    fn ended(&self) -> u32 {
        (self.made.len() + self.unsent.len()) as u32 + self.unknown
    }

    /// Returns a percentile of the seconds that successful requests took.
    pub fn wait(&self, percent: usize) -> Option<f64> {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let index = (waits.len() * percent).div_ceil(100).max(1) - 1;
        waits.get(index).map(|&wait| f64::from(wait) / 1000.0)
    }

    /// Calls, refused, held, wait p50/p99: `57 0 0 0.12/0.36`.
    pub fn line(&self) -> String {
        let (median, high) = (text(self.wait(50)), text(self.wait(99)));
        format!(
            "{} {} {} {median}/{high}",
            self.calls, self.refused, self.held
        )
    }
}

fn text(seconds: Option<f64>) -> String {
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
        text(tally.wait(50)),
        text(tally.wait(99)),
    )
}

/// A whole run, compared with what the server has.
pub struct Report {
    pub tallies: Vec<Tally>,
    /// In the gateway's whole windows, if there was one.
    pub used: Option<f64>,
    /// The processes that failed. What they did not report is unknown.
    pub failures: Vec<String>,
    /// Reported as made, and the server does not have it.
    pub lost: usize,
    pub twice: usize,
    /// The server has it, and it was reported as unsent, or never asked for.
    pub denied: usize,
    /// Requests without an end, and ends without a request.
    pub endless: u32,
}

impl Report {
    pub fn new(told: Told, notes: &[Bytes]) -> Self {
        let all = Tally::sum(&told.tallies);
        let notes: Vec<String> = notes.iter().filter_map(note).collect();
        let had: HashSet<&str> = notes.iter().map(String::as_str).collect();
        let made: HashSet<&str> = all.made.iter().map(String::as_str).collect();
        let unsent: HashSet<&str> = all.unsent.iter().map(String::as_str).collect();
        let others = had.difference(&made).filter(|name| !unsent.contains(*name));
        let unasked = others.count().saturating_sub(all.unknown as usize);
        let endless = |tally: &Tally| tally.asked.abs_diff(tally.ended());
        Self {
            used: None,
            failures: told.failures,
            endless: told.tallies.iter().map(endless).sum(),
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
        let mut table = HEADING.to_owned();
        for (index, tally) in self.tallies.iter().enumerate() {
            table += &row(&(index + 1).to_string(), tally);
        }
        let all = Tally::sum(&self.tallies);
        table += &row("all", &all);
        table += &match self.used {
            Some(used) => format!(
                "used: {:.1} % of the limit, in the gateway's whole windows",
                used * 100.0
            ),
            None => "used: there was no whole window of the gateway".into(),
        };
        table += &match all.refused {
            0 => "; no refusal\n".into(),
            refused => format!("; {refused} calls refused\n"),
        };
        let (lost, twice, denied) = (self.lost, self.twice, self.denied);
        table +=
            &format!("POSTs: {lost} lost, {twice} made twice, {denied} made and called unsent\n");
        if self.endless > 0 {
            table += &format!("requests: {} without an end\n", self.endless);
        }
        table
    }
}

/// Runs side by side: the processes that send little, and the one that sends ten times as much.
pub fn compare(runs: &[(Share, Report)]) -> String {
    let mut table = "\
SHARED   USED  REFUSED  LITTLE: p50     p99  UNSENT  MUCH: p50     p99  UNSENT
"
    .to_owned();
    for (share, report) in runs {
        let used = report.used.map(|used| format!("{:.1} %", used * 100.0));
        let used = used.as_deref().unwrap_or("-");
        let refused = Tally::sum(&report.tallies).refused;
        let _ = write!(table, "{share:<7} {used:>7} {refused:>5}");
        let (much, little) = report.tallies.split_last().expect("one process at least");
        for tally in [&Tally::sum(little), much] {
            let (median, high) = (text(tally.wait(50)), text(tally.wait(99)));
            let unsent = tally.unsent.len() as f64 / f64::from(tally.asked.max(1)) * 100.0;
            let _ = write!(table, "{median:>12} s {high:>5} s {unsent:>5.0} %");
        }
        table += "\n";
    }
    table
}

fn note(body: &Bytes) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body.get("note")?.as_str()?.to_owned())
}
