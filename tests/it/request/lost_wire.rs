//! Refused connections and lost responses, over real sockets.

use std::sync::{Arc, Mutex};

use crate::support::{
    self, AnyBody, any_body,
    body::*,
    layer,
    wire::{Http, Server, bounded, client, on_both},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header::ETAG};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use revio_status::{Backoff, BoxError, Error, Event, RevioStatusLayer, StandardPolicy, StopReason};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
};
use tower::{Layer, ServiceExt};

fn policy() -> StandardPolicy {
    StandardPolicy::default().backoff(Backoff::none())
}

fn hasty(policy: StandardPolicy) -> RevioStatusLayer {
    layer().policy(policy)
}

async fn send(
    layer: RevioStatusLayer,
    http: Http,
    request: Request<AnyBody>,
) -> Result<Response<Incoming>, Error> {
    bounded(layer.layer(client(http)).oneshot(request)).await
}

/// The applied requests: body and trailers.
type Ledger = Arc<Mutex<Vec<(Bytes, Option<HeaderMap>)>>>;

/// Returns a port that refuses this many connections and then listens, and a retrying layer.
fn refusing(times: u32, ledger: &Ledger) -> (String, RevioStatusLayer) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let uri = format!("http://{}/v1/Payments", socket.local_addr().expect("bound"));
    let door = Mutex::new((times, Some(socket)));
    let ledger = ledger.clone();
    let layer = hasty(policy().retry_unsent()).on_event(move |event| {
        let Event::RetryScheduled { attempt, .. } = event else {
            return;
        };
        assert!(attempt.is_unsent() && attempt.error().is_some());
        let mut door = door.lock().expect("no panic");
        door.0 -= 1;
        if door.0 > 0 {
            return;
        }
        let Some(socket) = door.1.take() else { return };
        let ledger = ledger.clone();
        let listener = socket.listen(8).expect("a listener");
        Server::on(listener, move |request: Request<Incoming>| {
            let ledger = ledger.clone();
            async move {
                let body = request.into_body().collect().await.expect("whole");
                let trailers = body.trailers().cloned();
                let execution = (body.to_bytes(), trailers);
                ledger.lock().expect("no panic").push(execution);
                Response::new(support::no_body())
            }
        });
    });
    (uri, layer)
}

/// Promise (once): A request whose connection was refused arrives once and whole.
#[tokio::test]
async fn post_after_refused_connection_arrives_once() {
    on_both(async |http| {
        let ledger = Ledger::default();
        let (uri, layer) = refusing(2, &ledger);
        let trailers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"7\""))]);
        let steps = [
            data("pay "),
            Step::Yield,
            data("once"),
            Step::Trailers(trailers.clone()),
        ];
        let request = Request::post(uri).header("trailer", "etag");
        let request = request.body(any_body(Steps::new(steps))).expect("valid");
        send(layer, http, request)
            .await
            .expect("the third attempt succeeds");
        let executed = ledger.lock().expect("no panic").clone();
        assert_eq!(executed, [("pay once".into(), Some(trailers))]);
    })
    .await;
}

/// A server that applies every complete request, and cuts its first response short.
async fn breaking() -> (String, Arc<Mutex<u32>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let uri = format!("http://{}/", listener.local_addr().expect("bound"));
    let executed = Arc::new(Mutex::new(0));
    let ledger = executed.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"pay") {
                stream.read_buf(&mut request).await.expect("a request");
            }
            let number = {
                let mut executed = ledger.lock().expect("no panic");
                *executed += 1;
                *executed
            };
            let response: &[u8] = match number {
                1 => b"HTTP/1.1 201 Crea",
                _ => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            };
            stream.write_all(response).await.expect("a client");
        }
    });
    (uri, executed)
}

/// Promise (once): A request that is not idempotent is not resent after an attempt that may have
/// been applied.
#[tokio::test]
async fn broken_response_resends_get_not_post() {
    let retrying = || hasty(policy().retry_transient());
    let (uri, executed) = breaking().await;
    let get = Request::get(uri).body(support::no_body()).expect("valid");
    send(retrying(), Http::One, get)
        .await
        .expect("the second response");
    assert_eq!(*executed.lock().expect("no panic"), 2);

    let (uri, executed) = breaking().await;
    let post = Request::post(uri).body(any_body(Full::from("pay")));
    let error = send(retrying(), Http::One, post.expect("valid")).await;
    let error = error.map(drop).expect_err("lost");
    assert_eq!(
        (error.stop_reason(), error.may_have_been_applied()),
        (StopReason::NotIdempotent, true)
    );
    assert_eq!(*executed.lock().expect("no panic"), 1);
}

#[tokio::test]
async fn closed_connection_is_no_response() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let uri = format!("http://{}/", listener.local_addr().expect("bound"));
    let hung_up = support::wire::Counter::default();
    let count = hung_up.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            count.add(1);
        }
    });
    let get = Request::get(uri).body(support::no_body()).expect("valid");
    let error = send(hasty(policy().retry_transient()), Http::One, get).await;
    let error = error.map(drop).expect_err("lost");
    assert_eq!((error.attempts(), hung_up.get()), (3, 3));
    assert_eq!(error.stop_reason(), StopReason::AttemptsExhausted);
}

#[tokio::test]
async fn permanent_error_is_not_retried() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let no_http = format!("http://{}/", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"220 smtp.test ESMTP\r\n").await;
        }
    });
    let polite = Server::start(|request: Request<Incoming>| async {
        let _ = request.into_body().collect().await;
        Response::new(support::no_body())
    })
    .await;
    let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let body = futures_util::stream::iter([Err::<http_body::Frame<Bytes>, BoxError>(lost.into())]);
    let broken = any_body(http_body_util::StreamBody::new(body));
    for (uri, body) in [(no_http, support::no_body()), (polite.uri("/"), broken)] {
        let request = Request::builder().method(Method::PUT).uri(uri);
        let request = request.body(body).expect("valid");
        let error = send(hasty(policy().retry_transient()), Http::One, request).await;
        let error = error.map(drop).expect_err("permanent");
        assert_eq!(
            (error.attempts(), error.stop_reason()),
            (1, StopReason::NotRetryable),
            "{error:?}"
        );
    }
}
