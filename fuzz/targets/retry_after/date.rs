//! HTTP-dates, written and read without the library that the crate uses: the three forms of
//! RFC 9110 §5.6.7.

use libfuzzer_sys::arbitrary::{self, Arbitrary};

pub const DAY: u64 = 86_400;
/// The mean Gregorian year, in seconds.
pub const YEAR: u64 = 31_556_952;
/// 10000-01-01: each form has at most four digits for the year.
pub const END: u64 = 253_402_300_800;
/// The days of 400 years.
const CYCLE: u64 = 146_097;

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    Imf,
    /// `Sunday, 06-Nov-94 08:49:37 GMT`
    Rfc850,
    /// `Sun Nov  6 08:49:37 1994`
    Asctime,
}

const WEEKDAYS: [&str; 7] = [
    "Thursday", // 1970-01-01
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Writes an instant in seconds since 1970. `is_leap` writes a day's last second as the leap second
/// that may follow it.
pub fn write(unix: u64, form: Form, is_leap: bool) -> String {
    let (days, seconds) = (unix / DAY, unix % DAY);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let short = &weekday[..3];
    let (year, month, day) = civil(days);
    let month = MONTHS[month];
    let second = if is_leap { 60 } else { seconds % 60 };
    let time = format!("{:02}:{:02}:{second:02}", seconds / 3600, seconds / 60 % 60);
    match form {
        Form::Imf => format!("{short}, {day:02} {month} {year:04} {time} GMT"),
        Form::Rfc850 => format!("{weekday}, {day:02}-{month}-{:02} {time} GMT", year % 100),
        Form::Asctime => format!("{short} {month} {day:2} {time} {year:04}"),
    }
}

/// Reads a date, if `write` gives the same text; a negative instant is before 1970. A two-digit year
/// is that of the century nearest to `now`.
pub fn read(text: &[u8], now: u64) -> Option<(i64, Form, bool)> {
    let text = std::str::from_utf8(text).ok()?;
    let form = match (text.contains('-'), text.contains(',')) {
        (true, _) => Form::Rfc850,
        (_, true) => Form::Imf,
        _ => Form::Asctime,
    };
    let month = MONTHS.iter().position(|month| text.contains(month))?;
    let numbers: Vec<_> = text.split(|c: char| !c.is_ascii_digit()).collect();
    let numbers: Vec<_> = numbers.into_iter().filter(|n| !n.is_empty()).collect();
    let [day, rest @ ..] = <[&str; 5]>::try_from(numbers).ok()?;
    let (year, time) = match (form, rest) {
        (Form::Asctime, [hour, minute, second, year]) => (year, [hour, minute, second]),
        (_, [year, time @ ..]) => (year, time),
    };
    // The day of an asctime may be padded with a zero, too.
    let text = match (form, day.strip_prefix('0')) {
        (Form::Asctime, Some(digit)) => {
            text.replacen(&format!(" {day} "), &format!("  {digit} "), 1)
        }
        _ => text.to_owned(),
    };
    let day: u64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let [hour, minute, second] = time.map(|text| text.parse().ok().filter(|n| *n <= 60_u64));
    let time = (hour?, minute?, second?);
    let is_leap = time == (23, 59, 60);
    let time = time.0 * 3600 + time.1 * 60 + time.2 - u64::from(is_leap);
    let number: u64 = year.parse().ok().filter(|year| *year <= 9999)?;
    let at = |year| days(year, month, day) * DAY + time;

    if form == Form::Rfc850 {
        let years = (1900..=9900).step_by(100).map(|century| century + number);
        let instants = years.filter(|year| *year >= 1970).map(at);
        let same = instants.filter(|unix| write(*unix, form, is_leap) == text);
        let nearest = same.min_by_key(|unix| unix.abs_diff(now))?;
        return Some((nearest as i64, form, is_leap));
    }
    if year.len() != 4 {
        return None;
    }
    // 400 years later every day has the same name.
    let cycles = 1970_u64.saturating_sub(number).div_ceil(400);
    let later = number + cycles * 400;
    let text = text.replacen(year, &later.to_string(), 1);
    let unix = at(later);
    let shift = (cycles * CYCLE * DAY) as i64;
    (write(unix, form, is_leap) == text).then_some((unix as i64 - shift, form, is_leap))
}

/// Returns the days from 1970 to this day.
fn days(year: u64, month: usize, day: u64) -> u64 {
    let cycles = (year - 1970) / 400;
    let years = 1970 + cycles * 400..year;
    let before = years.map(year_length).sum::<u64>();
    let months = (0..month).map(|month| month_length(year, month));
    cycles * CYCLE + before + months.sum::<u64>() + day - 1
}

/// Returns the year, the month from 0 and the day from 1. Counts, to keep the oracle simple.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let mut year = 1970 + days / CYCLE * 400;
    days %= CYCLE;
    while days >= year_length(year) {
        days -= year_length(year);
        year += 1;
    }
    let mut month = 0;
    while days >= month_length(year, month) {
        days -= month_length(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

fn year_length(year: u64) -> u64 {
    365 + u64::from(is_leap_year(year))
}

fn month_length(year: u64, month: usize) -> u64 {
    match month {
        1 => 28 + u64::from(is_leap_year(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

fn is_leap_year(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}
