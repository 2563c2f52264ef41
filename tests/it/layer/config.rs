//! Invalid settings panic where they are set, with a message that names them.

use std::{panic::catch_unwind, time::Duration};

use http::StatusCode;
use revio_status::{Backoff, Budget, StandardPolicy};

/// Returns the message of this call's panic.
fn panic_message<T>(build: impl FnOnce() -> T + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(|| drop(build())).expect_err("a panic");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .expect("a message")
}

/// Promise (bounds): A setting that makes no sense panics where it is set.
#[test]
fn budget_with_invalid_ratio_panics() {
    for (ratio, name) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (-0.1, "-0.1"),
    ] {
        assert_eq!(
            panic_message(|| Budget::new(100, ratio)),
            format!("a budget cannot earn {name} retries per request")
        );
    }
    assert_eq!(
        panic_message(|| Budget::new(100, 1e-7)),
        "a budget cannot earn 0.0000001 retries per request: the least is a millionth"
    );
}

#[test]
fn backoff_with_base_above_max_panics() {
    let (base, max) = (Duration::from_secs(21), Duration::from_secs(20));
    assert_eq!(
        panic_message(|| Backoff::exponential(base, max)),
        "the backoff's base 21s is longer than its maximum 20s"
    );
    let _ = Backoff::exponential(max, max);
}

/// Promise (bounds): A setting that makes no sense panics where it is set.
#[test]
fn zero_attempts_panics() {
    assert_eq!(
        panic_message(|| StandardPolicy::default().max_attempts(0)),
        "max_attempts is 0: the first attempt counts"
    );
    let _ = StandardPolicy::default().max_attempts(1);
}

#[test]
fn retry_on_success_status_panics() {
    for status in [100, 200, 399] {
        let status = StatusCode::from_u16(status).expect("valid");
        let message = panic_message(|| StandardPolicy::default().retry_on(status));
        assert_eq!(
            message,
            format!("retry_on({}): not a failure status", status.as_u16())
        );
    }
    let _ = StandardPolicy::default().retry_on(StatusCode::BAD_REQUEST);
}

#[test]
fn budget_accepts_extreme_values() {
    assert_eq!(Budget::new(0, 0.0).available(), 0);
    assert_eq!(Budget::new(u32::MAX, f64::MAX).available(), u32::MAX);
    assert_eq!(
        format!("{:?}", Budget::new(7, 0.5)),
        "Budget { available: 7, reserve: 7 }"
    );
}
