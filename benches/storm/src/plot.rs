//! The pictures: one panel for each policy, attempts sent over requests that ended well.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    events::{MINUTE, SECOND},
    measure::{Measures, Second},
    policies::OURS,
    scenario::{Scenario, World},
};

// Of Okabe and Ito's palette, whose colours the colour-blind can tell apart.
pub const SENT: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
pub const GOOD: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub const FAINT: RGBColor = RGBColor(0x66, 0x66, 0x66);
const CAUSE: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

const WIDTH: i32 = 960;
const HEAD: i32 = 84;
const PANEL: i32 = 150;
const FOOT: i32 = 26;
const COLUMNS: usize = 2;

/// Seconds that make one point.
const STEP: usize = 5;
/// The shown minutes: from before the cause to long after it.
const SHOWN: std::ops::Range<f64> = 4.0..16.0;

/// The shown range, in multiples of the server's capacity. Higher values leave the plot.
const MOST: f64 = 6.5;

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Draws a scenario under each policy, as SVG.
pub fn scenario(world: &World, scenario: &Scenario, rows: &[(String, Measures)]) -> Result<String> {
    let mut svg = String::new();
    let lines = rows.len().div_ceil(COLUMNS) as i32;
    let size = (WIDTH, HEAD + lines * PANEL + FOOT);
    {
        let backend = SVGBackend::with_string(&mut svg, (size.0 as u32, size.1 as u32));
        let root = backend.into_drawing_area();
        root.fill(&WHITE)?;
        head(&root, scenario)?;
        let (_, body) = root.split_vertically(HEAD);
        let (body, foot) = body.split_vertically(lines * PANEL);
        let top = rows.iter().map(|(_, measures)| measures.peak());
        let top = top.fold(world.capacity() * 1.3, f64::max) * 1.05;
        let top = top.min(world.capacity() * MOST);
        let panels = body.split_evenly((lines as usize, COLUMNS));
        for (panel, (name, measures)) in panels.iter().zip(rows) {
            draw_panel(panel, world, scenario, top, (name, measures))?;
        }
        let middle = (WIDTH / 2, 4);
        write(
            &foot,
            "minutes since the start",
            middle,
            13,
            FAINT,
            HPos::Center,
        )?;
        root.present()?;
    }
    let title = format!("{}: what is sent, and what ends well", scenario.title);
    Ok(described(&svg, &title, &description(world, scenario, rows)))
}

/// Adds a title and a description to an SVG, for screen readers.
pub fn described(svg: &str, title: &str, description: &str) -> String {
    let (tag, rest) = svg.split_once('>').unwrap_or((svg, ""));
    let [title, description] =
        [title, description].map(|text| text.replace('&', "&amp;").replace('<', "&lt;"));
    format!("{tag}>\n<title>{title}</title>\n<desc>{description}</desc>{rest}")
}

fn description(world: &World, scenario: &Scenario, rows: &[(String, Measures)]) -> String {
    let mut text = format!(
        "One panel for each policy, from minute {:.0} to {:.0}. Each shows three rates: attempts \
         sent, requests that ended well, and what the server can do. A grey band is the time of \
         the cause. After it, attempts should fall below what the server can do, and requests \
         should end well again.",
        SHOWN.start, SHOWN.end,
    );
    for (name, measures) in rows {
        text += &format!("\n{name}: {}.", summary(world, scenario, measures));
    }
    text
}

fn head(root: &Area, scenario: &Scenario) -> Result {
    write(root, scenario.title, (16, 14), 20, INK, HPos::Left)?;
    let swatch = |x: i32, color: RGBColor, opacity: f64| {
        let corners = [(x, 52), (x + 14, 64)];
        root.draw(&Rectangle::new(corners, color.mix(opacity).filled()))
    };
    let word = |x: i32, text| write(root, text, (x, 51), 14, INK, HPos::Left);
    swatch(16, SENT, 0.35)?;
    root.draw(&PathElement::new(
        [(16, 52), (30, 52)],
        SENT.stroke_width(2),
    ))?;
    word(36, "attempts sent, 1/s")?;
    swatch(190, GOOD, 1.0)?;
    word(210, "requests that ended well, 1/s")?;
    root.draw(&PathElement::new([(428, 58), (442, 58)], INK))?;
    word(448, "what the server can do")?;
    swatch(632, CAUSE, 1.0)?;
    word(652, "while the cause lasts")
}

fn draw_panel(
    area: &Area,
    world: &World,
    scenario: &Scenario,
    top: f64,
    (name, measures): (&str, &Measures),
) -> Result {
    let color = if name == OURS { GOOD } else { INK };
    write(area, name, (52, 6), 15, color, HPos::Left)?;
    let (width, _) = area.dim_in_pixel();
    let right = (width as i32 - 14, 8);
    write(
        area,
        &summary(world, scenario, measures),
        right,
        13,
        FAINT,
        HPos::Right,
    )?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(26)
        .margin_right(14)
        .x_label_area_size(20)
        .y_label_area_size(52)
        .build_cartesian_2d(SHOWN, 0.0..top)?;
    let window = minutes(scenario.window.start)..minutes(scenario.window.end).min(SHOWN.end);
    let corners = [(window.start, 0.0), (window.end, top)];
    chart.draw_series([Rectangle::new(corners, CAUSE.filled())])?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(12)
        .y_labels(4)
        .x_label_formatter(&|minute| format!("{minute:.0}"))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .axis_style(FAINT)
        .label_style(("sans-serif", 12).into_font().color(&FAINT))
        .draw()?;
    let sent = points(measures, top, |second| second.sent);
    let good = points(measures, top, |second| second.good);
    chart.draw_series(AreaSeries::new(sent.clone(), 0.0, SENT.mix(0.35)))?;
    chart.draw_series(AreaSeries::new(good, 0.0, GOOD))?;
    chart.draw_series(LineSeries::new(sent, SENT.stroke_width(1)))?;
    let capacity = [SHOWN.start, SHOWN.end].map(|minute| (minute, world.capacity()));
    chart.draw_series(LineSeries::new(capacity, INK))?;
    Ok(())
}

/// The plot's description.
fn summary(world: &World, scenario: &Scenario, measures: &Measures) -> String {
    let mut text = format!("sent {:.2} ×", measures.amplification());
    let success = measures.success() * 100.0;
    text += &format!(" · {success:.2} % ended well");
    if scenario.ends(world) {
        text += &match measures.recovery(scenario, world) {
            Some(seconds) => format!(" · well after {seconds} s"),
            None => " · never well again".into(),
        };
    }
    text
}

/// Rates over time, each of a few seconds.
fn points(measures: &Measures, top: f64, count: fn(&Second) -> u32) -> Vec<(f64, f64)> {
    let rates = measures.seconds.chunks_exact(STEP).enumerate();
    rates
        .map(|(index, seconds)| {
            let sum: u32 = seconds.iter().map(count).sum();
            let middle = (index * STEP) as f64 + STEP as f64 / 2.0;
            (middle / 60.0, (f64::from(sum) / STEP as f64).min(top))
        })
        .filter(|(minute, _)| SHOWN.contains(minute))
        .collect()
}

fn minutes(time: u64) -> f64 {
    (time / SECOND) as f64 / (MINUTE / SECOND) as f64
}

/// Text whose top is at this place.
pub fn write(
    area: &Area,
    text: &str,
    at: (i32, i32),
    size: i32,
    color: RGBColor,
    side: HPos,
) -> Result {
    let style = ("sans-serif", size).into_font().color(&color);
    let style = style.pos(Pos::new(side, VPos::Top));
    area.draw(&Text::new(text.to_owned(), at, style))?;
    Ok(())
}
