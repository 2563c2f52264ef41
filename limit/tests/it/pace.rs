//! L1, L2: the pace of one process, and the order of its requests.

use std::{future::Future, task::Waker, time::Duration};

use revio_status_limit::{LimitLayer, Quota};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, Service};

use crate::support::*;

/// 49 calls of 50 are used: one each 100 ms, and no burst.
fn quota() -> Quota {
    Quota::new(50, 4_900 * MS)
}

async fn finish(calls: Vec<tokio::task::JoinHandle<Result<(), revio_status::BoxError>>>) {
    for call in calls {
        call.await.expect("no panic").expect("200");
    }
}

/// Promise (load): Calls are spaced by the period divided by 98 % of the calls.
#[tokio::test(start_paused = true)]
async fn calls_are_spaced_evenly() {
    let (layer, api, start) = (LimitLayer::new(quota()), Api::default(), Instant::now());
    finish(spawn(&layer, &api, 6)).await;
    let expected: Vec<_> = (0..6).map(|number| number * 100 * MS).collect();
    assert_eq!(api.times(start), expected);
}

/// Promise (load): Up to 1 % of the quota is made up at once, and no more.
#[tokio::test(start_paused = true)]
async fn unused_turns_are_made_up_to_one_percent() {
    let quota = Quota::new(200, 19_600 * MS); // one in 100 ms, two of them in advance
    let (layer, api) = (LimitLayer::new(quota), Api::default());
    sleep(60 * SECOND).await;
    let start = Instant::now();
    finish(spawn(&layer, &api, 6)).await;
    let expected = [0, 0, 0, 100, 200, 300].map(|ms| ms * MS);
    assert_eq!(api.times(start), expected);
}

#[tokio::test(start_paused = true)]
async fn quota_is_kept_in_every_window() {
    let layer = LimitLayer::new(Quota::per_minute(500)).max_wait(3_600 * SECOND);
    let (api, start) = (Api::default(), Instant::now());
    finish(spawn(&layer, &api, 1_500)).await;
    let times = api.times(start);
    for (first, time) in times.iter().enumerate() {
        let window = times[first..]
            .iter()
            .filter(|at| **at < *time + 60 * SECOND);
        assert!(window.count() <= 500, "from {time:?}");
    }
    // 490 calls a minute, after the five that are made up.
    assert!(times[1_499] <= 183 * SECOND, "{:?}", times[1_499]);
}

/// Promise (load): Within a process, requests are sent in the order in which they came.
#[tokio::test(start_paused = true)]
async fn first_come_is_first_served() {
    let (layer, api) = (LimitLayer::new(quota()), Api::default());
    finish(spawn(&layer, &api, 20)).await;
    let expected: Vec<_> = (0..20).map(|number| format!("/{number}")).collect();
    assert_eq!(api.paths(), expected);
}

/// Promise (load): A request that is dropped gives its turn to the next one.
#[tokio::test(start_paused = true)]
async fn dropped_request_gives_its_turn_away() {
    let (layer, api, start) = (LimitLayer::new(quota()), Api::default(), Instant::now());
    let calls = spawn(&layer, &api, 6);
    sleep(50 * MS).await;
    calls[1].abort();
    calls[3].abort();
    for (number, call) in calls.into_iter().enumerate() {
        if number != 1 && number != 3 {
            call.await.expect("no panic").expect("200");
        }
    }
    assert_eq!(api.paths(), ["/0", "/2", "/4", "/5"]);
    assert_eq!(api.times(start), [0, 100, 200, 300].map(|ms| ms * MS));
}

/// Promise (load): A request that is not polled blocks others no longer than one interval.
#[tokio::test(start_paused = true)]
async fn unpolled_request_delays_one_interval() {
    let (layer, api, start) = (LimitLayer::new(quota()), Api::default(), Instant::now());
    send(&layer, &api, get("/first")).await.expect("200");
    let mut stuck = Box::pin(layer.layer(api.clone()).call(get("/stuck")));
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(stuck.as_mut().poll(&mut cx).is_pending());
    let calls = spawn(&layer, &api, 4);
    finish(calls).await;
    let expected = [0, 200, 300, 400, 500].map(|ms| ms * MS);
    assert_eq!(api.times(start), expected);
    // Polled again, it comes before those that came later.
    let calls = spawn(&layer, &api, 2);
    tokio::task::yield_now().await;
    stuck.await.expect("200");
    finish(calls).await;
    let last = api.paths().split_off(5);
    assert_eq!(last, ["/stuck", "/0", "/1"]);
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_turns_and_not_settings() {
    let layer = LimitLayer::new(quota());
    let hasty = layer.clone().max_wait(Duration::ZERO);
    let api = Api::default();
    send(&hasty, &api, get("/")).await.expect("200");
    assert!(send(&hasty, &api, get("/")).await.is_err());
    send(&layer, &api, get("/")).await.expect("200");
    advance(SECOND).await;
    send(&hasty.clone(), &api, get("/")).await.expect("200");
}

#[test]
fn building_needs_no_runtime() {
    let layer = LimitLayer::new(Quota::per_minute(500));
    let _service = layer.layer(Api::default());
}

#[test]
fn senseless_quotas_panic_and_name_the_value() {
    let message = |make: fn() -> Quota| {
        let panic = std::panic::catch_unwind(make).expect_err("a panic");
        panic.downcast_ref::<String>().expect("a message").clone()
    };
    assert!(message(|| Quota::per_minute(1)).contains("1 calls"));
    assert!(message(|| Quota::per_minute(0)).contains("0 calls"));
    assert!(message(|| Quota::new(2, Duration::ZERO)).contains("0ns"));
    assert!(message(|| Quota::new(2, 86_401 * SECOND)).contains("86401s"));
    assert!(message(|| Quota::new(2_000, MS)).contains("2000 calls"));
    assert!(message(|| Quota::new(1_000_001, SECOND)).contains("1000001 calls"));
    assert!(message(|| Quota::new(2, MS / 1_000)).contains("2 calls"));
    let _ = Quota::new(2, 86_400 * SECOND);
    let _ = Quota::new(1_000_000, SECOND);
}

#[test]
#[should_panic(expected = "86401s")]
fn max_wait_above_a_day_panics() {
    let _ = LimitLayer::new(quota()).max_wait(86_401 * SECOND);
}

#[test]
fn debug_shows_settings_alone() {
    let debug = format!("{:?}", LimitLayer::new(quota()).layer(Api::default()));
    assert!(debug.contains("max_wait: 30s"), "{debug}");
}
