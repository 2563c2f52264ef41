//! Ten thousand clients and one server: what the retries of a fleet do to both, in virtual time.
//!
//! ```console
//! $ cargo run --release --example storm -- --plots examples/storm/plots
//! ```
//!
//! Retries are decided by this crate's own `StandardPolicy`, `Backoff` and `Budget`, and by its
//! reading of `Retry-After`; `fleet.rs` asks them in the layer's order. `--help` lists the options.

pub mod allowance;
pub mod args;
pub mod events;
pub mod fleet;
pub mod measure;
pub mod plot;
pub mod policies;
pub mod reserve;
pub mod scenario;
pub mod server;
pub mod settings;
pub mod table;

use std::{env, error::Error, fs, path::Path, process::ExitCode, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};

use args::{Args, Command};
use measure::Measures;
use scenario::{Scenario, World};

#[allow(dead_code)] // the test includes this file for the code below
fn main() -> ExitCode {
    let result = match args::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print!("{}", args::HELP);
            Ok(())
        }
        Ok(Command::Run(args)) => run(&args),
        Err(error) => Err(format!("{error} (see --help)").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let world = args.world();
    let bar = progress();
    println!("{}", table::world(&world));
    if args.is_about_settings {
        let text = settings::compare(&world, &bar);
        bar.suspend(|| print!("{text}"));
    } else {
        print!("{}", table::HEADING);
        for scenario in scenario::ALL.iter().filter(|s| args.wants(s)) {
            let rows = rows(&world, scenario, args, &bar);
            let text = table::scenario(&world, scenario, &rows);
            bar.suspend(|| print!("\n{text}"));
            if let Some(folder) = &args.plots {
                draw(folder, &world, scenario, &rows)?;
            }
        }
    }
    if let Some(folder) = &args.plots {
        fs::write(folder.join("reserve.svg"), reserve::plot(&world, &bar)?)?;
    }
    let runs = bar.position();
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    eprint!(
        "\n{runs} runs of {} minutes in {seconds:.1} s",
        world.minutes
    );
    eprintln!(
        "{}",
        memory().map_or_else(String::new, |kb| format!(", {kb} of memory"))
    );
    Ok(())
}

/// One scenario under each policy.
fn rows(
    world: &World,
    scenario: &Scenario,
    args: &Args,
    bar: &ProgressBar,
) -> Vec<(String, Measures)> {
    let policies = policies::all().into_iter();
    let wanted = policies.filter(|policy| policy.name.contains(&args.policy));
    wanted
        .map(|policy| {
            bar.set_message(format!("{}: {}", scenario.name, policy.name));
            let measures = fleet::run(world, scenario, &policy);
            bar.inc(1);
            (policy.name, measures)
        })
        .collect()
}

fn draw(
    folder: &Path,
    world: &World,
    scenario: &Scenario,
    rows: &[(String, Measures)],
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let path = folder.join(scenario.name).with_extension("svg");
    let svg = plot::scenario(world, scenario, rows)?;
    fs::write(path, svg)?;
    Ok(())
}

/// On a terminal only: indicatif looks whether standard error is one.
fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {wide_msg}");
    ProgressBar::new(0).with_style(style.expect("a valid template"))
}

/// The most memory this process ever had, where the system tells.
fn memory() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().to_owned())
}
