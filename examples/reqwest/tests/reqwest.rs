//! `reqwest::Client` under the layer, through the example's `Api`.

#[path = "../../../tests/support/mod.rs"]
mod support;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{
    HeaderValue, Method, Request, Response,
    header::{CONTENT_LENGTH, LOCATION, RETRY_AFTER, TRANSFER_ENCODING},
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use reqwest::{Body, Client, RequestBuilder};
use reqwest_example::Api;
use revio_status::{BoxError, Error, ResendCount, StatusKind, StopReason};
use support::{
    AnyBody, Refused, any_body, hasty,
    wire::{Server, bounded},
};

const PIECES: [&str; 3] = ["a PUT ", "in ", "pieces"];

#[tokio::test]
async fn whole_body_is_resent() {
    let received = twice(Method::PUT, Body::from(PIECES.concat())).await;
    let length = HeaderValue::from(PIECES.concat().len());
    assert_eq!(received, (Some(length), None, PIECES.concat().into()));
}

#[tokio::test]
async fn streamed_body_is_resent() {
    let stream = stream::iter(PIECES).map(Ok::<_, BoxError>);
    let received = twice(Method::PUT, Body::wrap_stream(stream)).await;
    let chunked = HeaderValue::from_static("chunked");
    assert_eq!(received, (None, Some(chunked), PIECES.concat().into()));
}

#[tokio::test]
async fn empty_body_stays_empty() {
    let received = twice(Method::DELETE, Body::default()).await;
    assert_eq!(received, (None, None, Bytes::new()));
}

#[tokio::test]
async fn failure_has_kind_and_message() {
    let server = Server::start(async |_| respond(404, "No such customer")).await;
    let api = api();
    let error = send(&api, api.http.get(server.uri("/"))).await.refused();
    assert_eq!(error.kind(), StatusKind::NotFound);
    assert_eq!(error.message(), Some("No such customer"));
    assert_eq!(error.stop_reason(), StopReason::NotRetryable);
}

/// A thousand requests against a reserve of 100.
#[tokio::test]
async fn requests_share_one_budget() {
    let count = Arc::new(AtomicU32::new(0));
    let counter = count.clone();
    let server = Server::start(move |_| {
        counter.fetch_add(1, SeqCst);
        async { respond(503, "down for good") }
    })
    .await;
    let api = api();
    for _ in 0..1_000 {
        let request = api.http.get(server.uri("/"));
        send(&api, request).await.refused();
    }
    assert_eq!(count.load(SeqCst), 1_100);
}

#[tokio::test]
async fn redirect_is_returned() {
    let server = Server::start(async |request: Request<Incoming>| match *request.method() {
        Method::GET => respond(401, "log in"),
        _ => {
            let mut response = respond(303, "accepted");
            let location = HeaderValue::from_static("/v1/Payments/7");
            response.headers_mut().insert(LOCATION, location);
            response
        }
    })
    .await;
    let api = api();
    let post = api.http.post(server.uri("/v1/Payments")).body("{}");
    let response = send(&api, post).await.expect("no failure");
    assert_eq!(response.status(), 303);
}

#[tokio::test]
async fn no_response_has_reqwest_error_as_source() {
    // No server can listen on port 0.
    same_error("http://127.0.0.1:0/?page=2", reqwest::Error::is_connect).await;
    // An invalid URL fails in the builder.
    same_error("/v1/Customers", reqwest::Error::is_builder).await;
}

async fn same_error(uri: &str, is_expected: fn(&reqwest::Error) -> bool) {
    let api = api();
    let own = api.http.get(uri).send().await.expect_err("no response");
    match send(&api, api.http.get(uri)).await {
        Err(Error::Service(error)) => {
            assert_eq!(error.get_ref().to_string(), own.to_string());
            assert!(
                error.get_ref().downcast_ref().is_some_and(is_expected),
                "{error:?}"
            );
        }
        other => panic!("not an error of reqwest: {other:?}"),
    }
}

/// `Content-Length`, `Transfer-Encoding` and the body.
type Received = (Option<HeaderValue>, Option<HeaderValue>, Bytes);

/// Sends a request to a server that responds with 503, then 200. Returns what the server received,
/// the same twice.
async fn twice(method: Method, body: Body) -> Received {
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = received.clone();
    let server = Server::start(move |request| {
        let log = log.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            let header = |name| head.headers.get(name).cloned();
            let mut log = log.lock().expect("no panic");
            log.push((header(CONTENT_LENGTH), header(TRANSFER_ENCODING), body));
            match log.len() {
                1 => respond(503, "busy"),
                _ => respond(200, "done"),
            }
        }
    })
    .await;
    let api = api();
    let request = api.http.request(method, server.uri("/")).body(body);
    let response = send(&api, request).await.expect("the resend succeeds");
    let resends = response.extensions().get::<ResendCount>();
    assert_eq!(resends.map(|resends| resends.0), Some(1));
    assert_eq!(response.text().await.expect("a whole body"), "done");
    match &received.lock().expect("no panic")[..] {
        [first, resend] if first == resend => first.clone(),
        other => panic!("two different requests: {other:?}"),
    }
}

async fn send(api: &Api, request: RequestBuilder) -> Result<reqwest::Response, Error> {
    bounded(api.send(request)).await
}

/// Ignores the environment's proxy.
fn api() -> Api {
    let direct = Client::builder().no_proxy();
    Api::new(hasty(), direct).expect("a client without TLS")
}

fn respond(status: u16, body: &'static str) -> Response<AnyBody> {
    Response::builder()
        .status(status)
        .header(RETRY_AFTER, 0)
        .body(any_body(Full::from(body)))
        .expect("a valid response")
}
