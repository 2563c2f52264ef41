//! L5: Redis fails in each way that it can. No request is lost, sent twice, or waits for long: each
//! process keeps to its own share, says so once, and returns by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use revio_status::Deadline;
use revio_status_limit::Quota;
use tokio::{net::TcpListener, runtime};

use super::{
    server::{RedisServer, command, redis},
    support::*,
};
use crate::support::{MS, SECOND, get};

/// The default.
const REDIS_TIMEOUT: Duration = Duration::from_millis(250);

const OWN_SHARE: &str = "its own share";
const IS_BACK: &str = "Redis is back";

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
#[tokio::test]
async fn redis_absent_at_the_start() {
    let Some(mut redis) = redis(&[]) else { return };
    redis.kill();
    let log = Log::start();
    let mut fleet = Fleet::new(&redis.url(), PATIENT);
    fleet.assert_own_shares().await;
    redis.restart();
    fleet.send_until_shared(true).await;
    fleet.send(3).await;
    assert_eq!(log.count("WARN", OWN_SHARE), 3, "{}", log.text());
    assert_eq!(log.count("INFO", IS_BACK), 3, "{}", log.text());
}

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
#[tokio::test]
async fn redis_killed_and_restarted_empty() {
    let Some(mut redis) = redis(&[]) else { return };
    let log = Log::start();
    let mut fleet = Fleet::connected(&redis.url(), PATIENT).await;
    assert_eq!(log.count("", "Redis"), 0, "{}", log.text());
    for outage in 1..=2 {
        redis.kill();
        fleet.send_until_shared(false).await;
        fleet.assert_own_shares().await;
        redis.restart();
        fleet.send_until_shared(true).await;
        fleet.send(3).await;
        assert_eq!(log.count("WARN", OWN_SHARE), 3 * outage, "{}", log.text());
        assert_eq!(log.count("INFO", IS_BACK), 3 * outage, "{}", log.text());
    }
}

#[tokio::test]
async fn redis_killed_while_requests_wait() {
    let Some(mut redis) = redis(&[]) else { return };
    let mut fleet = Fleet::connected(&redis.url(), PATIENT).await;
    let (api, before) = (fleet.api.clone(), fleet.api.calls().len());
    let kill = async {
        until(|| api.calls().len() > before + 5).await;
        redis.kill();
    };
    tokio::join!(fleet.send(10), kill);
}

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
///
/// Redis accepts everything and does not respond: each process waits for it once.
#[tokio::test]
async fn redis_stopped() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let mut fleet = Fleet::connected(&redis.url(), SECOND).await;
    redis.signal("STOP");
    fleet.send_until_shared(false).await;
    let start = Instant::now();
    fleet.send(6).await;
    let time = start.elapsed();
    fleet.send_for(3 * SECOND).await;
    redis.signal("CONT");
    assert!(
        time < 4 * SECOND,
        "six waits for Redis would be 6 s: {time:?}"
    );
    fleet.send_until_shared(true).await;
    assert_eq!(log.count("WARN", OWN_SHARE), 3, "{}", log.text());
    assert_eq!(log.count("WARN", "timed out"), 3, "{}", log.text());
}

/// Each request gives up before Redis is known to be silent.
#[tokio::test]
async fn redis_stopped_and_requests_hasty() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let layer = connected(&redis.url(), quick())
        .await
        .redis_timeout(SECOND / 2);
    let hasty = || {
        let mut request = get("/");
        let deadline = Deadline(Instant::now() + SECOND / 5);
        request.extensions_mut().insert(deadline);
        request
    };
    redis.signal("STOP");
    bounded(async { while turn_for(&layer, hasty()).await.is_err() {} }).await;
    assert!(!layer.is_shared());
    assert_eq!(log.count("WARN", OWN_SHARE), 1, "{}", log.text());
}

/// A way to Redis on which responses come so many milliseconds late.
async fn slow_by(redis: &RedisServer, millis: u64) -> (String, Arc<AtomicU64>) {
    let delay = Arc::new(AtomicU64::new(millis));
    let late = delay.clone();
    let url = detour(redis, move |is_to_redis, _| match is_to_redis {
        true => Duration::ZERO,
        false => Duration::from_millis(late.load(Relaxed)),
    });
    (url.await, delay)
}

#[tokio::test]
async fn redis_becomes_slow() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let (url, delay) = slow_by(&redis, 100).await;
    let mut fleet = Fleet::connected(&url, 1_500 * MS).await;
    fleet.send(3).await;
    assert_eq!(fleet.shared(), 3);
    assert_eq!(log.count("WARN", OWN_SHARE), 0, "{}", log.text());
    delay.store(3_000, Relaxed);
    fleet.send_until_shared(false).await;
    fleet.assert_own_shares().await;
    delay.store(0, Relaxed);
    fleet.send_until_shared(true).await;
    assert_eq!(log.count("WARN", OWN_SHARE), 3, "{}", log.text());
}

/// A look has a second, and a booking a quarter: each look in vain would be a warning.
#[tokio::test]
async fn redis_too_slow_is_reported_once() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let (url, delay) = slow_by(&redis, 700).await;
    let mut fleet = Fleet::new(&url, REDIS_TIMEOUT);
    fleet.send_for(4 * SECOND).await;
    assert_eq!(log.count("WARN", OWN_SHARE), 3, "{}", log.text());
    assert_eq!(log.count("INFO", IS_BACK), 0, "{}", log.text());
    delay.store(0, Relaxed);
    fleet.send_until_shared(true).await;
}

/// A fault that commands cause and another one ends, with Redis' word for it.
async fn refused(options: &[&str], fault: &[&[&str]], word: &str, mend: &[&str]) {
    let Some(redis) = redis(options) else { return };
    let log = Log::start();
    let mut fleet = Fleet::connected(&redis.url(), PATIENT).await;
    fault.iter().for_each(|words| drop(redis.command(words)));
    if word == "MISCONF" {
        let info = || format!("{:?}", redis.command(&["INFO", "persistence"]));
        until(|| info().contains("rdb_last_bgsave_status:err")).await;
    }
    fleet.send_until_shared(false).await;
    fleet.assert_own_shares().await;
    fleet.send_for(3 * SECOND).await; // the looks are not deceived
    assert_eq!(fleet.shared(), 0);
    assert_eq!(log.count("WARN", OWN_SHARE), 3, "{}", log.text());
    assert_eq!(log.count("WARN", word), 3, "{}", log.text());
    redis.command(mend);
    fleet.send_until_shared(true).await;
}

#[tokio::test]
async fn redis_out_of_memory() {
    let fault = ["CONFIG", "SET", "maxmemory", "1"];
    let mend = ["CONFIG", "SET", "maxmemory", "0"];
    refused(&[], &[&fault], "OOM", &mend).await;
}

/// Not even root can write a file there.
#[tokio::test]
async fn redis_with_a_full_disk() {
    let options = ["--enable-protected-configs", "yes"];
    let folder = ["CONFIG", "SET", "dir", "/proc"];
    let save = ["CONFIG", "SET", "save", "3600 1"];
    let fault: [&[&str]; 3] = [&folder, &save, &["BGSAVE"]];
    let mend = ["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"];
    refused(&options, &fault, "MISCONF", &mend).await;
}

#[tokio::test]
async fn redis_failover_leaves_a_replica() {
    let fault = ["REPLICAOF", "127.0.0.1", "1"];
    refused(&[], &[&fault], "READONLY", &["REPLICAOF", "NO", "ONE"]).await;
}

/// Each response takes more than half of what a booking may take.
#[tokio::test]
async fn flushed_scripts_cost_no_round_trip() {
    let Some(redis) = redis(&[]) else { return };
    let (url, _) = slow_by(&redis, 300).await;
    let log = Log::start();
    let mut fleet = Fleet::connected(&url, 3 * REDIS_TIMEOUT).await;
    for _ in 0..3 {
        redis.command(&["SCRIPT", "FLUSH"]);
        fleet.send(2).await;
    }
    assert_eq!(fleet.shared(), 3);
    assert_eq!(log.count("WARN", OWN_SHARE), 0, "{}", log.text());
}

/// Promise (cause): The log tells Redis' word for a failure, and no credential or address.
#[tokio::test]
async fn wrong_password_is_not_logged() {
    let Some(redis) = redis(&["--requirepass", "correct-horse"]) else {
        return;
    };
    let log = Log::start();
    let mut fleet = Fleet::new(&format!("{}?pass=wrong-horse", redis.url()), PATIENT);
    fleet.assert_own_shares().await;
    until(|| log.count("WARN", OWN_SHARE) == 3).await;
    let right = format!("{}?pass=correct-horse", redis.url());
    command(&right, &["CONFIG", "SET", "requirepass", "wrong-horse"]);
    fleet.send_until_shared(true).await;
    let text = log.text();
    assert!(!text.contains("horse") && !text.contains("sock"), "{text}");
}

/// The last turn that was booked may be used already.
#[tokio::test]
async fn first_turn_without_redis_is_a_share_away() {
    let Some(mut redis) = redis(&[]) else { return };
    let layer = connected(&redis.url(), Quota::new(2, 200 * MS)).await;
    turn(&layer).await.expect("at once");
    redis.kill();
    let start = Instant::now();
    turn(&layer).await.expect("a turn");
    assert!(!layer.is_shared());
    assert!(start.elapsed() >= 600 * MS, "{:?}", start.elapsed());
}

/// Promise (bounds): A process without Redis looks for it once a second, while it sends.
///
/// A look makes a connection, which ends at once.
#[tokio::test]
async fn redis_is_looked_for_once_a_second() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let url = format!("redis://{}", listener.local_addr().expect("bound"));
    let looks = Arc::new(AtomicU32::new(0));
    let count = looks.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Relaxed);
        }
    });
    let layer = layer(&url, quick());
    let start = Instant::now();
    while start.elapsed() < 7 * SECOND / 2 {
        turn(&layer).await.expect("a turn");
    }
    let seen = looks.load(Relaxed);
    assert!((2..=4).contains(&seen), "{seen}");
    tokio::time::sleep(2 * SECOND).await;
    assert!(looks.load(Relaxed) <= seen + 1, "nothing to send, no look");
}

/// Promise (bounds): A connection whose runtime has ended is replaced without a warning.
#[test]
fn ended_runtime_is_not_a_failure() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let layer = layer(&redis.url(), quick());
    for _ in 0..3 {
        let mut runtime = runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            connect(&layer).await;
            for _ in 0..3 {
                turn(&layer).await.expect("a turn");
            }
        });
    }
    assert!(layer.is_shared());
    assert_eq!(log.count("WARN", ""), 0, "{}", log.text());
}
