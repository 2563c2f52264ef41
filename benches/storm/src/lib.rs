//! Simulates ten thousand clients and one server in virtual time: what retries do to both.
//!
//! ```console
//! $ cargo run --release -p storm -- --plots benches/storm/plots
//! ```
//!
//! This crate's own `StandardPolicy`, `Backoff`, `Budget` and reader of `Retry-After` decide about retries;
//! `fleet.rs` asks them in the layer's order. `batch.rs` runs the layer itself. `--help` lists the options.

pub mod account;
pub mod allowance;
pub mod args;
pub mod batch;
pub mod burst;
pub mod clock;
pub mod events;
pub mod fleet;
pub mod gains;
pub mod judge;
pub mod mail;
pub mod measure;
pub mod plot;
pub mod policies;
pub mod quiet;
pub mod reserve;
pub mod rivals;
pub mod scenario;
pub mod server;
pub mod settings;
pub mod table;

use std::{
    error::Error,
    fs,
    io::{self, Write},
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};

use args::Args;
use measure::Measures;
use scenario::{Scenario, World};

/// Runs the chosen scenarios and prints their results.
pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let world = args.world();
    if let Some(folder) = &args.plots {
        fs::create_dir_all(folder)?;
    }
    let bar = progress(runs_of(args));
    if args.is_about_settings {
        say(&bar, &table::world(&world))?;
        say(&bar, &settings::compare(&world, &bar))?;
    } else {
        tabulate(args, &world, &bar)?;
        tabulate_batches(args, &bar)?;
    }
    if let Some(folder) = &args.plots {
        fs::write(folder.join("reserve.svg"), reserve::plot(&world, &bar)?)?;
    }
    let runs = bar.position();
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    eprintln!(
        "\n{runs} runs in {seconds:.1} s{}",
        memory().map_or_else(String::new, |peak| format!(", {peak} of memory"))
    );
    Ok(())
}

fn tabulate(args: &Args, world: &World, bar: &ProgressBar) -> Result<(), Box<dyn Error>> {
    let scenarios = scenario::ALL.iter();
    let scenarios: Vec<_> = scenarios.filter(|s| args.wants(s.name)).collect();
    if !scenarios.is_empty() {
        say(bar, &(table::world(world) + table::HEADING))?;
    }
    let mut shown = Vec::new();
    for scenario in scenarios {
        let rows = rows(world, scenario, args, bar);
        let text = table::scenario(world, scenario, &rows);
        say(bar, &format!("\n{text}"))?;
        // A cause that lasts changes nothing over time.
        if let Some(folder) = args.plots.as_ref().filter(|_| scenario.ends(world)) {
            let path = folder.join(scenario.name).with_extension("svg");
            fs::write(path, plot::scenario(world, scenario, &rows)?)?;
        }
        shown.push((scenario, rows));
    }
    let figure = args.plots.as_ref().zip(gains::plot(&shown));
    if let Some((folder, svg)) = figure {
        fs::write(folder.join("gains.svg"), svg?)?;
    }
    Ok(())
}

fn tabulate_batches(args: &Args, bar: &ProgressBar) -> Result<(), Box<dyn Error>> {
    if !args.wants(batch::NAME) {
        return Ok(());
    }
    say(bar, table::BATCH_HEADING)?;
    for (index, batch) in batch::ALL.iter().enumerate() {
        let run = |rival: rivals::Rival| {
            bar.set_message(format!("{}: {}", batch::NAME, rival.name));
            let measures = batch::run(batch, args.seed, &rival);
            bar.inc(1);
            (rival.name, measures)
        };
        let rivals = rivals::all().into_iter();
        let rows: Vec<_> = rivals.filter(|r| args.includes(&r.name)).map(run).collect();
        say(bar, &format!("\n{}", table::batch(batch, &rows)))?;
        if let Some(folder) = args.plots.as_ref().filter(|_| index == 0) {
            fs::write(folder.join("batch.svg"), burst::plot(&rows)?)?;
        }
    }
    Ok(())
}

/// Prints, with the bar hidden meanwhile.
fn say(bar: &ProgressBar, text: &str) -> io::Result<()> {
    bar.suspend(|| io::stdout().write_all(text.as_bytes()))
}

/// Returns the number of runs that the tables and the plots need.
fn runs_of(args: &Args) -> u64 {
    let scenarios = scenario::ALL.iter().filter(|s| args.wants(s.name)).count();
    let policies = policies::all();
    let policies = policies.iter().filter(|p| args.includes(&p.name)).count();
    let batches = match args.wants(batch::NAME) {
        true => batch::ALL.len(),
        false => 0,
    };
    let rivals = rivals::all();
    let rivals = rivals.iter().filter(|r| args.includes(&r.name)).count();
    let tabulated = match args.is_about_settings {
        true => settings::runs(),
        false => scenarios * policies + batches * rivals,
    };
    let plotted = args.plots.as_ref().map_or(0, |_| reserve::RUNS);
    (tabulated + plotted) as u64
}

/// Runs one scenario under each policy.
fn rows(
    world: &World,
    scenario: &Scenario,
    args: &Args,
    bar: &ProgressBar,
) -> Vec<(String, Measures)> {
    let policies = policies::all().into_iter();
    let wanted = policies.filter(|policy| args.includes(&policy.name));
    wanted
        .map(|policy| {
            bar.set_message(format!("{}: {}", scenario.name, policy.name));
            let measures = fleet::run(world, scenario, &policy);
            bar.inc(1);
            (policy.name, measures)
        })
        .collect()
}

/// Shows a bar if standard error is a terminal.
fn progress(runs: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {wide_msg}");
    ProgressBar::new(runs).with_style(style.expect("a valid template"))
}

/// Returns the peak memory of this process, if the system reports it.
fn memory() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().to_owned())
}
