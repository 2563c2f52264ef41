//! Redis fails in each way that it can, and no request is lost, made twice, or waits for ever. Without
//! Redis a process keeps to its own share, says so once, and returns by itself.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fleet::{
    redis_server::RedisServer,
    shared::{Limit, Settings},
};
use http::Request;
use revio_status::{Cooldown, TimeLimit};
use support::{
    Fleet, Log, PATIENT, account, bounded, command, detour, redis, settings, signal, turn, until,
};

/// The default.
const QUICK: Duration = Duration::from_millis(250);

const LIMIT: &str = "its own share";

/// A process that is on its own sends a call every 30.6 ms.
async fn each_keeps_to_its_own_share(fleet: &mut Fleet) {
    let begin = Instant::now();
    fleet.post(6).await;
    assert!(
        begin.elapsed() >= Duration::from_millis(5 * 30),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn not_there_at_the_start() {
    let Some(mut redis) = redis(&[]) else { return };
    redis.kill();
    let log = Log::start();
    let mut fleet = Fleet::start(&redis.url(), PATIENT).await;
    each_keeps_to_its_own_share(&mut fleet).await;
    redis.restart().expect("as before");
    fleet.post_until_shared(true).await;
    fleet.post(3).await;
    assert_eq!(log.warnings(LIMIT), 3, "{}", log.text());
    fleet.balance();
}

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
#[tokio::test]
async fn killed_in_mid_run_and_restarted_empty() {
    let Some(mut redis) = redis(&[]) else { return };
    let log = Log::start();
    let mut fleet = Fleet::start(&redis.url(), PATIENT).await;
    fleet.post(3).await;
    assert_eq!(log.warnings(""), 0, "{}", log.text());
    for outage in 1..=2 {
        redis.kill();
        fleet.post_until_shared(false).await;
        each_keeps_to_its_own_share(&mut fleet).await;
        redis.restart().expect("as before");
        fleet.post_until_shared(true).await;
        fleet.post(3).await;
        assert_eq!(log.warnings(LIMIT), 3 * outage, "{}", log.text());
    }
    fleet.balance();
}

#[tokio::test]
async fn killed_while_requests_wait_for_their_turns() {
    let Some(mut redis) = redis(&[]) else { return };
    let mut fleet = Fleet::start(&redis.url(), PATIENT).await;
    let api = fleet.api.clone();
    let kill = async {
        until(|| api.notes().len() > 5).await;
        redis.kill();
    };
    tokio::join!(fleet.post(10), kill);
    fleet.balance();
}

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
///
/// It takes everything and says nothing: one request of each process waits for it, and no other.
#[tokio::test]
async fn stopped() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let answer = Duration::from_secs(1);
    let mut fleet = Fleet::start(&redis.url(), answer).await;
    fleet.post(1).await;
    signal(&redis, "STOP");
    fleet.post_until_shared(false).await;
    let begin = Instant::now();
    fleet.post(6).await;
    let time = begin.elapsed();
    fleet.post_until_in_vain(&log, 6).await;
    signal(&redis, "CONT");
    // Six answers that were waited for would be six seconds.
    assert!(time < 5 * answer, "{time:?}");
    fleet.post_until_shared(true).await;
    fleet.post(3).await;
    assert_eq!(log.warnings(LIMIT), 3, "{}", log.text());
    fleet.balance();
}

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
///
/// Each gives up before it is known that Redis is silent, and the next one asks again.
#[tokio::test]
async fn stopped_for_requests_that_have_less_time_than_its_answer() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let settings = Settings {
        answer: Duration::from_millis(500),
        ..settings(&Cooldown::default())
    };
    let hasty = || {
        let mut request = Request::default();
        let deadline = TimeLimit(Duration::from_millis(200));
        request.extensions_mut().insert(deadline);
        request
    };
    let limit = Limit::shared(settings, &account(&redis.url())).await;
    signal(&redis, "STOP");
    bounded(async { while turn(&limit, hasty()).await.is_err() {} }).await;
    assert!(!limit.is_shared());
    assert_eq!(log.warnings(LIMIT), 1, "{}", log.text());
}

/// A server whose answers come so many milliseconds late, and the way to it.
async fn slow_by(redis: &RedisServer, delay: u64) -> (String, Arc<AtomicU64>) {
    let delay = Arc::new(AtomicU64::new(delay));
    let late = delay.clone();
    let url = detour(redis, move |is_to_redis, _| match is_to_redis {
        true => Duration::ZERO,
        false => Duration::from_millis(late.load(Relaxed)),
    });
    (url.await, delay)
}

#[tokio::test]
async fn slow() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let (url, delay) = slow_by(&redis, 100).await;
    let mut fleet = Fleet::start(&url, Duration::from_millis(1500)).await;
    fleet.post(3).await;
    assert!(fleet.limits.iter().all(|limit| limit.is_shared()));
    assert_eq!(log.warnings(LIMIT), 0, "{}", log.text());
    delay.store(3000, Relaxed);
    fleet.post_until_shared(false).await;
    each_keeps_to_its_own_share(&mut fleet).await;
    delay.store(0, Relaxed);
    fleet.post_until_shared(true).await;
    assert_eq!(log.warnings(LIMIT), 3, "{}", log.text());
    fleet.balance();
}

/// Not so slow that nobody can log in: who looks for it does not come back to it.
#[tokio::test]
async fn slower_than_the_patience_with_it_is_said_once() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let (url, delay) = slow_by(&redis, 400).await;
    let mut fleet = Fleet::start(&url, QUICK).await;
    fleet.post_until_in_vain(&log, 6).await;
    assert_eq!(log.warnings(LIMIT), 3, "{}", log.text());
    delay.store(0, Relaxed);
    fleet.post_until_shared(true).await;
    fleet.balance();
}

/// A fault that a command brings and another one mends, with Redis' word for it.
async fn refused(options: &[&str], fault: &[&[&str]], word: &str, mend: &[&[&str]]) {
    let Some(redis) = redis(options) else { return };
    let url = redis.url();
    let log = Log::start();
    let mut fleet = Fleet::start(&url, PATIENT).await;
    fleet.post(1).await;
    assert_eq!(log.warnings(""), 0, "{}", log.text());
    fault.iter().for_each(|words| drop(command(&url, words)));
    if word == "MISCONF" {
        let has_failed = || format!("{:?}", command(&url, &["INFO", "persistence"]));
        until(|| has_failed().contains("rdb_last_bgsave_status:err")).await;
    }
    fleet.post_until_shared(false).await;
    each_keeps_to_its_own_share(&mut fleet).await;
    fleet.post_until_in_vain(&log, 6).await; // it looks, and is not deceived
    assert!(fleet.limits.iter().all(|limit| !limit.is_shared()));
    assert_eq!(log.warnings(LIMIT), 3, "{}", log.text());
    assert_eq!(log.warnings(word), 3, "{}", log.text());
    mend.iter().for_each(|words| drop(command(&url, words)));
    fleet.post_until_shared(true).await;
    fleet.balance();
}

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
#[tokio::test]
async fn out_of_memory() {
    let fault = ["CONFIG", "SET", "maxmemory", "1"];
    let mend = ["CONFIG", "SET", "maxmemory", "0"];
    refused(&[], &[&fault], "OOM", &[&mend]).await;
}

/// Not even root can write a file there.
#[tokio::test]
async fn a_full_disk() {
    let options = ["--enable-protected-configs", "yes"];
    let folder = ["CONFIG", "SET", "dir", "/proc"];
    let save = ["CONFIG", "SET", "save", "3600 1"];
    let fault: [&[&str]; 3] = [&folder, &save, &["BGSAVE"]];
    let mend = ["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"];
    refused(&options, &fault, "MISCONF", &[&mend]).await;
}

#[tokio::test]
async fn a_failover_leaves_a_replica() {
    let fault = ["REPLICAOF", "127.0.0.1", "1"];
    refused(&[], &[&fault], "READONLY", &[&["REPLICAOF", "NO", "ONE"]]).await;
}

/// With the default patience where an answer takes 100 ms; both threefold, for a busy machine. At the
/// start Redis does not know the script yet.
#[tokio::test]
async fn a_script_evicted_costs_no_round_trip() {
    let Some(redis) = redis(&[]) else { return };
    let (url, _) = slow_by(&redis, 300).await;
    let log = Log::start();
    let mut fleet = Fleet::start(&url, 3 * QUICK).await;
    for _ in 0..3 {
        fleet.post(2).await;
        command(&redis.url(), &["SCRIPT", "FLUSH"]);
    }
    fleet.post(2).await;
    assert!(fleet.limits.iter().all(|limit| limit.is_shared()));
    assert_eq!(log.warnings(LIMIT), 0, "{}", log.text());
    fleet.balance();
}

/// And whoever reads the log does not learn one.
#[tokio::test]
async fn a_wrong_password() {
    let Some(redis) = redis(&["--requirepass", "correct-horse"]) else {
        return;
    };
    let log = Log::start();
    let wrong = format!("{}?pass=wrong-horse", redis.url());
    let mut fleet = Fleet::start(&wrong, PATIENT).await;
    each_keeps_to_its_own_share(&mut fleet).await;
    assert_eq!(log.warnings(LIMIT), 3, "{}", log.text());
    let right = format!("{}?pass=correct-horse", redis.url());
    command(&right, &["CONFIG", "SET", "requirepass", "wrong-horse"]);
    fleet.post_until_shared(true).await;
    assert!(!log.text().contains("horse"), "{}", log.text());
    fleet.balance();
}
