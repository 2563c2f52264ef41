//! What stands in Redis, letter by letter. Copies of `src/shared` that are older or newer read it too,
//! so what fails here wants a new number in the key's name (`account.rs`), and not only a new test.

mod support;

use std::time::Duration;

use fleet::shared::{Limit, Quiet, Settings};
use http::Request;
use redis::Value;
use revio_status::{Cooldown, TimeLimit};
use support::{PATIENT, account, command, process, redis, settings, turn, until};

const LIMIT: &str = "revio:{75af65ffc3913b3ebe1f8666cc870314}:limit:1";
const QUIET: &str = "revio:{75af65ffc3913b3ebe1f8666cc870314}:quiet:1";

const TEN_SECONDS: u64 = 10_000_000;
const DAY: u64 = 24 * 3600 * 1_000_000;

/// A turn in ten seconds.
async fn slow_limit(url: &str) -> Limit {
    let settings = Settings {
        calls: 2,
        per: Duration::from_secs(10),
        ..settings(&Cooldown::default())
    };
    Limit::shared(settings, &account(url)).await
}

/// Refused, if the next turn is not for four seconds: in how many it is.
async fn next_turn(limit: &Limit) -> Option<u64> {
    let mut request = Request::default();
    request
        .extensions_mut()
        .insert(TimeLimit(Duration::from_secs(4)));
    let error = turn(limit, request).await.err()?;
    Some(error.retry_after()?.as_secs())
}

fn text(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).expect("text"),
        other => panic!("{other:?}"),
    }
}

fn now_in_redis(url: &str) -> u64 {
    let script = "local time = redis.call('TIME') return time[1] * 1000000 + time[2]";
    match command(url, &["EVAL", script, "0"]) {
        Value::Int(now) => now.try_into().expect("later than 1970"),
        other => panic!("{other:?}"),
    }
}

/// Promise (load): Two versions or two quotas side by side do not void each other's turns.
///
/// Form 1: the next turn and when one was last booked, in microseconds by Redis' clock.
#[tokio::test]
async fn of_turns() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let limit = slow_limit(&url).await;
    let before = now_in_redis(&url);
    assert_eq!(next_turn(&limit).await, None, "at once");
    let value = text(command(&url, &["GET", LIMIT]));
    let (turn, booked) = value.split_once(' ').expect("two numbers");
    let [turn, booked] = [turn, booked].map(|number| number.parse::<u64>().expect("a number"));
    assert_eq!(turn, booked + TEN_SECONDS);
    assert!((before..=now_in_redis(&url)).contains(&booked), "{value}");

    // It is there for as long as it says something.
    let Value::Int(rest) = command(&url, &["PTTL", LIMIT]) else {
        panic!("a number")
    };
    assert!((5_000..=11_000).contains(&rest), "{rest}");

    let value = format!("{} {booked}", booked + 3 * TEN_SECONDS);
    command(&url, &["SET", LIMIT, &value]);
    let seconds = next_turn(&limit).await.expect("in half a minute");
    assert!((20..=30).contains(&seconds), "{seconds}");
}

/// It may just have been put right: what was booked half a second from now counts.
#[tokio::test]
async fn a_clock_that_is_a_little_behind_voids_no_turn() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let limit = slow_limit(&url).await;
    let now = now_in_redis(&url);
    let value = format!("{} {}", now + 3 * TEN_SECONDS, now + 900_000);
    command(&url, &["SET", LIMIT, &value]);
    assert!(next_turn(&limit).await >= Some(5));
}

/// Promise (load): Two versions or two quotas side by side do not void each other's turns.
///
/// Form 1: the status, for as long as the key is there. A message says nothing but: read it.
#[tokio::test]
async fn of_a_quiet() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    assert_eq!(account(&url).quiet_key(), QUIET);
    let cooldown = Cooldown::default();
    let _quiet = Quiet::shared(&account(&url), cooldown.clone());
    let heard = Value::Array(vec![Value::BulkString(QUIET.into()), Value::Int(1)]);
    until(|| command(&url, &["PUBSUB", "NUMSUB", QUIET]) == heard).await;
    command(&url, &["SET", QUIET, "403", "PX", "60000"]);
    command(&url, &["PUBLISH", QUIET, ""]);
    until(|| cooldown.until().is_some()).await;
}

/// Promise (load): Two versions or two quotas side by side do not void each other's turns.
///
/// As during a rolling update from one form to another: each counts by itself.
#[tokio::test]
async fn two_of_turns_side_by_side_do_not_void_each_other() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let key = account(&url).limit_key();
    let (name, number) = key.rsplit_once(':').expect("a number");
    let number: u32 = number.parse().expect("a number");
    let other = format!("{name}:{}", number + 1);
    command(&url, &["SET", &other, "of another form"]);
    let limit = slow_limit(&url).await;
    assert_eq!(next_turn(&limit).await, None, "at once");
    command(&url, &["SET", &other, "of another form still"]);
    assert!(next_turn(&limit).await >= Some(5));
    let value = command(&url, &["GET", &other]);
    assert_eq!(text(value), "of another form still");
}

/// Promise (load): Two versions or two quotas side by side do not void each other's turns.
///
/// As during a rolling update to another limit: a turn is as long as its booker's settings say.
#[tokio::test]
async fn who_has_another_limit_takes_turns_with_the_rest() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let slow = slow_limit(&url).await;
    let (_, quick) = process(&url, PATIENT).await;
    assert_eq!(next_turn(&slow).await, None, "at once");
    let seconds = next_turn(&quick).await.expect("after that of the other");
    assert!((5..=10).contains(&seconds), "{seconds}");
}

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
///
/// Whoever wrote it, the next turn is right again. No settings book one that is three days ahead.
#[tokio::test]
async fn of_none_is_a_beginning() {
    let nonsense = ["", "soon", "1", "1 2 3", "-1 -1", "1e99 1"];
    let far = ["9999999999999999 1", &"9".repeat(400), "three days"];
    for nonsense in nonsense.into_iter().chain(far) {
        let Some(redis) = redis(&[]) else { return };
        let url = redis.url();
        let in_three_days = format!("{} 1", now_in_redis(&url) + 3 * DAY);
        let nonsense = match nonsense {
            "three days" => &in_three_days,
            nonsense => nonsense,
        };
        command(&url, &["SET", LIMIT, nonsense]);
        let limit = slow_limit(&url).await;
        assert_eq!(next_turn(&limit).await, None, "{nonsense:?}");
        assert!(next_turn(&limit).await >= Some(5), "{nonsense:?}");
        assert!(limit.is_shared());
    }
}
