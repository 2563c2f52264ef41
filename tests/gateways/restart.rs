//! A gateway that is restarted under load.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request};
use http_body_util::Full;
use revio_status::{Backoff, StandardPolicy};
use tower::{Layer, ServiceExt};

use super::{
    backends::Executed,
    process::Gateway,
    support::{
        layer,
        wire::{Counter, Http, bounded, client},
    },
};

const REQUESTS: usize = 200;
const LANES: usize = 4;

/// Asserts that a restart loses no GET and applies no POST twice. GETs and POSTs alternate. The restart
/// begins when half of them are applied, and the last quarter waits until it is over.
pub async fn assert_restart_is_safe(
    gateway: &Gateway,
    http: Http,
    executed: &Executed,
    restart: impl Future<Output = ()>,
) {
    let policy = StandardPolicy::default()
        .retry_transient()
        .max_attempts(100)
        .backoff(Backoff::fixed(Duration::from_millis(20)));
    let layer = layer().policy(policy).no_budget();
    let service = layer.layer(client(http));
    let port = gateway.ports[usize::from(http == Http::Two)];
    let before = executed.count.get();
    let is_over = Counter::default();
    let send = async |number: usize| {
        if number >= REQUESTS / 4 * 3 {
            is_over.reaches(1).await;
        }
        let method = [Method::GET, Method::POST][number % 2].clone();
        let path = format!("/ledger/{http:?}/{number}");
        let request = Request::builder()
            .method(&method)
            .uri(format!("http://127.0.0.1:{port}{path}"))
            .body(Full::<Bytes>::from("{}"))
            .expect("valid");
        let result = service.clone().oneshot(request).await;
        let times = executed.times(&format!("{method} {path}"));
        match result {
            Ok(_) => assert!(times >= 1, "{method} {path}"),
            Err(error) => {
                assert_eq!(method, Method::POST, "lost: {error:?}");
                assert!(times == 0 || error.may_have_been_applied(), "{error:?}");
            }
        }
        assert!(method == Method::GET || times <= 1, "{path}: {times} times");
    };
    let lanes = join_all((0..LANES).map(async |lane| {
        for number in (lane..REQUESTS).step_by(LANES) {
            send(number).await;
        }
    }));
    let restart = async {
        executed.count.reaches(before + REQUESTS / 2).await;
        restart.await;
        is_over.add(1);
    };
    bounded(async { tokio::join!(lanes, restart) }).await;
}
