//! HTTP-dates written without the crate that reads them: RFC 9110 §5.6.7 in its three forms.

use libfuzzer_sys::arbitrary::{self, Arbitrary};

pub const DAY: u64 = 86_400;
/// The mean Gregorian year, in seconds.
pub const YEAR: u64 = 31_556_952;
/// 10000-01-01: no form has five digits for a year.
pub const END: u64 = 253_402_300_800;

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

/// An instant in seconds since 1970. `is_leap` writes the last second of a day as the leap second
/// that may follow it.
pub fn write(unix: u64, form: Form, is_leap: bool) -> String {
    let (days, rest) = (unix / DAY, unix % DAY);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let short = &weekday[..3];
    let (year, month, day) = civil(days);
    let month = MONTHS[month];
    let second = if is_leap { 60 } else { rest % 60 };
    let time = format!("{:02}:{:02}:{second:02}", rest / 3600, rest / 60 % 60);
    match form {
        Form::Imf => format!("{short}, {day:02} {month} {year:04} {time} GMT"),
        Form::Rfc850 => format!("{weekday}, {day:02}-{month}-{:02} {time} GMT", year % 100),
        Form::Asctime => format!("{short} {month} {day:2} {time} {year:04}"),
    }
}

/// Year, month from 0 and day from 1: counted, so that nothing clever can be wrong.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
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
