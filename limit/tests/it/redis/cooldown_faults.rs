//! L6 while Redis fails: what still lasts is passed on when it is back.

use std::time::Duration;

use revio_status::Cooldown;
use tokio::runtime::Handle;

use super::{server::redis, support::*};
use crate::support::{MS, SECOND};

const WARNING: &str = "cool-downs stay within this process";

/// Promise (load): A cool-down that starts while Redis is away is passed on when Redis is back.
#[tokio::test]
async fn cooldown_is_passed_on_after_an_outage() {
    let Some(mut redis) = redis(&[]) else { return };
    let log = Log::start();
    let (other, _other) = listen(&redis.url());
    let (own, sync) = listen(&redis.url());
    listeners(&redis, 2).await;
    redis.kill();
    respond(&own, &sync, 429, 60).await;
    until(|| log.count("WARN", WARNING) == 2).await;
    assert_eq!(other.until(), None);
    redis.restart();
    until(|| other.until().is_some()).await;
    assert!(remaining(&other) <= Some(60 * SECOND));
    until(|| log.count("INFO", "Redis is back") == 2).await;
    assert_eq!(log.count("WARN", WARNING), 2, "{}", log.text());
}

/// Promise (load): A shorter cool-down during an outage replaces no longer one that is to be passed on.
#[tokio::test]
async fn longest_cooldown_of_an_outage_is_passed_on() {
    let Some(mut redis) = redis(&[]) else { return };
    let (other, _other) = listen(&redis.url());
    let (own, sync) = listen(&redis.url());
    listeners(&redis, 2).await;
    redis.kill();
    respond(&own, &sync, 403, 120).await;
    own.clear();
    respond(&own, &sync, 429, 60).await;
    redis.restart();
    until(|| other.until().is_some()).await;
    assert!(remaining(&other) > Some(90 * SECOND), "{other:?}");
}

/// Redis' clock says when a cool-down ends, not the moment at which Redis hears of it.
#[tokio::test]
async fn late_cooldown_starts_nothing() {
    let Some(redis) = redis(&[]) else { return };
    let url = detour(&redis, |is_to_redis, bytes| {
        let is_write = is_to_redis && String::from_utf8_lossy(bytes).contains("PUBLISH");
        if is_write { 600 * MS } else { Duration::ZERO }
    });
    let (own, sync) = listen(&url.await);
    listeners(&redis, 1).await;
    let scripts = redis.calls("eval");
    respond_to_all(&own, &sync, 429, &[300]).await;
    sync.flush().await;
    until(|| redis.calls("eval") > scripts).await;
    assert_eq!(redis.number(&["PTTL", COOLDOWN]), -2);
    assert_eq!(redis.calls("set"), 0);
}

#[tokio::test]
async fn cooldown_is_written_again_until_redis_can() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let (other, _other) = listen(&redis.url());
    let (own, sync) = listen(&redis.url());
    listeners(&redis, 2).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    respond(&own, &sync, 429, 60).await;
    until(|| log.count("WARN", "OOM") == 1).await;
    assert_eq!(other.until(), None);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    until(|| other.until().is_some()).await;
}

/// Redis accepts everything and does not respond.
#[tokio::test]
async fn stopped_redis_is_reported_and_found_again() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let (other, _other) = listen(&redis.url());
    let (own, sync) = listen(&redis.url());
    listeners(&redis, 2).await;
    redis.signal("STOP");
    respond(&own, &sync, 429, 60).await;
    until(|| log.count("WARN", WARNING) == 2).await;
    redis.signal("CONT");
    until(|| other.until().is_some()).await;
    assert_eq!(log.count("WARN", WARNING), 2, "{}", log.text());
}

/// The `redis` crate's own time limit is half a second.
#[tokio::test]
async fn slow_redis_passes_cooldowns_on() {
    let Some(redis) = redis(&[]) else { return };
    let url = detour(&redis, |is_to_redis, _| {
        if is_to_redis {
            Duration::ZERO
        } else {
            600 * MS
        }
    });
    let (other, _other) = listen(&url.await);
    let (own, sync) = listen(&redis.url());
    respond(&own, &sync, 429, 60).await;
    until(|| other.until().is_some()).await;
}

/// Promise (bounds): The task of a `CooldownSync` ends with its last clone, with Redis or without.
#[tokio::test]
async fn task_ends_with_the_last_clone() {
    let Some(mut redis) = redis(&[]) else { return };
    let tasks = Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let (_, sync) = listen(&redis.url());
    listeners(&redis, 1).await;
    drop(sync.clone());
    look(&redis, 1).await;
    drop(sync);
    until(|| tasks.num_alive_tasks() == before).await;
    redis.kill();
    let log = Log::start();
    let (_, sync) = listen(&redis.url());
    until(|| log.count("WARN", WARNING) == 1).await;
    drop(sync);
    until(|| tasks.num_alive_tasks() == before).await;
}

#[test]
#[should_panic(expected = "runtime")]
fn sync_outside_a_runtime_panics() {
    let account = account("redis://127.0.0.1:1");
    drop(revio_status_limit::CooldownSync::new(
        &account,
        &Cooldown::default(),
    ));
}
