//! The command line.

use std::{ffi::OsString, fmt, time::Duration};

use lexopt::{Arg, Parser, ValueExt};
use serde::{Deserialize, Serialize};

pub const HELP: &str = "\
Runs processes that share an account's limit of calls over Redis, against a stand-in for the API.

Usage: fleet [OPTIONS]

Options:
      --processes <N>   The number of processes; the last sends ten times as much [default: 3]
      --seconds <N>     How long they send [default: 20]
      --minutes <N>     The same in minutes
      --limit <N>       The account's limit of calls in each window [default: 500]
      --window <N>      The seconds of a window [default: 60]
      --share <HOW>     redis: one limit for all; fixed: the same part for each; nothing [default: redis]
      --compare         All three, one after the other
  -h, --help            Print this

Environment:
  REVIO_REDIS_URL       The Redis to use; without it the program starts a redis-server of its own
";

/// How the processes share the limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Share {
    Nothing,
    Fixed,
    Redis,
}

impl Share {
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Fixed, Self::Redis];
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nothing => "nothing",
            Self::Fixed => "fixed",
            Self::Redis => "redis",
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    pub processes: u32,
    pub length: Duration,
    pub limit: u32,
    pub window: Duration,
    pub shares: Vec<Share>,
}

/// Returns the settings; `None` if help is wanted.
///
/// # Errors
///
/// What is wrong, in words for the user.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, lexopt::Error> {
    let mut parser = Parser::from_args(args);
    let mut args = Args {
        processes: 3,
        length: Duration::from_secs(20),
        limit: 500,
        window: Duration::from_secs(60),
        shares: vec![Share::Redis],
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("processes") => args.processes = within(1, 100, &mut parser)?,
            Arg::Long("seconds") => args.length = seconds(within(1, 86_400, &mut parser)?),
            Arg::Long("minutes") => args.length = seconds(within(1, 1440, &mut parser)? * 60),
            Arg::Long("limit") => args.limit = within(2, 100_000, &mut parser)?,
            Arg::Long("window") => args.window = seconds(within(1, 600, &mut parser)?),
            Arg::Long("share") => {
                let name = parser.value()?.string()?;
                let share = Share::ALL
                    .into_iter()
                    .find(|share| share.to_string() == name);
                args.shares = vec![share.ok_or("say redis, fixed or nothing")?];
            }
            Arg::Long("compare") => args.shares = Share::ALL.to_vec(),
            arg => return Err(arg.unexpected()),
        }
    }
    Ok(Some(args))
}

fn within(least: u32, most: u32, parser: &mut Parser) -> Result<u32, lexopt::Error> {
    let number: u32 = parser.value()?.parse()?;
    if !(least..=most).contains(&number) {
        return Err(format!("{number}: say a number from {least} to {most}").into());
    }
    Ok(number)
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}
