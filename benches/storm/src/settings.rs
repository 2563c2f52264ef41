//! Settings of this crate's policy side by side, in fleets of few processes and of many.

use std::{fmt::Write, iter, time::Duration};

use indicatif::ProgressBar;
use revio_status::{Backoff, Budget, StandardPolicy};

use super::{
    fleet,
    policies::Policy,
    scenario::{self, Scenario, World},
};

const PROCESSES_PER_ACCOUNT: [f64; 5] = [0.25, 0.5, 1.0, 5.0, 25.0];
/// For each setting in each fleet.
const SCENARIOS: usize = 5;

const HEADING: &str = "\
SETTING                  overload                          outage       mainten. restart  faults
                          sent ÷   peak ÷    ended recovery sent ÷  wait    ended   ended   ended
                           asked capacity     well        s  asked   p99     well    well    well
";

pub fn runs() -> usize {
    PROCESSES_PER_ACCOUNT.len() * (all().len() + 1) * SCENARIOS
}

/// A table for each number of processes.
pub fn compare(world: &World, bar: &ProgressBar) -> String {
    let settings = all();
    let mut text = String::from(HEADING);
    for per_account in PROCESSES_PER_ACCOUNT {
        let processes = (f64::from(world.accounts()) * per_account).ceil() as u32;
        let world = World {
            processes,
            ..*world
        };
        let each = f64::from(world.clients) / f64::from(processes) / 60.0;
        let _ = writeln!(
            text,
            "\n{processes} processes of {each:.2} requests a second"
        );
        let ten_seconds = ten_seconds_of_requests(&world);
        for policy in iter::once(&ten_seconds).chain(&settings) {
            bar.set_message(format!("{processes} processes: {}", policy.name));
            text += &row(&world, policy, bar);
        }
    }
    text
}

fn row(world: &World, policy: &Policy, bar: &ProgressBar) -> String {
    let run = |scenario: &Scenario| {
        bar.inc(1);
        fleet::run(world, scenario, policy)
    };
    let overload = run(&scenario::OVERLOAD);
    let recovery = overload.recovery(&scenario::OVERLOAD, world);
    let recovery = recovery.map_or("never".into(), |seconds| seconds.to_string());
    let outage = run(&scenario::OUTAGE);
    let part = |scenario| run(scenario).success() * 100.0;
    format!(
        "  {:<23}{:>6.2} {:>9.2} {:>7.2} % {recovery:>8} {:>6.2} {:>5.2} {:>7.2}% {:>6.2}% {:>6.2}%\n",
        policy.name,
        overload.amplification(),
        overload.peak() / world.capacity(),
        overload.success() * 100.0,
        outage.amplification(),
        outage.wait(0.99),
        part(&scenario::MAINTENANCE),
        part(&scenario::RESTART),
        part(&scenario::FAULTS),
    )
}

/// The defaults, with a reserve of a process's requests in ten seconds.
pub fn ten_seconds_of_requests(world: &World) -> Policy {
    let asks = world.asks_per_second() / f64::from(world.processes);
    let reserve = (asks * 10.0).round() as u32;
    let budget = move || Some(Budget::new(reserve, 0.1));
    Policy::ours(
        &format!("ten seconds' ({reserve})"),
        StandardPolicy::default(),
        budget,
    )
}

fn all() -> Vec<Policy> {
    let standard = StandardPolicy::default;
    let base = |millis| {
        let base = Duration::from_millis(millis);
        standard().backoff(Backoff::exponential(base, Duration::from_secs(20)))
    };
    let patient = standard().max_retry_after(Duration::from_secs(90));
    let set = |name: &str, rules, reserve, ratio| {
        let budget = move || Some(Budget::new(reserve, ratio));
        Policy::ours(name, rules, budget)
    };
    vec![
        set("reserve 0", standard(), 0, 0.1),
        set("reserve 5", standard(), 5, 0.1),
        set("reserve 10", standard(), 10, 0.1),
        set("reserve 20", standard(), 20, 0.1),
        set("reserve 50", standard(), 50, 0.1),
        set("reserve 100", standard(), 100, 0.1),
        set("100, wait up to 90 s", patient.clone(), 100, 0.1),
        set("10, wait up to 90 s", patient, 10, 0.1),
        set("10, ratio 0.05", standard(), 10, 0.05),
        set("10, ratio 0.2", standard(), 10, 0.2),
        set("100, base 1 s", base(1_000), 100, 0.1),
        set("10, base 100 ms", base(100), 10, 0.1),
        set("10, base 1 s", base(1_000), 10, 0.1),
        set("10, base 2 s", base(2_000), 10, 0.1),
        set("10, 2 attempts", standard().max_attempts(2), 10, 0.1),
        set("10, 4 attempts", standard().max_attempts(4), 10, 0.1),
        Policy::ours("no budget", standard(), || None),
    ]
}
