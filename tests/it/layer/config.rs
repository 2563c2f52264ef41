//! A configuration that makes no sense is refused where it is built, by name.

use std::{panic::catch_unwind, time::Duration};

use http::StatusCode;
use revio_status::{Backoff, Budget, StandardPolicy};

/// The message with which this is refused.
fn refusal<T>(build: impl FnOnce() -> T + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(|| drop(build())).expect_err("it was accepted");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .expect("a message")
}

/// Promise (bounds): A setting that makes no sense panics where it is set.
#[test]
fn a_budget_that_earns_no_number_is_refused() {
    for (ratio, name) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (-0.1, "-0.1"),
    ] {
        assert_eq!(
            refusal(|| Budget::new(100, ratio)),
            format!("a budget cannot earn {name} retries per request")
        );
    }
    assert_eq!(
        refusal(|| Budget::new(100, 1e-7)),
        "a budget cannot earn 0.0000001 retries per request: the least is a millionth"
    );
}

#[test]
fn a_backoff_with_its_base_above_its_maximum_is_refused() {
    let (base, max) = (Duration::from_secs(21), Duration::from_secs(20));
    assert_eq!(
        refusal(|| Backoff::exponential(base, max)),
        "the backoff's base 21s is longer than its maximum 20s"
    );
    let _ = Backoff::exponential(max, max);
}

/// Promise (bounds): A setting that makes no sense panics where it is set.
#[test]
fn zero_attempts_are_refused() {
    assert_eq!(
        refusal(|| StandardPolicy::default().max_attempts(0)),
        "max_attempts is 0: the first attempt counts"
    );
    let _ = StandardPolicy::default().max_attempts(1);
}

#[test]
fn a_status_that_is_no_failure_is_not_retried_on() {
    for status in [100, 200, 399] {
        let status = StatusCode::from_u16(status).expect("valid");
        let message = refusal(|| StandardPolicy::default().retry_on(status));
        assert_eq!(
            message,
            format!("retry_on({}): not a failure status", status.as_u16())
        );
    }
    let _ = StandardPolicy::default().retry_on(StatusCode::BAD_REQUEST);
}

#[test]
fn budgets_at_the_edges_hold() {
    assert_eq!(Budget::new(0, 0.0).available(), 0);
    assert_eq!(Budget::new(u32::MAX, f64::MAX).available(), u32::MAX);
    assert_eq!(
        format!("{:?}", Budget::new(7, 0.5)),
        "Budget { available: 7, reserve: 7 }"
    );
}
