//! L1 to L4 over Redis: turns evenly spaced, shared fairly, and refused if they come too late.

use std::{
    future::Future,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use http::StatusCode;
use revio_status::{Cooldown, Deadline, StopReason};
use revio_status_limit::{LimitLayer, Quota};
use tokio::sync::mpsc;
use tower::{Layer, Service};

use super::{server::redis, support::*};
use crate::support::{Api, MS, SECOND, get};

const MINUTE: Duration = Duration::from_secs(60);

/// One turn in so much time, and no burst.
fn one_in(time: Duration) -> Quota {
    Quota::new(2, time)
}

fn hasty(time: Duration) -> http::Request<()> {
    let mut request = get("/hasty");
    let deadline = Deadline(Instant::now() + time);
    request.extensions_mut().insert(deadline);
    request
}

/// Promise (load): Processes that share an account keep to its quota together, in fair shares.
#[tokio::test]
async fn light_process_passes_a_heavy_one() {
    let Some(redis) = redis(&[]) else { return };
    let (sender, mut order) = mpsc::unbounded_channel();
    let (mut layers, mut turns) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        layers.push(connected(&redis.url(), quick()).await);
    }
    let start = Instant::now();
    for (process, requests) in [(0, 10), (1, 10), (2, 100)] {
        for _ in 0..requests {
            let (sender, layer) = (sender.clone(), &layers[process]);
            turns.push(async move {
                turn(layer).await.expect("a turn");
                sender.send(process).expect("a receiver");
            });
        }
    }
    bounded(join_all(turns)).await;
    // 120 turns at 98 a second, two of them made up: no faster than one process alone.
    let time = start.elapsed();
    assert!(time >= 1_180 * MS, "{time:?}");
    order.close();
    let mut all = Vec::new();
    while let Some(process) = order.recv().await {
        all.push(process);
    }
    // By turns it is the thirtieth; behind the queue of the heavy process it would be the hundredth.
    let last_light = all.iter().rposition(|&process| process != 2);
    assert!(last_light < Some(45), "{all:?}");
}

/// Promise (load): Processes that share an account keep to its quota together, in fair shares.
#[tokio::test]
async fn idle_share_is_used_by_others() {
    let Some(redis) = redis(&[]) else { return };
    let idle = connected(&redis.url(), quick()).await;
    let busy = connected(&redis.url(), quick()).await;
    let start = Instant::now();
    bounded(join_all((0..98).map(|_| turn(&busy)))).await;
    // A third of the quota would take 2.97 s.
    let time = start.elapsed();
    assert!(time < 2_900 * MS, "{time:?}");
    assert!(idle.is_shared() && busy.is_shared());
}

/// Promise (bounds): Building a limit over Redis needs neither Redis nor a runtime.
#[test]
fn building_needs_no_redis_and_no_runtime() {
    let nowhere = account("redis+unix:///nowhere/redis.sock");
    let layer = LimitLayer::new(quick()).shared(&nowhere, 3);
    assert!(!layer.is_shared());
    let debug = format!("{layer:?} {nowhere:?} {:?}", layer.layer(Api::default()));
    assert!(
        !debug.contains("nowhere") && !debug.contains("acme"),
        "{debug}"
    );
}

/// Promise (load): The calls that processes send before they find Redis count against the quota.
#[tokio::test]
async fn calls_before_the_connection_count() {
    let Some(redis) = redis(&[]) else { return };
    let mut layers = Vec::new();
    for _ in 0..3 {
        let layer = layer(&redis.url(), one_in(10 * SECOND));
        connect(&layer).await;
        layers.push(layer);
    }
    let next = next_turn(&layers[0].clone().max_wait(SECOND)).await;
    assert!(next >= Some(20), "{next:?}");
}

#[tokio::test]
async fn late_turn_is_refused_and_not_booked() {
    let Some(redis) = redis(&[]) else { return };
    let layer = connected(&redis.url(), one_in(10 * SECOND)).await;
    let layer = layer.max_wait(4 * SECOND);
    assert_eq!(next_turn(&layer).await, None, "at once");
    let booked = redis.text(&["GET", LIMIT]);
    for _ in 0..5 {
        let error = turn(&layer).await.expect_err("in ten seconds");
        assert_eq!(error.stop_reason(), StopReason::DeadlineExceeded);
        assert_eq!(
            (error.attempts(), error.may_have_been_applied()),
            (0, false)
        );
        let seconds = error.retry_after().expect("a time").as_secs();
        assert!((5..=10).contains(&seconds), "{seconds}");
    }
    assert_eq!(redis.text(&["GET", LIMIT]), booked);
    assert!(layer.is_shared());
}

/// Four processes with patience have booked the next 20 s.
#[tokio::test]
async fn short_wait_leaves_the_bookings_of_others() {
    let Some(redis) = redis(&[]) else { return };
    let (url, quota) = (redis.url(), one_in(5 * SECOND));
    let layer = connected(&url, quota).await.max_wait(5 * SECOND);
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(connected(&url, quota).await);
    }
    let booked = redis.calls("set");
    let waiting = others
        .into_iter()
        .map(|layer| tokio::spawn(async move { turn(&layer).await }));
    let waiting: Vec<_> = waiting.collect();
    until(|| redis.calls("set") >= booked + 4).await;
    let error = turn(&layer).await.expect_err("in twenty seconds");
    assert!(error.retry_after() >= Some(12 * SECOND), "{error:?}");
    waiting.iter().for_each(|turn| turn.abort());
}

/// The request gives up while Redis is silent, which books its turn all the same.
#[tokio::test]
async fn booking_of_a_dropped_request_is_used() {
    let Some(redis) = redis(&[]) else { return };
    let layer = connected(&redis.url(), one_in(20 * SECOND)).await;
    let layer = layer.max_wait(15 * SECOND).redis_timeout(MINUTE);
    redis.signal("STOP");
    let error = turn_for(&layer, hasty(SECOND / 10)).await;
    error.expect_err("silent");
    redis.signal("CONT");
    assert_eq!(next_turn(&layer).await, None, "the booked turn");
    assert!(next_turn(&layer).await >= Some(15), "the turn after it");
}

/// Promise (load): A request that is not polled blocks others no longer than one interval.
#[tokio::test]
async fn unpolled_request_blocks_one_interval() {
    let Some(redis) = redis(&[]) else { return };
    let (layer, api) = (
        connected(&redis.url(), one_in(SECOND / 5)).await,
        Api::default(),
    );
    turn(&layer).await.expect("at once");
    let first = tokio::spawn({
        let layer = layer.clone();
        async move { turn(&layer).await }
    });
    let sets = redis.calls("set");
    until(|| redis.calls("set") > sets).await;
    // Behind the first: when that has used its turn, none is booked.
    let mut stuck = Box::pin(layer.layer(api.clone()).call(get("/stuck")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(stuck.as_mut().poll(&mut cx).is_pending());
    first.await.expect("no panic").expect("a turn");
    let start = Instant::now();
    for _ in 0..3 {
        turn(&layer).await.expect("a turn");
    }
    assert!(start.elapsed() < 10 * SECOND, "{:?}", start.elapsed());
    assert_eq!(api.calls().len(), 0);
}

/// Promise (load): Every turn that a process books is used while it has requests.
///
/// Many of these find no turn in time, on two threads, and the next one asks at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn booked_turns_are_all_used() {
    let Some(redis) = redis(&[]) else { return };
    let layer = connected(&redis.url(), one_in(SECOND / 50)).await;
    let booked = redis.calls("set");
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..250 {
        for millis in 0..60 {
            let layer = layer.clone().max_wait(millis * MS / 2);
            requests.spawn(async move { turn(&layer).await.is_ok() });
        }
        tokio::time::sleep(20 * MS).await;
    }
    let mut sent = 0;
    while let Some(is_sent) = requests.join_next().await {
        sent += u32::from(is_sent.expect("no panic"));
    }
    let booked = redis.calls("set") - booked;
    assert!(
        sent > 10 && booked <= sent + 1,
        "{sent} sent, {booked} booked"
    );
}

/// Promise (load): No turn is booked or used while the cool-down lasts.
#[tokio::test]
async fn no_turn_is_booked_in_a_cooldown() {
    let Some(redis) = redis(&[]) else { return };
    let cooldown = Cooldown::default();
    let layer = connected(&redis.url(), one_in(SECOND / 5)).await;
    let layer = layer.cooldown(cooldown.clone());
    let scripts = redis.calls("eval");
    let end = Instant::now() + SECOND + SECOND / 4;
    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, end);
    let waiting = turn(&layer);
    tokio::pin!(waiting);
    tokio::select! {
        _ = &mut waiting => panic!("in the cool-down"),
        () = tokio::time::sleep(SECOND) => {}
    }
    assert_eq!(redis.calls("eval"), scripts);
    waiting.await.expect("a turn");
    let late = end.elapsed();
    assert!(Instant::now() >= end && late < SECOND / 2, "{late:?}");
    assert_eq!(redis.calls("eval"), scripts + 1);

    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, Instant::now() + MINUTE);
    let error = turn(&layer).await.expect_err("longer than 30 s");
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    assert!(error.retry_after() >= Some(59 * SECOND));
}

/// Together their turns are booked for longer than the period.
#[tokio::test]
async fn more_processes_than_calls_take_turns() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let mut layers = Vec::new();
    for _ in 0..4 {
        layers.push(connected(&url, one_in(300 * MS)).await);
    }
    let start = Instant::now();
    for result in bounded(join_all(layers.iter().map(turn))).await {
        result.expect("a turn");
    }
    assert!(start.elapsed() >= 895 * MS, "{:?}", start.elapsed());
}

/// One turn in 1.2 s. None was used for long: 1 % of the quota, that is five, and the next one.
#[tokio::test]
async fn unused_turns_are_made_up_to_one_percent() {
    let Some(redis) = redis(&[]) else { return };
    let layer = connected(&redis.url(), Quota::new(500, 10 * MINUTE)).await;
    redis.command(&["SET", LIMIT, "1 1"]);
    let start = Instant::now();
    for _ in 0..6 {
        turn(&layer).await.expect("at once");
    }
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    turn(&layer).await.expect("a turn");
    assert!(start.elapsed() > 1_100 * MS, "{:?}", start.elapsed());
}

/// Promise (load): No clock, turn or key in Redis stops a process for more than five minutes.
///
/// As if the turns had been booked later: by a minute, and by centuries.
#[tokio::test]
async fn clock_set_back_stops_no_process() {
    for seconds in [60, 7_000_000_000_u64] {
        let Some(redis) = redis(&[]) else { return };
        let layer = connected(&redis.url(), Quota::per_minute(100)).await;
        turn(&layer).await.expect("at once");
        let step = format!(
            "local later = function(time) return string.format('%.0f', time + {seconds}e6) end
             local booked = string.gsub(redis.call('GET', '{LIMIT}'), '%d+', later)
             redis.call('SET', '{LIMIT}', booked)"
        );
        redis.command(&["EVAL", &step, "0"]);
        let start = Instant::now();
        turn(&layer).await.expect("a turn");
        assert!(start.elapsed() < 5 * SECOND, "{:?}", start.elapsed());
    }
}

#[test]
#[should_panic(expected = "0 processes")]
fn no_processes_panic() {
    let _ = LimitLayer::new(quick()).shared(&account("redis://127.0.0.1:1"), 0);
}

#[test]
#[should_panic(expected = "redis_timeout is 0ns")]
fn redis_timeout_of_zero_panics() {
    let _ = LimitLayer::new(quick()).redis_timeout(Duration::ZERO);
}
