//! The table for the terminal.

use std::fmt::Write;

use super::{
    batch::{self, Batch},
    measure::Measures,
    scenario::{Scenario, World},
};

pub const HEADING: &str = "\
POLICY                   sent ÷   peak ÷    ended goodput recovery   work   calls  POSTs POSTs     wait
                          asked capacity     well     1/s        s wasted refused   lost twice  p50     p99
";

/// Returns the line that describes the fleet.
pub fn world(world: &World) -> String {
    format!(
        "{} clients in {} processes on {} accounts ask once a minute each, for {} minutes:\n\
         60 % GET, 10 % PUT, 30 % POST. The server can do {:.0} requests a second, and {:.0} % of that\n\
         are asked for on a good day.\n\n",
        world.clients,
        world.processes,
        world.accounts(),
        world.minutes,
        world.capacity(),
        world.asks_per_second() / world.capacity() * 100.0,
    )
}

/// One scenario: its title, and a row for each policy.
pub fn scenario(world: &World, scenario: &Scenario, rows: &[(String, Measures)]) -> String {
    let mut text = format!("{}\n", scenario.title);
    for (name, measures) in rows {
        let recovery = match measures.recovery(scenario, world) {
            _ if !scenario.ends(world) => "".into(),
            Some(seconds) => seconds.to_string(),
            None => "never".into(),
        };
        let _ = writeln!(
            text,
            "  {name:<22}{:>6.2} {:>9.2} {:>7.2} % {:>6.1} {recovery:>8} {:>5.1}% {:>7} {:>6} {:>5} {:>5.2} {:>6.2} s",
            measures.amplification(),
            measures.peak() / world.capacity(),
            measures.success() * 100.0,
            measures.goodput(scenario),
            measures.wasted() * 100.0,
            measures.refused,
            measures.posts_lost,
            measures.posts_twice,
            measures.wait(0.5),
            measures.wait(0.99),
        );
    }
    text
}

pub const BATCH_HEADING: &str = "
POLICY                     ended     not   POSTs   calls refused   done     wait
                            well             lost refused  unsent  after  p50     p99
";

/// Returns a batch's table: its title, and a row for each client.
pub fn batch(batch: &Batch, rows: &[(String, Measures)]) -> String {
    let mut text = format!("{}\n", batch.title());
    for (name, measures) in rows {
        let _ = writeln!(
            text,
            "  {name:<25}{:>5} {:>7} {:>7} {:>7} {:>7} {:>4.0} s {:>4.2} {:>6.2} s",
            measures.good,
            measures.bad,
            measures.posts_lost,
            measures.refused,
            measures.unsent,
            batch::duration(measures),
            measures.wait(0.5),
            measures.wait(0.99),
        );
    }
    text
}
