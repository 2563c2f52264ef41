//! The measures of a run.

use hdrhistogram::Histogram;

use super::{
    events::{Nanos, SECOND},
    scenario::{Scenario, World},
};

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Second {
    /// Requests made by clients.
    pub asked: u32,
    /// Attempts that reached the gateway.
    pub sent: u32,
    /// Requests that ended well.
    pub good: u32,
    /// Requests that ended badly.
    pub bad: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    pub asked: u64,
    pub sent: u64,
    pub good: u64,
    pub bad: u64,
    /// Attempts with a 429.
    pub over_limit: u64,
    /// Attempts with a 429 or 503.
    pub refused: u64,
    /// Requests that a cool-down refused, so that they were never sent.
    pub unsent: u64,
    pub posts: u64,
    /// POSTs that ended badly.
    pub posts_lost: u64,
    /// Requests whose work was done more than once.
    pub twice: u64,
    pub posts_twice: u64,
    /// The number of times that a worker did a request's work.
    pub executed: u64,
    /// The part of them whose response was lost.
    pub wasted: u64,
    /// Microseconds until the caller had a result.
    pub waits: Histogram<u64>,
    pub seconds: Vec<Second>,
    /// When the last request ended.
    pub ended: Nanos,
}

impl Measures {
    /// For so many minutes, and more if need be.
    pub fn new(minutes: u32) -> Self {
        Self {
            asked: 0,
            sent: 0,
            good: 0,
            bad: 0,
            over_limit: 0,
            refused: 0,
            unsent: 0,
            posts: 0,
            posts_lost: 0,
            twice: 0,
            posts_twice: 0,
            executed: 0,
            wasted: 0,
            waits: Histogram::new(3).expect("3 digits are few enough"),
            seconds: vec![Second::default(); minutes as usize * 60],
            ended: 0,
        }
    }

    pub fn ask(&mut self, now: Nanos) {
        self.asked += 1;
        self.second(now).asked += 1;
    }

    pub fn send(&mut self, now: Nanos) {
        self.sent += 1;
        self.second(now).sent += 1;
    }

    pub fn end(&mut self, now: Nanos, is_good: bool, waited: Nanos) {
        let second = self.second(now);
        if is_good {
            second.good += 1;
            self.good += 1;
        } else {
            second.bad += 1;
            self.bad += 1;
        }
        self.ended = now;
        let micros = waited / 1_000;
        self.waits.record(micros).expect("it grows with its values");
    }

    /// After the last minute the run is wound up; that is one long second.
    fn second(&mut self, now: Nanos) -> &mut Second {
        let index = (now / SECOND) as usize;
        if index >= self.seconds.len() {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }

    /// Attempts for each request.
    pub fn amplification(&self) -> f64 {
        self.sent as f64 / self.asked as f64
    }

    pub fn success(&self) -> f64 {
        self.good as f64 / self.asked as f64
    }

    pub fn wasted(&self) -> f64 {
        self.wasted as f64 / self.executed as f64
    }

    /// Seconds until this part of all callers knew.
    pub fn wait(&self, part: f64) -> f64 {
        self.waits.value_at_quantile(part) as f64 / 1e6
    }

    /// The highest load of any 5 seconds, in attempts a second.
    pub fn peak(&self) -> f64 {
        let sums = self.seconds.windows(5).map(|five| {
            let sent: u32 = five.iter().map(|second| second.sent).sum();
            f64::from(sent) / 5.0
        });
        sums.fold(0.0, f64::max)
    }

    /// Requests a second that ended well, from the cause's begin until five minutes later.
    pub fn goodput(&self, scenario: &Scenario) -> f64 {
        let begin = (scenario.window.start / SECOND) as usize;
        let five_minutes = &self.seconds[begin..(begin + 300).min(self.seconds.len())];
        let good: u32 = five_minutes.iter().map(|second| second.good).sum();
        f64::from(good) / five_minutes.len() as f64
    }

    /// Seconds from the end of the cause until the last 5 seconds in which more than 1 % of the
    /// requests that ended, ended badly. `None`: not in this run.
    pub fn recovery(&self, scenario: &Scenario, world: &World) -> Option<u64> {
        let end = (scenario.window.end / SECOND) as usize;
        let last = world.minutes as usize * 60;
        let fives = self.seconds.get(end..last)?.chunks(5);
        let count = fives.len();
        let is_ill = |five: &[Second]| {
            let good: u32 = five.iter().map(|second| second.good).sum();
            let bad: u32 = five.iter().map(|second| second.bad).sum();
            bad * 99 > good
        };
        let ill = fives.map(is_ill).collect::<Vec<_>>();
        let well_after = ill.iter().rposition(|is_ill| *is_ill).map_or(0, |i| i + 1);
        (well_after < count).then_some(well_after as u64 * 5)
    }
}
