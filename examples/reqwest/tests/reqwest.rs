//! `reqwest::Client` under the layer, through the code that the example offers for copying.

#[path = "../../../tests/support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{
    HeaderValue, Method, Request, Response,
    header::{CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING},
};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use revio_status::{BoxError, Error, ResendCount, StatusKind, StopReason};
use tower::ServiceExt;

use reqwest_example::over_reqwest;
use support::{
    AnyBody, Refused, any_body, hasty,
    wire::{Server, bounded},
};

const PIECES: [&str; 3] = ["a PUT ", "in ", "pieces"];

#[tokio::test]
async fn a_whole_body_comes_again_as_it_was() {
    let received = send(Method::PUT, Full::<Bytes>::from(PIECES.concat())).await;
    let length = HeaderValue::from(PIECES.concat().len());
    assert_eq!(received, (Some(length), None, PIECES.concat().into()));
}

#[tokio::test]
async fn a_streamed_body_that_is_not_sync_comes_again_as_it_was() {
    let stream = stream::iter(PIECES).map(Ok::<_, BoxError>).boxed();
    let received = send(Method::PUT, reqwest::Body::wrap_stream(stream)).await;
    let chunked = HeaderValue::from_static("chunked");
    assert_eq!(received, (None, Some(chunked), PIECES.concat().into()));
}

#[tokio::test]
async fn an_empty_body_stays_none_at_all() {
    let received = send(Method::DELETE, reqwest::Body::default()).await;
    assert_eq!(received, (None, None, Bytes::new()));
}

#[tokio::test]
async fn a_failure_keeps_its_kind_and_message() {
    let server = Server::start(async |_| answer(404, "No such customer")).await;
    let error = call(get(&server.uri("/"))).await.refused();
    assert_eq!(error.kind(), StatusKind::NotFound);
    assert_eq!(error.message(), Some("No such customer"));
    assert_eq!(error.stop_reason(), StopReason::NotRetryable);
}

#[tokio::test]
async fn no_answer_is_the_error_of_reqwest_itself() {
    // Nobody can listen on port 0.
    same_error("http://127.0.0.1:0/?page=2", reqwest::Error::is_connect).await;
    // What is no request to reqwest does not come as far as its client.
    same_error("/v1/Customers", reqwest::Error::is_builder).await;
}

async fn same_error(uri: &str, is_expected: fn(&reqwest::Error) -> bool) {
    let own = direct().get(uri).send().await.expect_err("no answer");
    match call(get(uri)).await {
        Err(Error::Service(error)) => {
            assert_eq!(error.to_string(), own.to_string());
            assert!(error.downcast_ref().is_some_and(is_expected), "{error:?}");
        }
        other => panic!("not the inner client's error: {other:?}"),
    }
}

/// `Content-Length`, `Transfer-Encoding` and the body.
type Received = (Option<HeaderValue>, Option<HeaderValue>, Bytes);

/// Sends a request to a server that says 503 and then 200. Returns what came there, the same twice.
async fn send<B>(method: Method, body: B) -> Received
where
    B: Body<Error: Into<BoxError>> + Send + Sync + 'static,
{
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
                1 => answer(503, "busy"),
                _ => answer(200, "done"),
            }
        }
    })
    .await;
    let request = Request::builder().method(method).uri(server.uri("/"));
    let request = request.body(body).expect("a valid request");
    let response = call(request).await.expect("the resend succeeds");
    let resends = response.extensions().get::<ResendCount>();
    assert_eq!(resends.map(|resends| resends.0), Some(1));
    let body = response.into_body().collect().await.expect("a whole body");
    assert_eq!(body.to_bytes(), "done");
    match &received.lock().expect("no panic")[..] {
        [first, resend] if first == resend => first.clone(),
        other => panic!("not the same twice: {other:?}"),
    }
}

async fn call<B>(request: Request<B>) -> Result<Response<reqwest::Body>, Error>
where
    B: Body<Error: Into<BoxError>> + Send + Sync + 'static,
{
    bounded(over_reqwest(hasty(), direct()).oneshot(request)).await
}

/// Whatever proxy the environment names.
fn direct() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("a client without TLS")
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    let request = Request::get(uri).body(Full::default());
    request.expect("a valid request")
}

fn answer(status: u16, body: &'static str) -> Response<AnyBody> {
    Response::builder()
        .status(status)
        .header(RETRY_AFTER, 0)
        .body(any_body(Full::from(body)))
        .expect("a valid response")
}
