//! Compares the table of the guide's page "Why not my POST?" with the layer, cell by cell.

use std::{io, time::Duration};

use crate::support::{
    self, AnyBody, layer, request,
    wire::{Http, client},
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use revio_status::{Backoff, BoxError, Error, ReplayBody, StandardPolicy};
use tokio::net::TcpSocket;
use tower::{Layer, Service, ServiceExt, service_fn};

const SETTINGS: [&str; 4] = ["", "`retry_on`", "`retry_unsent`", "`retry_transient`"];

fn policy(setting: &str, status: Option<u16>) -> Option<StandardPolicy> {
    let policy = StandardPolicy::default()
        .backoff(Backoff::none())
        .max_attempts(2);
    Some(match setting {
        "`retry_on`" => policy.retry_on(StatusCode::from_u16(status?).expect("valid")),
        "`retry_unsent`" => policy.retry_unsent(),
        "`retry_transient`" => policy.retry_transient(),
        _ => policy,
    })
}

/// Returns the number of attempts of a request that always fails like this, and whether it may have
/// been applied.
async fn outcome(failure: &str, policy: StandardPolicy, method: Method) -> (u32, bool) {
    let mut sent = request(method);
    let error = match failure {
        "connection refused" => {
            // Bound, so that no other process gets the port, but not listening.
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
            let uri = format!("http://{}/", socket.local_addr().expect("bound"));
            *sent.uri_mut() = uri.parse().expect("a URI");
            failed(policy, client(Http::One), sent).await
        }
        "connection reset" => {
            let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
            let lost = service_fn(move |_| async move { Err::<Response<AnyBody>, _>(reset()) });
            failed(policy, lost, sent).await
        }
        "time-out waiting for a response" => {
            let silent =
                service_fn(|_| std::future::pending::<Result<Response<AnyBody>, BoxError>>());
            let timed = tower::timeout::Timeout::new(silent, Duration::from_secs(1));
            failed(policy, timed, sent).await
        }
        status => {
            let (code, asks) = (status[..3].parse::<u16>(), status.contains("Retry-After"));
            let code = code.expect("a status");
            let refusing = service_fn(move |_| async move {
                let mut response = Response::builder().status(code);
                if asks {
                    response = response.header("retry-after", "1");
                }
                response.body(support::no_body())
            });
            failed(policy, refusing, sent).await
        }
    };
    (error.attempts(), error.may_have_been_applied())
}

async fn failed<S, R>(policy: StandardPolicy, service: S, request: Request<Full<Bytes>>) -> Error
where
    S: Service<Request<ReplayBody<Full<Bytes>>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: http_body::Body,
{
    let service = layer().policy(policy).layer(service);
    service
        .oneshot(request)
        .await
        .map(drop)
        .expect_err("always")
}

/// Returns `true` if the cell promises a resend with this setting.
fn promises(cell: &str, setting: &str) -> bool {
    match cell {
        "yes" => true,
        "never" => false,
        // `retry_transient` includes `retry_unsent`.
        "with `retry_unsent`" => setting == "`retry_unsent`" || setting == "`retry_transient`",
        _ => cell == format!("with {setting}"),
    }
}

/// Promise (once): A request that is not idempotent is not resent after an attempt that may have
/// been applied.
#[tokio::test(start_paused = true)]
async fn guide_table_matches_the_layer() {
    let page = include_str!("../../../src/guide/why_not_my_post.md");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<Vec<_>> = rows
        .skip(1)
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 16);
    for row in rows {
        let [failure, applied, of_get, of_post] = row[..] else {
            panic!("four columns: {row:?}");
        };
        let status = failure.get(..3).and_then(|code| code.parse().ok());
        for (method, cell) in [(Method::GET, of_get), (Method::POST, of_post)] {
            for setting in SETTINGS {
                let Some(policy) = policy(setting, status) else {
                    continue;
                };
                let (attempts, may_be) = outcome(failure, policy, method.clone()).await;
                let place = format!("{failure}, {method}, with {setting:?}");
                assert_eq!(attempts > 1, promises(cell, setting), "{place}");
                assert_eq!(may_be, applied == "maybe", "{place}");
            }
        }
    }
}
