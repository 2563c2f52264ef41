//! Redis gets to see no name, no credential and no address, and needs to be let do very little.

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use fleet::{server::Api, shared::Limit};
use http::{Request, header::AUTHORIZATION};
use http_body_util::Full;
use redis::Value;
use support::{ACCOUNT, Log, PATIENT, account, bounded, command, detour, process, redis, until};
use tower::ServiceExt;

const DAY: Duration = Duration::from_secs(24 * 3600);
const SECRET: &str = "horse";

/// One process makes a note and is told to be quiet at the next one; another process hears that.
async fn goes_round(url: &str) -> (Api, Limit) {
    let api = Api::start(1, 100 * DAY).await.expect("loopback");
    let (parts, limit) = process(url, PATIENT).await;
    let (other, _) = process(url, PATIENT).await;
    let client = parts.client(|_| {});
    let uri = format!("http://{}/v1/Notes?token={SECRET}", api.address());
    let post = || {
        let request = Request::post(&uri)
            .header(AUTHORIZATION, format!("Basic {SECRET}"))
            .header("Ocp-Apim-Subscription-Key", SECRET)
            .body(Full::<Bytes>::from(format!(r#"{{"note": "{SECRET}"}}"#)));
        client.clone().oneshot(request.expect("valid"))
    };
    bounded(post()).await.expect("made");
    bounded(post()).await.expect_err("told to be quiet");
    until(|| other.cooldown.until().is_some()).await;
    (api, limit)
}

#[tokio::test]
async fn no_name_no_credential_no_address_and_no_instant() {
    let Some(redis) = redis(&[]) else { return };
    let wire = Arc::<Mutex<Vec<u8>>>::default();
    let seen = wire.clone();
    let detour = detour(&redis, move |_, bytes| {
        seen.lock().expect("whole").extend_from_slice(bytes);
        Duration::ZERO
    });
    let (api, _) = goes_round(&detour.await).await;
    let wire = String::from_utf8_lossy(&wire.lock().expect("whole")).into_owned();
    let address = api.address().to_string();
    for secret in [ACCOUNT, SECRET, "Basic", "/v1", "token", &address] {
        assert!(!wire.contains(secret), "{secret}: {wire}");
    }

    let url = redis.url();
    let (limit, quiet) = (account(&url).limit_key(), account(&url).quiet_key());
    let tag = |key: &str| key.split(['{', '}']).nth(1).expect("a tag").to_owned();
    assert_eq!(tag(&limit), tag(&quiet));
    assert_eq!(tag(&limit).len(), 32);
    let Value::Array(keys) = command(&url, &["KEYS", "*"]) else {
        panic!("a list")
    };
    assert_eq!(keys.len(), 2, "{keys:?}");
    // What the others are told: the status, for how long, and in the channel nothing.
    let value = command(&url, &["GET", &quiet]);
    assert_eq!(value, Value::BulkString(b"429".to_vec()));
    let message = format!("message\r\n${}\r\n{quiet}\r\n$0\r\n\r\n", quiet.len());
    assert!(wire.contains(&message), "{wire}");
}

/// Those that the guide names, and keys and channels of ours.
#[tokio::test]
async fn few_rights_are_enough() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let rights = "ACL SETUSER fleet on >horse resetkeys ~revio:* resetchannels &revio:* -@all \
                  +eval +time +get +set +pttl +publish +subscribe";
    command(&url, &rights.split_whitespace().collect::<Vec<_>>());
    let log = Log::start();
    let (_, limit) = goes_round(&format!("{url}?user=fleet&pass=horse")).await;
    assert!(limit.is_shared());
    assert_eq!(log.warnings("Redis"), 0, "{}", log.text());
}
