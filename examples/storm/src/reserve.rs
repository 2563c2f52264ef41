//! What becomes of a budget's reserve when many processes have one each.

use indicatif::ProgressBar;
use plotters::{prelude::*, style::text_anchor::HPos};
use revio_status::{Budget, StandardPolicy};

use super::{
    fleet,
    plot::{self, FAINT, GOOD, INK, SENT, write},
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

const SIZE: (u32, u32) = (960, 340);
/// Minutes that are shown.
const TOP: f64 = 10.0;

/// Draws how long the server needs to recover from an overload, as SVG.
pub fn plot(world: &World, bar: &ProgressBar) -> plot::Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let title =
            "A reserve in each process: minutes until all is well after a minute of overload";
        write(&root, title, (16, 14), 20, INK, HPos::Left)?;
        let each =
            "processes that share an account of 250 requests a minute; each has its own budget";
        write(
            &root,
            each,
            (SIZE.0 as i32 / 2, 316),
            13,
            FAINT,
            HPos::Center,
        )?;
        let mut chart = ChartBuilder::on(&root)
            .margin_top(52)
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
        for (reserve, color) in RESERVES {
            let points = recoveries(world, reserve, bar);
            let end = *points.last().expect("there are fleets");
            let dots = points
                .iter()
                .map(|point| Circle::new(*point, 3, color.filled()));
            chart.draw_series(dots)?;
            chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
            let (x, y) = chart.backend_coord(&end);
            write(
                &root,
                &format!("reserve {reserve}"),
                (x + 10, y - 8),
                14,
                color,
                HPos::Left,
            )?;
        }
        root.present()?;
    }
    Ok(svg)
}

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
