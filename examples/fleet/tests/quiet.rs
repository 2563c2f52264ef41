//! What one process is told, all know.

mod support;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use fleet::{
    server::Api,
    shared::Quiet,
    stack::{Parts, post},
};
use http::{Request, Response, header::RETRY_AFTER};
use http_body_util::Full;
use redis::Value;
use revio_status::{BoxError, Cooldown, RevioStatusLayer};
use support::{Log, account, bounded, command, commands, detour, redis, scripts, signal, until};
use tokio::runtime::Handle;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const MINUTE: u64 = 60;
/// Whoever was not told reads the key every five seconds.
const LOOKS_ANYWAY: Duration = Duration::from_millis(4500);

/// A process that listens, and one that is told: wait so many seconds.
fn listens(url: &str) -> (Cooldown, Quiet) {
    let cooldown = Cooldown::default();
    let quiet = Quiet::shared(&account(url), cooldown.clone());
    (cooldown, quiet)
}

async fn is_told(url: &str, status: u16, seconds: u64) -> Cooldown {
    let (cooldown, quiet) = listens(url);
    let layer = RevioStatusLayer::new()
        .cooldown(cooldown.clone())
        .on_event(move |event| quiet.tell(event));
    let client =
        ServiceBuilder::new()
            .layer(layer)
            .service(service_fn(move |_: Request<_>| async move {
                let response = Response::builder().status(status);
                let response = response.header(RETRY_AFTER, seconds);
                response
                    .body(Full::<Bytes>::default())
                    .map_err(BoxError::from)
            }));
    let request = Request::post("http://api.test/v1/Notes").body(Full::<Bytes>::default());
    let error = client.clone().oneshot(request.expect("valid")).await;
    error.expect_err("told to wait");
    // The quiet lives as long as its layer, as in a program.
    std::mem::forget(client);
    cooldown
}

fn rest(cooldown: &Cooldown) -> Option<Duration> {
    Some(cooldown.until()?.saturating_duration_since(Instant::now()))
}

fn rest_in_redis(url: &str) -> i64 {
    match command(url, &["PTTL", &account(url).quiet_key()]) {
        Value::Int(rest) => rest,
        other => panic!("{other:?}"),
    }
}

/// Promise (load): A cool-down that starts in one process holds in all others.
#[tokio::test]
async fn it_reaches_those_that_run_and_those_that_start_later() {
    for (status, seconds) in [(429, MINUTE), (403, 3 * MINUTE)] {
        let Some(redis) = redis(&[]) else { return };
        let url = redis.url();
        let (other, _quiet) = listens(&url);
        is_heard(&url).await;
        let begin = Instant::now();
        let told = is_told(&url, status, seconds).await;
        until(|| rest(&other) > Some(Duration::from_secs(seconds - 30))).await;
        let (late, _quiet) = listens(&url);
        until(|| late.until().is_some()).await;
        assert!(begin.elapsed() < LOOKS_ANYWAY, "{:?}", begin.elapsed());
        for cooldown in [told, other, late] {
            let expected = Duration::from_secs(seconds - 30)..Duration::from_secs(seconds + 5);
            assert!(expected.contains(&rest(&cooldown).expect("begun")));
        }
    }
}

/// A shorter time does not overwrite a longer one, and what comes from Redis does not go back there.
#[tokio::test]
async fn it_only_extends_and_does_not_echo() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let (other, _quiet) = listens(&url);
    is_told(&url, 429, 2 * MINUTE).await;
    until(|| other.until().is_some()).await;
    is_told(&url, 429, MINUTE).await;
    until(|| scripts(&url) >= 2).await; // longer, shorter
    is_looked_at(&url, 3).await;
    assert_eq!(scripts(&url), 2);
    assert!(rest_in_redis(&url) > 90_000);
}

#[tokio::test]
async fn what_is_told_while_redis_is_away_is_told_when_it_returns() {
    let Some(mut redis) = redis(&[]) else { return };
    let log = Log::start();
    let url = redis.url();
    let (other, _quiet) = listens(&url);
    until(|| rest_in_redis(&url) == -2).await;
    redis.kill();
    is_told(&url, 429, MINUTE).await;
    until(|| log.warnings("no Redis") == 2).await;
    assert_eq!(other.until(), None);
    redis.restart().expect("as before");
    until(|| other.until().is_some()).await;
    assert!(rest(&other) <= Some(Duration::from_secs(MINUTE + 5)));
    assert_eq!(log.warnings("no Redis"), 2, "{}", log.text());
}

/// Redis' clock says when it ends, not the moment at which it is told.
#[tokio::test]
async fn what_arrives_when_it_is_over_begins_nothing() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    is_told(&url, 429, MINUTE).await;
    until(|| rest_in_redis(&url) > 0).await;
    command(&url, &["DEL", &account(&url).quiet_key()]);
    let arrived = Arc::new(AtomicBool::new(false));
    let late = arrived.clone();
    let detour = detour(&redis, move |is_to_redis, bytes| {
        let is_script = is_to_redis && String::from_utf8_lossy(bytes).contains("EVAL");
        late.fetch_or(is_script, Relaxed);
        Duration::from_millis(if is_script { 1100 } else { 0 })
    })
    .await;
    let told = is_told(&detour, 429, 1).await;
    until(|| arrived.load(Relaxed) && rest(&told) == Some(Duration::ZERO)).await;
    until(|| scripts(&url) == 2).await; // in time, late
    assert_eq!(rest_in_redis(&url), -2);
}

#[tokio::test]
async fn what_redis_cannot_take_it_is_told_again_until_it_can() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let url = redis.url();
    let (other, _quiet) = listens(&url);
    is_heard(&url).await;
    command(&url, &["CONFIG", "SET", "maxmemory", "1"]);
    is_told(&url, 429, MINUTE).await;
    until(|| scripts(&url) >= 3).await;
    assert_eq!(log.warnings("OOM"), 1, "{}", log.text());
    assert_eq!(other.until(), None);
    command(&url, &["CONFIG", "SET", "maxmemory", "0"]);
    until(|| other.until().is_some()).await;
}

#[tokio::test]
async fn nonsense_in_redis_silences_nobody_for_long() {
    for nonsense in ["200", "99999", "quiet!", ""] {
        let Some(redis) = redis(&[]) else { return };
        let url = redis.url();
        let key = account(&url).quiet_key();
        command(&url, &["SET", &key, nonsense, "PX", "100000"]);
        let (cooldown, _quiet) = listens(&url);
        is_heard(&url).await;
        assert_eq!(cooldown.until(), None, "{nonsense:?}");
    }
}

/// Promise (load): No clock, turn or key in Redis stops a process for more than five minutes.
///
/// It is read every five seconds, and at each message.
#[tokio::test]
async fn a_key_that_stays_long_silences_for_five_minutes_and_no_longer() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let key = account(&url).quiet_key();
    command(&url, &["SET", &key, "429", "EX", "99999999"]);
    let (cooldown, _quiet) = listens(&url);
    until(|| cooldown.until().is_some()).await;
    assert!(rest(&cooldown) <= Some(Duration::from_secs(5 * MINUTE)));
    is_heard(&url).await;
    let end = cooldown.until();
    is_looked_at(&url, 1).await;
    assert_eq!(cooldown.until(), end);
    command(&url, &["SET", &key, "429", "EX", "88888888"]);
    command(&url, &["PUBLISH", &key, ""]);
    until(|| cooldown.until() > end).await;
}

/// Promise (load): No clock, turn or key in Redis stops a process for more than five minutes.
///
/// The key is still there then, and whoever looks at it again has seen it.
#[tokio::test]
async fn whom_a_key_that_stays_has_silenced_sends_when_that_is_over() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let key = account(&url).quiet_key();
    command(&url, &["SET", &key, "429", "EX", "99999999"]);
    let cooldown = Cooldown::default();
    let longest = Duration::from_secs(1);
    let begin = Instant::now();
    let quiet = Quiet::shared_for(&account(&url), cooldown.clone(), longest);
    until(|| cooldown.until().is_some()).await;
    let end = cooldown.until();
    let api = Api::start(u32::MAX, Duration::from_secs(3600)).await;
    let api = api.expect("loopback");
    let parts = Parts {
        cooldown: cooldown.clone(),
        limit: None,
        quiet: Some(quiet),
    };
    let client = parts.client(|_| {});
    for notes in 1..=2 {
        let sent = bounded(post(client.clone(), api.address(), notes.to_string())).await;
        sent.expect("made");
        assert_eq!(api.notes().len(), notes);
        assert!(begin.elapsed() >= longest, "{:?}", begin.elapsed());
        is_looked_at(&url, 1).await;
    }
    assert_eq!(cooldown.until(), end);
    assert!(rest_in_redis(&url) > 0);
}

/// As if the message had been lost with its connection.
#[tokio::test]
async fn whom_no_message_reaches_reads_for_himself() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let (other, _quiet) = listens(&url);
    is_heard(&url).await;
    command(
        &url,
        &["SET", &account(&url).quiet_key(), "429", "PX", "60000"],
    );
    until(|| other.until().is_some()).await;
}

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
///
/// It takes everything and says nothing, and is known to be there again.
#[tokio::test]
async fn a_redis_that_is_stopped_is_told_and_found_again() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let url = redis.url();
    let (other, _quiet) = listens(&url);
    is_heard(&url).await;
    signal(&redis, "STOP");
    is_told(&url, 429, MINUTE).await;
    until(|| log.warnings("no Redis") == 2).await;
    signal(&redis, "CONT");
    until(|| other.until().is_some()).await;
    assert_eq!(log.warnings("no Redis"), 2, "{}", log.text());
}

/// Nothing of it goes on, with Redis or without.
#[tokio::test]
async fn it_ends_with_its_handle() {
    let Some(mut redis) = redis(&[]) else { return };
    let url = redis.url();
    let tasks = Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let (_, quiet) = listens(&url);
    is_heard(&url).await;
    drop(quiet);
    until(|| tasks.num_alive_tasks() == before).await;
    redis.kill();
    let log = Log::start();
    let (_, quiet) = listens(&url);
    until(|| log.warnings("no Redis") == 1).await;
    drop(quiet);
    until(|| tasks.num_alive_tasks() == before).await;
}

/// As long as a second: the client's own patience is half of that.
#[tokio::test]
async fn it_is_told_by_a_slow_redis_too() {
    let Some(redis) = redis(&[]) else { return };
    let detour = detour(&redis, |is_to_redis, _| {
        Duration::from_millis(if is_to_redis { 0 } else { 600 })
    });
    let (other, _quiet) = listens(&detour.await);
    is_told(&redis.url(), 429, MINUTE).await;
    until(|| other.until().is_some()).await;
}

/// Gives whoever has just started the time to read.
async fn is_heard(url: &str) {
    let key = account(url).quiet_key();
    until(|| match command(url, &["PUBSUB", "NUMSUB", &key]) {
        Value::Array(answer) => answer.last() != Some(&Value::Int(0)),
        _ => false,
    })
    .await;
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// So many who listen are told to read, and have done as it says.
async fn is_looked_at(url: &str, listeners: u32) {
    let seen = commands(url, "get");
    for _ in 0..3 {
        command(url, &["PUBLISH", &account(url).quiet_key(), ""]);
    }
    // Of each listener two looks are done with.
    until(|| commands(url, "get") >= seen + 3 * listeners).await;
}

/// Machines do not agree on it. Redis' own is read in Redis.
#[test]
fn no_wall_clock_of_a_machine_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/shared");
    for file in fs::read_dir(folder).expect("it is there") {
        let path = file.expect("a file").path();
        let text = fs::read_to_string(&path).expect("text");
        assert!(!text.contains("SystemTime"), "{}", path.display());
    }
}
