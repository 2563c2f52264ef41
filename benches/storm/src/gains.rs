//! One figure for the front page: the gain of retries, and the damage that a budget and a check for
//! idempotence prevent.

use plotters::{prelude::*, style::text_anchor::HPos};

use super::{
    measure::Measures,
    plot::{self, Area, FAINT, GOOD, INK, described, write},
    policies::OURS,
    scenario::{BACKEND, FAULTS, OVERLOAD, Scenario},
};

/// A scenario's rows: policies and their measures.
pub type Rows = Vec<(String, Measures)>;

const POLICIES: [&str; 6] = [
    "no retry",
    OURS,
    "full jitter, no budget",
    "3 attempts at once",
    "AWS since Nov. 2026",
    "reqwest-retry",
];

struct Column {
    scenario: &'static str,
    title: [&'static str; 2],
    value: fn(&Measures) -> f64,
    decimals: usize,
    unit: &'static str,
}

const COLUMNS: [Column; 3] = [
    Column {
        scenario: BACKEND.name,
        title: ["One of ten back ends is down:", "requests that fail"],
        value: failed,
        decimals: 1,
        unit: " %",
    },
    Column {
        scenario: OVERLOAD.name,
        title: ["A minute of overload:", "requests that fail in 30 minutes"],
        value: failed,
        decimals: 1,
        unit: " %",
    },
    Column {
        scenario: FAULTS.name,
        title: ["1 % of attempts fail:", "POSTs executed twice, of 90,000"],
        value: |measures| measures.posts_twice as f64,
        decimals: 0,
        unit: "",
    },
];

const SIZE: (u32, u32) = (960, 300);
const TITLE: &str = "What retries gain, and what they can cost";
const TOP: i32 = 96;
const ROW: i32 = 32;
const LEFT: i32 = 190;
const WIDTH: i32 = 255;
/// Beyond the longest bar, for its value.
const VALUE: i32 = 80;

fn failed(measures: &Measures) -> f64 {
    (1.0 - measures.success()) * 100.0
}

/// Draws the figure as SVG. `None` if one of its runs is missing.
pub fn plot(shown: &[(&Scenario, Rows)]) -> Option<plot::Result<String>> {
    let values: Option<Vec<Vec<f64>>> =
        COLUMNS.iter().map(|column| values(column, shown)).collect();
    values.map(|values| draw(&values))
}

fn values(column: &Column, shown: &[(&Scenario, Rows)]) -> Option<Vec<f64>> {
    let (_, rows) = shown.iter().find(|(it, _)| it.name == column.scenario)?;
    let value = |policy: &&str| {
        let row = rows.iter().find(|(name, _)| name == policy)?;
        Some((column.value)(&row.1))
    };
    POLICIES.iter().map(value).collect()
}

fn draw(values: &[Vec<f64>]) -> plot::Result<String> {
    let mut svg = String::new();
    let mut text = String::from("Bars, by policy.");
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        write(&root, TITLE, (16, 14), 20, INK, HPos::Left)?;
        for (row, policy) in (0..).zip(POLICIES) {
            let at = (LEFT - 16, TOP + row * ROW + 3);
            write(&root, policy, at, 14, color(policy), HPos::Right)?;
        }
        for (index, (column, values)) in (0..).zip(COLUMNS.iter().zip(values)) {
            text += &bars(&root, column, LEFT + index * WIDTH, values)?;
        }
        root.present()?;
    }
    Ok(described(&svg, TITLE, &text))
}

/// Draws one column, and returns its description.
fn bars(root: &Area, column: &Column, left: i32, values: &[f64]) -> plot::Result<String> {
    for (line, y) in column.title.iter().zip([48, 66]) {
        write(root, line, (left, y), 14, INK, HPos::Left)?;
    }
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut text = format!("\n{}", column.title.join(" "));
    for (row, (policy, value)) in (0..).zip(POLICIES.iter().zip(values)) {
        let length = (value / most * f64::from(WIDTH - VALUE)).round() as i32;
        let top = TOP + row * ROW;
        let corners = [(left, top), (left + length.max(1), top + 20)];
        root.draw(&Rectangle::new(corners, color(policy).filled()))?;
        let label = format!("{value:.*}{}", column.decimals, column.unit);
        write(
            root,
            &label,
            (left + length + 6, top + 3),
            14,
            INK,
            HPos::Left,
        )?;
        text += &format!("{} {policy} {label}", if row == 0 { ":" } else { "," });
    }
    Ok(text + ".")
}

fn color(policy: &str) -> RGBColor {
    if policy == OURS { GOOD } else { FAINT }
}
