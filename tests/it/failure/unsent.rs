//! Which errors count as unsent: over real sockets, by hyper-util's client and by reqwest.

#[allow(dead_code)] // `in_a_process`
#[path = "../../support/tls.rs"]
mod tls;

use std::{future::Future, net::SocketAddr, time::Duration};

use crate::support::{
    self, AnyBody, any_body,
    wire::{Server, bounded},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use revio_status::{BoxError, Error, RevioStatusLayer, StandardPolicy, StopReason};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_rustls::rustls;
use tower::{ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

async fn by_hyper_util(request: Request<AnyBody>) -> Result<(), Error> {
    let trusting_nobody = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(SECOND));
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(trusting_nobody)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client = ServiceBuilder::new()
        .layer(RevioStatusLayer::new())
        .service(Client::builder(TokioExecutor::new()).build(https));
    client.oneshot(request).await.map(drop)
}

async fn by_reqwest(request: Request<AnyBody>) -> Result<(), Error> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(SECOND)
        .build()
        .expect("a client");
    let client = ServiceBuilder::new()
        .layer(RevioStatusLayer::new())
        .map_response(Response::<reqwest::Body>::from)
        .filter(|request: Request<_>| reqwest::Request::try_from(request.map(reqwest::Body::wrap)))
        .service(client);
    client.oneshot(request).await.map(drop)
}

fn pay() -> AnyBody {
    any_body(Full::from("pay"))
}

/// Asserts that both clients agree whether a POST is unsent.
async fn assert_unsent(uri: &str, is_unsent: bool) {
    let request = || Request::post(uri).body(pay()).expect("a valid request");
    for (client, sent) in [
        ("hyper-util", bounded(by_hyper_util(request())).await),
        ("reqwest", bounded(by_reqwest(request())).await),
    ] {
        let error = sent.expect_err("no response");
        let Error::Service(service) = &error else {
            panic!("{client}: {error}");
        };
        assert_eq!(service.is_unsent(), is_unsent, "{client}: {service:?}");
        assert_eq!(error.may_have_been_applied(), !is_unsent, "{client}");
    }
}

/// Returns a socket that is bound, which reserves the port, but does not listen.
fn closed() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

/// Promise (once): Only a failure to connect counts as unsent, never the kind of an I/O error
/// alone.
#[tokio::test]
async fn refused_connection_is_unsent() {
    let (_socket, address) = closed();
    assert_unsent(&format!("http://{address}/v1/Payments"), true).await;
}

#[tokio::test]
async fn unresolvable_name_is_unsent() {
    assert_unsent("http://no-such-host.invalid/v1/Payments", true).await;
}

#[tokio::test]
async fn untrusted_certificate_is_unsent() {
    let plain = Server::start(async |_| Response::new(support::no_body())).await;
    let uri = tls::in_front_of(&plain.uri(""), tls::new_host()).await;
    // hyper-util alone: reqwest is built without TLS here, and would use the same connector.
    let request = Request::post(uri).body(pay()).expect("a valid request");
    let error = bounded(by_hyper_util(request)).await.expect_err("no trust");
    assert!(error.service_error().expect("no response").is_unsent());
    assert!(!error.may_have_been_applied(), "{error:?}");
}

/// Promise (once): Only a failure to connect counts as unsent, never the kind of an I/O error
/// alone.
///
/// The listener accepts nothing: once its queue is full, connecting hangs.
#[tokio::test(start_paused = true)]
async fn connect_timeout_is_unsent() {
    let (socket, address) = closed();
    let listener = socket.listen(1).expect("a listener");
    let mut queue = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SECOND, TcpStream::connect(address)).await {
        queue.push(stream.expect("a place in the queue"));
    }
    assert_unsent(&format!("http://{address}/v1/Payments"), true).await;
    drop((listener, queue));
}

/// Starts a server that reads a request, then calls `act` on the connection. Returns its URI.
async fn after_the_request<F>(act: fn(TcpStream) -> F) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"pay") && !request.ends_with(b"0\r\n\r\n") {
                if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
                    break;
                }
            }
            act(stream).await;
        }
    });
    format!("http://{address}/v1/Payments")
}

/// Promise (once): Only a failure to connect counts as unsent, never the kind of an I/O error
/// alone.
#[tokio::test]
async fn reset_after_request_is_not_unsent() {
    let uri = after_the_request(|stream| async move {
        stream.set_zero_linger().expect("a socket");
    })
    .await;
    assert_unsent(&uri, false).await;
}

#[tokio::test]
async fn close_within_response_is_not_unsent() {
    let uri = after_the_request(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 201 Cre").await;
    })
    .await;
    assert_unsent(&uri, false).await;
}

#[tokio::test]
async fn non_http_response_is_not_unsent() {
    let uri = after_the_request(|mut stream| async move {
        let _ = stream.write_all(b"220 smtp.test ESMTP\r\n").await;
    })
    .await;
    assert_unsent(&uri, false).await;
}

#[tokio::test(start_paused = true)]
async fn tower_timeout_is_not_unsent() {
    let silent = Server::start(|_| std::future::pending::<Response<AnyBody>>()).await;
    let client = ServiceBuilder::new()
        .layer(RevioStatusLayer::new())
        .timeout(SECOND)
        .service(Client::builder(TokioExecutor::new()).build_http());
    let request = Request::post(silent.uri("/")).body(pay()).expect("valid");
    let error = client.oneshot(request).await.map(drop).expect_err("late");
    assert!(error.may_have_been_applied(), "{error:?}");
    assert!(!error.service_error().expect("no response").is_unsent());
}

#[tokio::test]
async fn cancelled_http_2_stream_is_not_unsent() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
        while let Some(Ok((_request, mut response))) = connection.accept().await {
            response.send_reset(h2::Reason::CANCEL);
        }
    });
    let http2 = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let retrying = StandardPolicy::default().retry_transient();
    let client = ServiceBuilder::new()
        .layer(RevioStatusLayer::new().policy(retrying))
        .service(http2);
    let get = Request::get(format!("http://{address}/")).body(support::no_body());
    let error = bounded(client.oneshot(get.expect("valid"))).await.map(drop);
    let error = error.expect_err("cancelled");
    assert!(error.may_have_been_applied(), "{error:?}");
    // hyper does not distinguish this error from one that no resend can fix.
    assert_eq!(error.stop_reason(), StopReason::NotRetryable);
}

/// Promise (once): Only a failure to connect counts as unsent, never the kind of an I/O error
/// alone.
///
/// The request body comes from a second host that does not listen.
#[tokio::test]
async fn request_body_connect_error_is_not_unsent() {
    let server = Server::start(|request: Request<hyper::body::Incoming>| async {
        let _ = request.into_body().collect().await;
        Response::new(support::no_body())
    })
    .await;
    let (_socket, dead) = closed();
    let dead = format!("http://{dead}/");
    for client in ["hyper-util", "reqwest"] {
        let source = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let error = source.get(dead.parse().expect("a URI")).await;
        let error = error.map(drop).expect_err("connection refused");
        assert!(error.is_connect(), "{error:?}");
        let failed = Err::<http_body::Frame<Bytes>, BoxError>(error.into());
        let body = StreamBody::new(futures_util::stream::iter([failed]));
        let request = Request::post(server.uri("/")).body(any_body(body));
        let request = request.expect("valid");
        let error = match client {
            "reqwest" => bounded(by_reqwest(request)).await,
            _ => bounded(by_hyper_util(request)).await,
        };
        let error = error.expect_err("the body failed");
        assert!(error.may_have_been_applied(), "{client}: {error:?}");
        assert!(!error.service_error().expect("no response").is_unsent());
    }
}
