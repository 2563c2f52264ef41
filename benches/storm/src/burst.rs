//! The plot of the batch: the calls at the gateway in each second, with and without a cool-down.

use plotters::{prelude::*, style::text_anchor::HPos};

use super::{
    batch,
    measure::{Measures, Second},
    plot::{self, Area, FAINT, GOOD, INK, SENT, described, write},
    policies::OURS,
    rivals::{BATCH, NO_COOLDOWN},
};

/// The rows that are shown.
const SHOWN: [&str; 3] = [NO_COOLDOWN, OURS, BATCH];

const WIDTH: u32 = 960;
const HEAD: u32 = 74;
const PANEL: u32 = 136;
const FOOT: u32 = 26;
/// Seconds.
const END: f64 = 600.0;

const TITLE: &str = "5,000 calls from 64 workers, where an account has 500 a minute";
const ACROSS: &str = "seconds since the job began";

/// Draws those rows of a batch that are worth it, as SVG.
pub fn plot(rows: &[(String, Measures)]) -> plot::Result<String> {
    let mut rows = rows.to_vec();
    rows.retain(|(name, _)| SHOWN.contains(&name.as_str()));
    let count = rows.len() as u32;
    let mut svg = String::new();
    {
        let size = (WIDTH, HEAD + count * PANEL + FOOT);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        head(&root)?;
        let seconds = rows.iter().flat_map(|(_, measures)| &measures.seconds);
        let top = f64::from(seconds.map(|second| second.sent).max().unwrap_or(1)) * 1.05;
        let (_, body) = root.split_vertically(HEAD);
        let (body, foot) = body.split_vertically(count * PANEL);
        let panels = body.split_evenly((rows.len(), 1));
        for (panel, (name, measures)) in panels.iter().zip(&rows) {
            draw(panel, top, name, measures)?;
        }
        write(
            &foot,
            ACROSS,
            (WIDTH as i32 / 2, 4),
            13,
            FAINT,
            HPos::Center,
        )?;
        root.present()?;
    }
    let mut text = format!(
        "One panel for each policy. Across: {ACROSS}, 0 to {END:.0}. Each shows, second by second, \
         the calls that reached the gateway and those that ended well. Without a cool-down all \
         are sent at once, and the gateway refuses what is above the limit. With one they come in \
         short bursts, one each minute.",
    );
    for (name, measures) in &rows {
        text += &format!("\n{name}: {}.", summary(measures));
    }
    // It also stands in a page, and must not be wider.
    let svg = svg.replacen(
        "<svg ",
        "<svg role=\"img\" style=\"max-width: 100%; height: auto\" ",
        1,
    );
    Ok(described(&svg, TITLE, &text))
}

fn head(root: &Area) -> plot::Result {
    write(root, TITLE, (16, 12), 20, INK, HPos::Left)?;
    for (x, color, text) in [
        (16, SENT, "calls that reached the gateway, 1/s"),
        (286, GOOD, "calls that ended well, 1/s"),
    ] {
        let corners = [(x, 46), (x + 14, 58)];
        root.draw(&Rectangle::new(corners, color.filled()))?;
        write(root, text, (x + 20, 45), 14, INK, HPos::Left)?;
    }
    Ok(())
}

fn draw(area: &Area, top: f64, name: &str, measures: &Measures) -> plot::Result {
    let color = if name == OURS { GOOD } else { INK };
    write(area, name, (52, 4), 15, color, HPos::Left)?;
    let right = (WIDTH as i32 - 14, 6);
    write(area, &summary(measures), right, 13, FAINT, HPos::Right)?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(24)
        .margin_right(14)
        .x_label_area_size(20)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..END, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(11)
        .y_labels(4)
        .x_label_formatter(&|second| format!("{second:.0}"))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .axis_style(FAINT)
        .label_style(("sans-serif", 12).into_font().color(&FAINT))
        .draw()?;
    chart.draw_series(bars(measures, |second| second.sent, SENT))?;
    chart.draw_series(bars(measures, |second| second.good, GOOD))?;
    Ok(())
}

/// A bar for each second in which there was something.
fn bars(
    measures: &Measures,
    count: fn(&Second) -> u32,
    color: RGBColor,
) -> impl Iterator<Item = Rectangle<(f64, f64)>> {
    let counts = measures.seconds.iter().map(count).enumerate();
    let some = counts.filter(|(second, count)| *count > 0 && (*second as f64) < END);
    some.map(move |(second, count)| {
        let (from, to) = (second as f64, second as f64 + 1.0);
        Rectangle::new([(from, 0.0), (to, f64::from(count))], color.filled())
    })
}

/// The plot's description.
fn summary(measures: &Measures) -> String {
    format!(
        "{} ended well · {} refused by the gateway · done after {:.0} s",
        measures.good,
        measures.refused,
        batch::duration(measures),
    )
}
