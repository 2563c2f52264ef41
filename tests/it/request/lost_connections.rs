//! Lost connections, as hyper reports them: which ones are retried, and which attempts are unsent.

use std::{error::Error as StdError, io, time::Duration};

use crate::support::{
    any_body,
    body::Steps,
    layer, no_body,
    wire::{Http, bounded, client},
};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use revio_status::{Backoff, BoxError, RetryPolicy, StandardPolicy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpListener,
};
use tower::{Layer, ServiceExt};

fn policy() -> StandardPolicy {
    StandardPolicy::default()
        .backoff(Backoff::none())
        .retry_transient()
}

fn is_retryable(error: &(dyn StdError + 'static)) -> bool {
    policy().is_retryable_error(error, false)
}

fn plain() -> Request<Empty<Bytes>> {
    let request = Request::get("http://api.test/v1/Bills");
    request.body(Empty::new()).expect("valid")
}

/// A connection that the server resets is a lost connection.
#[tokio::test]
async fn reset_connection_is_retried() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let uri = format!("http://{}/", listener.local_addr().expect("bound"));
    let server = tokio::spawn(async move {
        for number in 0..2 {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.expect("a request");
            }
            if number == 0 {
                stream.set_zero_linger().expect("a socket");
                continue; // the drop resets the connection
            }
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(response).await.expect("a client");
        }
    });
    let request = Request::get(&uri).body(no_body()).expect("valid");
    let service = layer().policy(policy()).layer(client(Http::One));
    let response = bounded(service.oneshot(request)).await.expect("resent");
    assert_eq!(response.status(), 200);
    bounded(server).await.expect("two requests");
}

async fn http1() -> (http1::SendRequest<Empty<Bytes>>, DuplexStream) {
    let (near, far) = duplex(1024);
    let (sender, connection) = http1::handshake(TokioIo::new(near)).await.expect("new");
    drop(connection);
    (sender, far)
}

async fn http2() -> (http2::SendRequest<Empty<Bytes>>, DuplexStream) {
    let (near, far) = duplex(1024);
    let io = TokioIo::new(near);
    let handshake = http2::handshake(TokioExecutor::new(), io).await;
    let (sender, connection) = handshake.expect("new");
    drop(connection);
    (sender, far)
}

/// A connection that was closed before the request went out is a lost connection.
#[tokio::test]
async fn dropped_connection_is_retryable() {
    let (mut one, _far) = http1().await;
    let (mut two, _away) = http2().await;
    let closed = [
        one.ready().await.expect_err("closed"),
        two.ready().await.expect_err("closed"),
    ];
    for error in closed {
        assert!(error.is_closed() && is_retryable(&error), "{error:?}");
    }
    let canceled = [
        one.send_request(plain()).await.expect_err("canceled"),
        two.send_request(plain()).await.expect_err("canceled"),
    ];
    for error in canceled {
        assert!(error.is_canceled() && is_retryable(&error), "{error:?}");
    }
}

/// hyper's own timeout is a lost connection.
#[tokio::test(start_paused = true)]
async fn http2_keep_alive_time_out_is_retryable() {
    let (near, far) = duplex(64 * 1024);
    tokio::spawn(async move {
        let mut server = h2::server::handshake(far).await.expect("HTTP/2");
        let request = server.accept().await.expect("a request");
        // The connection is not polled from here on, so no ping is acknowledged.
        std::future::pending::<()>().await;
        drop(request);
    });
    let handshake = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(1))
        .keep_alive_timeout(Duration::from_secs(1))
        .handshake(TokioIo::new(near));
    let (mut sender, connection) = handshake.await.expect("HTTP/2");
    tokio::spawn(connection);
    let result = bounded(sender.send_request(plain())).await;
    let error = result.map(drop).expect_err("timed out");
    assert!(error.is_timeout() && is_retryable(&error), "{error:?}");
}

/// Returns hyper's error for a request whose body fails.
async fn body_failure(error: BoxError) -> hyper::Error {
    let (near, far) = duplex(1024);
    let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.expect("new");
    tokio::spawn(connection);
    let failure =
        futures_util::stream::once(async move { Err::<http_body::Frame<Bytes>, _>(error) });
    let body = http_body_util::StreamBody::new(failure);
    let request = Request::post("/v1/Payments").header("host", "api.test");
    let request = request.body(body).expect("valid");
    let result = bounded(sender.send_request(request)).await;
    drop(far);
    result.map(drop).expect_err("the body fails")
}

/// An error of the caller's own body, below hyper's, is not retried.
#[tokio::test]
async fn reset_below_hypers_user_error_is_final() {
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    let error = body_failure(reset.into()).await;
    assert!(error.is_user(), "{error:?}");
    assert!(!is_retryable(&error), "{error:?}");
}

/// A body's connect error below hyper's error makes no request unsent.
#[tokio::test]
async fn connect_error_of_a_body_is_not_unsent() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let uri = format!("http://{}/", socket.local_addr().expect("bound"));
    let refused = client::<Full<Bytes>>(Http::One).get(uri.parse().expect("a URI"));
    let refused = bounded(refused).await.expect_err("refused");
    assert!(policy().is_unsent(&refused), "alone it is");
    let error = body_failure(refused.into()).await;
    assert!(!policy().is_unsent(&error), "{error:?}");
}

#[test]
fn only_lost_connections_are_retryable_io() {
    use io::ErrorKind::*;
    for kind in [
        BrokenPipe,
        ConnectionAborted,
        ConnectionReset,
        NotConnected,
        TimedOut,
        UnexpectedEof,
    ] {
        assert!(is_retryable(&io::Error::from(kind)), "{kind:?}");
    }
    for kind in [
        ConnectionRefused,
        InvalidData,
        InvalidInput,
        NotFound,
        Other,
        PermissionDenied,
        WriteZero,
    ] {
        assert!(!is_retryable(&io::Error::from(kind)), "{kind:?}");
    }
}

/// A body that fails ends its request; it is not sent again.
#[tokio::test]
async fn failing_body_over_the_wire_is_final() {
    let server =
        crate::support::wire::Server::start(|_| async { http::Response::new(no_body()) }).await;
    let body = Steps::new([
        crate::support::body::data("pay"),
        crate::support::body::Step::Fail("disk"),
    ]);
    let request = Request::builder().method(Method::PUT).uri(server.uri("/"));
    let request = request.body(any_body(body)).expect("valid");
    let service = layer().policy(policy()).layer(client(Http::One));
    let error = bounded(service.oneshot(request))
        .await
        .expect_err("the body's");
    assert_eq!(error.attempts(), 1);
}
