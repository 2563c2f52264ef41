//! The command line.

use std::{ffi::OsString, path::PathBuf};

use lexopt::{Arg, Parser, ValueExt};

use super::{batch, policies, rivals, scenario, scenario::World};

pub const HELP: &str = "\
Shows what the retries of a fleet do to its server, in virtual time.

Usage: storm [OPTIONS]

Options:
      --clients <N>      How many clients there are; each asks once a minute [default: 10000]
      --processes <N>    How many processes they run in, each with a budget [default: one for each account]
      --minutes <N>      Length of each run, 11 at least [default: 30]
      --seed <N>         The same seed gives the same output [default: 1]
      --scenario <NAME>  overload, outage, maintenance, slow, restart, faults,
                         backend or batch [default: all]
      --policy <TEXT>    Only policies whose name contains this [default: all]
      --settings         Compare settings of this crate's policy instead, in several fleets
      --plots <DIR>      Also draw there, as SVG, what each cause does over time
  -h, --help             Print this
";

#[derive(Debug, PartialEq)]
pub enum Command {
    Help,
    Run(Args),
}

#[derive(Debug, PartialEq)]
pub struct Args {
    pub clients: u32,
    pub processes: Option<u32>,
    pub minutes: u32,
    pub seed: u64,
    pub scenario: Option<String>,
    pub policy: String,
    pub is_about_settings: bool,
    pub plots: Option<PathBuf>,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            clients: 10_000,
            processes: None,
            minutes: 30,
            seed: 1,
            scenario: None,
            policy: String::new(),
            is_about_settings: false,
            plots: None,
        }
    }
}

impl Args {
    pub fn world(&self) -> World {
        let world = World::new(self.clients);
        World {
            processes: self.processes.unwrap_or(world.processes),
            minutes: self.minutes,
            seed: self.seed,
            ..world
        }
    }

    pub fn wants(&self, scenario: &str) -> bool {
        self.scenario.as_ref().is_none_or(|name| name == scenario)
    }

    pub fn includes(&self, policy: &str) -> bool {
        policy.contains(&self.policy)
    }
}

/// # Errors
///
/// What is wrong, in words for the user.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut parser = Parser::from_args(args);
    let mut args = Args::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("clients") => args.clients = at_least(100, &mut parser)?,
            Arg::Long("processes") => args.processes = Some(at_least(1, &mut parser)?),
            Arg::Long("minutes") => args.minutes = at_least(11, &mut parser)?,
            Arg::Long("seed") => args.seed = parser.value()?.parse()?,
            Arg::Long("scenario") => args.scenario = Some(scenario_name(&mut parser)?),
            Arg::Long("policy") => args.policy = policy_name(&mut parser)?,
            Arg::Long("settings") => args.is_about_settings = true,
            Arg::Long("plots") => args.plots = Some(parser.value()?.into()),
            arg => return Err(arg.unexpected()),
        }
    }
    Ok(Command::Run(args))
}

fn at_least(least: u32, parser: &mut Parser) -> Result<u32, lexopt::Error> {
    let number: u32 = parser.value()?.parse()?;
    if number < least {
        return Err(format!("{number} is too few: {least} at least").into());
    }
    Ok(number)
}

fn scenario_name(parser: &mut Parser) -> Result<String, lexopt::Error> {
    let name = parser.value()?.string()?;
    if name == batch::NAME || scenario::ALL.iter().any(|scenario| scenario.name == name) {
        return Ok(name);
    }
    Err(format!("there is no scenario {name:?}; see --help").into())
}

fn policy_name(parser: &mut Parser) -> Result<String, lexopt::Error> {
    let name = parser.value()?.string()?;
    let policies = policies::all().into_iter().map(|policy| policy.name);
    let mut names: Vec<_> = policies.collect();
    let rivals = rivals::all().into_iter().map(|rival| rival.name);
    names.extend(
        rivals
            .filter(|rival| !names.contains(rival))
            .collect::<Vec<_>>(),
    );
    if names.iter().any(|known| known.contains(&name)) {
        return Ok(name);
    }
    Err(format!(
        "there is no policy like {name:?}; there are {}",
        names.join("; ")
    )
    .into())
}
