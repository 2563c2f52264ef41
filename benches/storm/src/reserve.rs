//! The effect of a budget's reserve when each of many processes has one.

use indicatif::ProgressBar;
use plotters::{prelude::*, style::text_anchor::HPos};
use revio_status::{Budget, StandardPolicy};

use super::{
    fleet,
    plot::{self, Area, FAINT, GOOD, INK, SENT, described, write},
    policies::Policy,
    scenario::{OVERLOAD, World},
};

const RESERVES: [(u32, RGBColor); 4] = [
    (10, GOOD),
    (20, RGBColor(0x00, 0x9e, 0x73)),
    (50, RGBColor(0xb8, 0x86, 0x00)),
    (100, SENT),
];
const PROCESSES_PER_ACCOUNT: [u32; 6] = [1, 2, 5, 10, 15, 25];

pub const RUNS: usize = RESERVES.len() * PROCESSES_PER_ACCOUNT.len();

const SIZE: (u32, u32) = (960, 390);
/// Minutes that are shown.
const TOP: f64 = 10.0;

const TITLE: &str = "Minutes until all is well again after a minute of overload";
const EXPLANATION: [&str; 3] = [
    "Each process has a budget of its own. The reserve is the number of retries that a full budget holds:",
    "so many may be sent before requests that are answered have to earn more, one retry for ten of them.",
    "What counts is the sum: 25 processes with 100 retries each have 2,500 for a single account.",
];
const ACROSS: &str = "processes that share an account of 250 requests a minute (a point at the top: 10 minutes or more)";

/// Draws how long the server needs to recover from an overload, as SVG.
pub fn plot(world: &World, bar: &ProgressBar) -> plot::Result<String> {
    let lines = RESERVES.map(|(reserve, color)| (reserve, color, recoveries(world, reserve, bar)));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        write(&root, TITLE, (16, 14), 20, INK, HPos::Left)?;
        for (text, y) in EXPLANATION.iter().zip([42, 60, 78]) {
            write(&root, text, (16, y), 14, INK, HPos::Left)?;
        }
        let middle = (SIZE.0 as i32 / 2, SIZE.1 as i32 - 24);
        write(&root, ACROSS, middle, 13, FAINT, HPos::Center)?;
        draw(&root, &lines)?;
        root.present()?;
    }
    let mut text = format!("{}\nAcross: {ACROSS}.", EXPLANATION.join(" "));
    for (reserve, _, points) in &lines {
        text += &format!("\nReserve {reserve}: ");
        let words = points.iter().map(|(x, y)| format!("{y:.1} with {x:.0}"));
        text += &words.collect::<Vec<_>>().join(", ");
        text += ".";
    }
    text += "\nThe higher a line rises, the longer so many processes keep the server down.";
    Ok(described(&svg, TITLE, &text))
}

/// A line for each reserve.
type Line = (u32, RGBColor, Vec<(f64, f64)>);

fn draw(root: &Area, lines: &[Line]) -> plot::Result {
    let mut chart = ChartBuilder::on(root)
        .margin_top(106)
        .margin_right(110)
        .margin_bottom(30)
        .x_label_area_size(24)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..26.0, 0.0..TOP)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(14)
        .y_labels(6)
        .x_label_formatter(&|count| format!("{count:.0}"))
        .y_label_formatter(&|minutes| format!("{minutes:.0}"))
        .axis_style(FAINT)
        .label_style(("sans-serif", 12).into_font().color(&FAINT))
        .draw()?;
    for (reserve, color, points) in lines {
        let dots = points
            .iter()
            .map(|point| Circle::new(*point, 3, color.filled()));
        chart.draw_series(dots)?;
        let line = points.iter().copied();
        chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
        let end = points.last().expect("there are fleets");
        let (x, y) = chart.backend_coord(end);
        let text = format!("reserve {reserve}");
        write(root, &text, (x + 10, y - 8), 14, *color, HPos::Left)?;
    }
    Ok(())
}

/// Minutes, by processes for each account.
fn recoveries(world: &World, reserve: u32, bar: &ProgressBar) -> Vec<(f64, f64)> {
    let recovery = |per_account: u32| {
        let processes = world.accounts() * per_account;
        bar.set_message(format!("{processes} processes, reserve {reserve}"));
        let world = World {
            processes,
            ..*world
        };
        let budget = move || Some(Budget::new(reserve, 0.1));
        let policy = Policy::ours("", StandardPolicy::default(), budget);
        let measures = fleet::run(&world, &OVERLOAD, &policy);
        bar.inc(1);
        let seconds = measures.recovery(&OVERLOAD, &world);
        let minutes = seconds.map_or(TOP, |seconds| seconds as f64 / 60.0);
        (f64::from(per_account), minutes.min(TOP))
    };
    PROCESSES_PER_ACCOUNT.into_iter().map(recovery).collect()
}
