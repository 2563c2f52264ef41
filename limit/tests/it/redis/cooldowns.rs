//! L6: a cool-down that starts in one process holds in all others.

use std::time::{Duration, Instant};

use revio_status::Cooldown;
use revio_status_limit::CooldownSync;

use super::{server::redis, support::*};
use crate::support::{MS, SECOND};

/// Processes read the key every five seconds; a message reaches them earlier.
const BEFORE_THE_CHECK: Duration = Duration::from_millis(4_500);

const FIVE_MINUTES: Duration = Duration::from_secs(300);

fn seconds(cooldown: &Cooldown) -> u64 {
    remaining(cooldown).expect("started").as_secs()
}

/// Promise (load): A cool-down that starts in one process holds in all others.
#[tokio::test]
async fn cooldown_reaches_running_and_later_ones() {
    for (status, wait) in [(429, 60), (403, 180)] {
        let Some(redis) = redis(&[]) else { return };
        let url = redis.url();
        let (running, _running) = listen(&url);
        let (own, sync) = listen(&url);
        listeners(&redis, 2).await;
        let start = Instant::now();
        respond(&own, &sync, status, wait).await;
        until(|| running.until().is_some()).await;
        let (late, _late) = listen(&url);
        until(|| late.until().is_some()).await;
        assert!(start.elapsed() < BEFORE_THE_CHECK, "{:?}", start.elapsed());
        for cooldown in [own, running, late] {
            assert!((wait - 30..=wait).contains(&seconds(&cooldown)));
        }
    }
}

/// Promise (load): A cool-down ends at the same time in all processes, to a few milliseconds.
///
/// On a busy machine one of some rounds is on time. Whole seconds would be off by 900 ms.
#[tokio::test]
async fn end_is_exact_to_milliseconds() {
    let mut difference = Duration::MAX;
    for _ in 0..5 {
        let Some(redis) = redis(&[]) else { return };
        let (other, _other) = listen(&redis.url());
        let (own, sync) = listen(&redis.url());
        listeners(&redis, 2).await;
        respond_to_all(&own, &sync, 429, &[30_900]).await;
        until(|| other.until().is_some()).await;
        let [own, other] = [own, other].map(|cooldown| cooldown.until().expect("started"));
        assert!(other + MS >= own, "no process is early, but for rounding");
        difference = difference.min(other.saturating_duration_since(own));
    }
    assert!(difference < 5 * MS, "{difference:?}");
}

/// Promise (load): Many small extensions of a cool-down reach the other processes.
#[tokio::test]
async fn small_extensions_reach_the_others() {
    let Some(redis) = redis(&[]) else { return };
    let (other, _other) = listen(&redis.url());
    let (own, sync) = listen(&redis.url());
    listeners(&redis, 2).await;
    // Each of these extends by 300 ms: together by 6 s.
    let millis: Vec<_> = (0..=20).map(|number| 60_000 + number * 280).collect();
    respond_to_all(&own, &sync, 429, &millis).await;
    // The layer reports an extension that is a second beyond the last report.
    let reported = own.until().expect("started") - SECOND;
    until(|| other.until().is_some_and(|end| end >= reported)).await;
}

/// Promise (load): A shorter cool-down replaces no longer one, and none goes back to Redis.
#[tokio::test]
async fn cooldown_only_extends_and_has_no_echo() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let (own, sync) = listen(&url);
    let (other, shorter) = listen(&url);
    listeners(&redis, 2).await;
    respond(&own, &sync, 429, 120).await;
    until(|| other.until().is_some()).await;
    look(&redis, 2).await;
    assert_eq!(redis.calls("set"), 1);
    other.clear();
    respond(&other, &shorter, 429, 60).await;
    shorter.flush().await;
    assert_eq!(redis.calls("set"), 1);
    assert!(redis.number(&["PTTL", COOLDOWN]) > 90_000);
}

/// Promise (load): A long key left in Redis hides no newer cool-down.
#[tokio::test]
async fn long_key_hides_no_newer_cooldown() {
    for value in ["429", "200"] {
        let Some(redis) = redis(&[]) else { return };
        let (other, _other) = listen(&redis.url());
        let (own, sync) = listen(&redis.url());
        listeners(&redis, 2).await;
        let start = Instant::now();
        redis.command(&["SET", COOLDOWN, value, "EX", "72000"]);
        respond(&own, &sync, 429, 60).await;
        until(|| other.until().is_some()).await;
        assert!(start.elapsed() < BEFORE_THE_CHECK, "{:?}", start.elapsed());
        assert!((30..=60).contains(&seconds(&other)), "{other:?}");
        assert!(redis.number(&["PTTL", COOLDOWN]) <= 60_000);
    }
}

/// Promise (load): No clock, turn or key in Redis stops a process for more than five minutes.
#[tokio::test]
async fn long_key_is_obeyed_for_five_minutes() {
    for expiry in [&["EX", "99999999"][..], &[]] {
        let Some(redis) = redis(&[]) else { return };
        redis.command(&[&["SET", COOLDOWN, "429"], expiry].concat());
        let start = Instant::now();
        let (cooldown, _sync) = listen(&redis.url());
        until(|| cooldown.until().is_some()).await;
        let latest = Instant::now() + FIVE_MINUTES;
        let end = cooldown.until().expect("started");
        assert!(end > start + FIVE_MINUTES - SECOND && end <= latest + MS);
        // The next reading does not begin five minutes anew.
        assert!(redis.number(&["PTTL", COOLDOWN]) <= 300_000);
        let left = redis.number(&["PTTL", COOLDOWN]);
        tokio::time::sleep(SECOND / 10).await;
        look(&redis, 1).await;
        assert!(redis.number(&["PTTL", COOLDOWN]) < left);
    }
}

/// The layer's own maximum may be longer.
#[tokio::test]
async fn long_cooldown_is_passed_on_for_five_minutes() {
    let Some(redis) = redis(&[]) else { return };
    let (other, _other) = listen(&redis.url());
    let own = Cooldown::new(Duration::from_secs(7_200));
    let sync = CooldownSync::new(&account(&redis.url()), &own);
    listeners(&redis, 2).await;
    respond(&own, &sync, 429, 3_600).await;
    until(|| other.until().is_some()).await;
    assert!((270..=300).contains(&seconds(&other)), "{other:?}");
    assert!(
        seconds(&own) > 3_500,
        "its own is as long as the server asked for"
    );
}

/// Promise (load): A value in Redis that is no failed status stops no process, and ends no listener.
#[tokio::test]
async fn nonsense_key_starts_nothing() {
    for nonsense in ["200", "99999", "quiet!", ""] {
        let Some(redis) = redis(&[]) else { return };
        redis.command(&["SET", COOLDOWN, nonsense, "PX", "100000"]);
        let (other, _other) = listen(&redis.url());
        let (own, sync) = listen(&redis.url());
        listeners(&redis, 2).await;
        assert_eq!(other.until(), None, "{nonsense:?}");
        respond(&own, &sync, 429, 60).await;
        until(|| other.until().is_some()).await;
    }
}

/// As if the message had been lost with its connection.
#[tokio::test]
async fn lost_message_is_made_up_for() {
    let Some(redis) = redis(&[]) else { return };
    let (cooldown, _sync) = listen(&redis.url());
    listeners(&redis, 1).await;
    redis.command(&["SET", COOLDOWN, "429", "PX", "60000"]);
    until(|| cooldown.until().is_some()).await;
}

/// Promise (load): A request's own cool-down is not passed on to the account's other processes.
#[tokio::test]
async fn another_cooldown_is_not_passed_on() {
    let Some(redis) = redis(&[]) else { return };
    let (_, sync) = listen(&redis.url());
    listeners(&redis, 1).await;
    respond(&Cooldown::default(), &sync, 429, 60).await;
    sync.flush().await;
    look(&redis, 1).await;
    assert_eq!(redis.number(&["PTTL", COOLDOWN]), -2);
}

#[tokio::test]
async fn flush_waits_until_redis_has_it() {
    let Some(redis) = redis(&[]) else { return };
    let (own, sync) = listen(&redis.url());
    sync.flush().await; // nothing to wait for
    respond(&own, &sync, 429, 60).await;
    let start = Instant::now();
    sync.flush().await;
    assert!(start.elapsed() > SECOND || redis.number(&["PTTL", COOLDOWN]) > 0);
    listeners(&redis, 1).await;
    redis.signal("STOP");
    own.clear();
    respond(&own, &sync, 429, 120).await;
    let start = Instant::now();
    sync.flush().await;
    let time = start.elapsed();
    redis.signal("CONT");
    assert!(time >= 990 * MS && time < 5 * SECOND, "{time:?}");
}

/// Promise (bounds): An account has two connections to Redis: commands, and messages.
#[tokio::test]
async fn account_has_two_connections() {
    let Some(redis) = redis(&[]) else { return };
    let account = account(&redis.url());
    let cooldown = Cooldown::default();
    let _sync = CooldownSync::new(&account, &cooldown);
    let layer = revio_status_limit::LimitLayer::new(quick())
        .shared(&account, 3)
        .redis_timeout(PATIENT);
    listeners(&redis, 1).await;
    connect(&layer).await;
    turn(&layer).await.expect("a turn");
    let clients = format!("{:?}", redis.command(&["CLIENT", "LIST"]));
    let count = clients.matches("laddr=").count() - 1; // that of this command
    assert_eq!(count, 2, "{clients}");
}
