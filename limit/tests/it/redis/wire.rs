//! L7, L8: what Redis holds, letter by letter. Other versions of this crate read it too: if a test here
//! fails, a key needs a new number (`account.rs`), and not only the test another text.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use redis::Value;
use revio_status::{BoxError, Cooldown, RevioStatusLayer};
use revio_status_limit::{CooldownSync, LimitLayer, Quota};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::{
    server::{RedisServer, redis},
    support::*,
};
use crate::support::SECOND;

const SECRET: &str = "horse";
const TEN_SECONDS: u64 = 10_000_000;
const DAY: u64 = 24 * 3600 * 1_000_000;

/// A turn in ten seconds, for requests that wait at most four.
async fn slow(redis: &RedisServer) -> LimitLayer {
    let quota = Quota::new(2, 10 * SECOND);
    connected(&redis.url(), quota).await.max_wait(4 * SECOND)
}

/// A whole client sends secrets, and is asked to wait; another process hears of it.
async fn use_everything(redis: &RedisServer, url: &str) -> LimitLayer {
    let (other, _other) = listen(url);
    let (account, cooldown) = (account(url), Cooldown::default());
    let sync = CooldownSync::new(&account, &cooldown);
    listeners(redis, 2).await;
    let limit = LimitLayer::new(quick())
        .cooldown(cooldown.clone())
        .shared(&account, 3)
        .redis_timeout(PATIENT);
    connect(&limit).await;
    let layer = RevioStatusLayer::new().cooldown(cooldown);
    let service = ServiceBuilder::new()
        .layer(layer.on_event(move |event| sync.on_event(event)))
        .layer(limit.clone())
        .service(service_fn(|_: Request<_>| async {
            let response = Response::builder().status(429).header("retry-after", "60");
            let body = Full::<Bytes>::from(SECRET);
            response.body(body).map_err(BoxError::from)
        }));
    let request = Request::post(format!("http://api.test/v1/Notes?token={SECRET}"))
        .header(AUTHORIZATION, format!("Basic {SECRET}"))
        .header("Ocp-Apim-Subscription-Key", SECRET)
        .body(Full::<Bytes>::from(SECRET));
    let error = bounded(service.oneshot(request.expect("valid"))).await;
    error.map(drop).expect_err("asked to wait");
    until(|| other.until().is_some()).await;
    limit
}

/// Promise (bounds): Redis sees no credential, URL, host or account name.
#[tokio::test]
async fn redis_sees_no_secret() {
    let Some(redis) = redis(&[]) else { return };
    let log = Log::start();
    let wire = Arc::<Mutex<Vec<u8>>>::default();
    let seen = wire.clone();
    let url = detour(&redis, move |_, bytes| {
        seen.lock().expect("no panic").extend_from_slice(bytes);
        Duration::ZERO
    });
    let _limit = use_everything(&redis, &url.await).await;
    let wire = String::from_utf8_lossy(&wire.lock().expect("no panic")).into_owned();
    for secret in [ACCOUNT, "acme", SECRET, "Basic", "/v1", "token", "api.test"] {
        assert!(!wire.contains(secret), "{secret}: {wire}");
    }
    assert!(!log.text().contains(SECRET), "{}", log.text());
    let Value::Array(keys) = redis.command(&["KEYS", "*"]) else {
        panic!("a list")
    };
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(redis.text(&["GET", COOLDOWN]), "429");
    let message = format!("message\r\n${}\r\n{COOLDOWN}\r\n$0\r\n\r\n", COOLDOWN.len());
    assert!(wire.contains(&message), "{wire}");
}

/// Promise (bounds): The rights that the README names suffice in Redis.
#[tokio::test]
async fn few_rights_suffice() {
    let Some(redis) = redis(&[]) else { return };
    let rights = "ACL SETUSER revio on >horse resetkeys ~revio:* resetchannels &revio:* -@all \
                  +eval +time +get +set +pttl +pexpire +publish +subscribe";
    redis.command(&rights.split_whitespace().collect::<Vec<_>>());
    redis.command(&["SET", COOLDOWN, "200"]); // which is clamped
    let log = Log::start();
    let url = format!("{}?user=revio&pass={SECRET}", redis.url());
    let limit = use_everything(&redis, &url).await;
    assert!(limit.is_shared());
    assert_eq!(log.count("WARN", "Redis"), 0, "{}", log.text());
}

/// Version 2: the next turn, and the time of the last booking, in microseconds on Redis' clock.
#[tokio::test]
async fn turn_key_has_version_2() {
    let Some(redis) = redis(&[]) else { return };
    let layer = slow(&redis).await;
    let before = redis.now();
    assert_eq!(next_turn(&layer).await, None, "at once");
    let value = redis.text(&["GET", LIMIT]);
    let (turn, booked) = value.split_once(' ').expect("two numbers");
    let [turn, booked] = [turn, booked].map(|number| number.parse::<u64>().expect("a number"));
    assert_eq!(turn, booked + TEN_SECONDS);
    assert!((before..=redis.now()).contains(&booked), "{value}");
    // The key is there for as long as it says something.
    let left = redis.number(&["PTTL", LIMIT]);
    assert!((5_000..=11_000).contains(&left), "{left}");

    let value = format!("{} {booked}", booked + 3 * TEN_SECONDS);
    redis.command(&["SET", LIMIT, &value]);
    let seconds = next_turn(&layer).await.expect("in half a minute");
    assert!((20..=30).contains(&seconds), "{seconds}");
}

/// A clock that is adjusted: a booking half a second from now counts.
#[tokio::test]
async fn clock_slightly_behind_voids_no_turn() {
    let Some(redis) = redis(&[]) else { return };
    let layer = slow(&redis).await;
    let now = redis.now();
    let value = format!("{} {}", now + 3 * TEN_SECONDS, now + 900_000);
    redis.command(&["SET", LIMIT, &value]);
    assert!(next_turn(&layer).await >= Some(5));
}

/// Version 2: the status, for as long as the key is there. A message is empty: read the key.
#[tokio::test]
async fn cooldown_key_has_version_2() {
    let Some(redis) = redis(&[]) else { return };
    let (cooldown, _sync) = listen(&redis.url());
    listeners(&redis, 1).await;
    redis.command(&["SET", COOLDOWN, "403", "PX", "60000"]);
    redis.command(&["PUBLISH", COOLDOWN, ""]);
    until(|| cooldown.until().is_some()).await;
}

/// Promise (load): Two versions or two quotas side by side do not void each other's turns.
#[tokio::test]
async fn two_versions_side_by_side() {
    let Some(redis) = redis(&[]) else { return };
    let layer = slow(&redis).await;
    for other in ["1", "3"] {
        let other = LIMIT.replace(":2", &format!(":{other}"));
        redis.command(&["SET", &other, "another form"]);
    }
    assert_eq!(next_turn(&layer).await, None, "at once");
    assert!(next_turn(&layer).await >= Some(5));
    for other in ["1", "3"] {
        let other = LIMIT.replace(":2", &format!(":{other}"));
        assert_eq!(redis.text(&["GET", &other]), "another form");
    }
}

/// Promise (load): Two versions or two quotas side by side do not void each other's turns.
#[tokio::test]
async fn two_quotas_side_by_side() {
    let Some(redis) = redis(&[]) else { return };
    let slow = slow(&redis).await;
    let quick = connected(&redis.url(), quick()).await.max_wait(4 * SECOND);
    assert_eq!(next_turn(&slow).await, None, "at once");
    let seconds = next_turn(&quick).await.expect("after that of the other");
    assert!((5..=10).contains(&seconds), "{seconds}");
}

/// No settings book a turn that is three days ahead.
#[tokio::test]
async fn nonsense_turn_key_starts_fresh() {
    let Some(redis) = redis(&[]) else { return };
    let far = format!("{} 1", redis.now() + 3 * DAY);
    let long = "9".repeat(400);
    let nonsense = ["", "soon", "1", "1 2 3", "-1 -1", "1e99 1"];
    for nonsense in nonsense
        .into_iter()
        .chain(["9999999999999999 1", &long, &far])
    {
        let layer = slow(&redis).await;
        redis.command(&["SET", LIMIT, nonsense]);
        assert_eq!(next_turn(&layer).await, None, "{nonsense:?}");
        assert!(next_turn(&layer).await >= Some(5), "{nonsense:?}");
        assert!(layer.is_shared());
    }
}
