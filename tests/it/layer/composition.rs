//! Layers of tower and tower-http around and below `RevioStatusLayer`.

use std::{
    io::Write,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use crate::support::{AnyBody, Refused, body::*, get, hasty, script::*, with_body};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{Full, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use revio_status::{Error, StatusError, StatusKind, StopReason};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tower::{
    ServiceBuilder, ServiceExt, load_shed::error::Overloaded, timeout::error::Elapsed,
    util::BoxCloneSyncService,
};
use tower_http::{
    auth::AddAuthorizationLayer,
    decompression::DecompressionLayer,
    follow_redirect::FollowRedirectLayer,
    limit::RequestBodyLimitLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    timeout::ResponseBodyTimeoutLayer,
};

const SECOND: Duration = Duration::from_secs(1);

/// Never returns.
async fn no_response<B>(_: Request<B>) -> Result<Response<AnyBody>, std::convert::Infallible> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn inner_timeout_limits_each_attempt() {
    let script = Script::new([
        answer(503).retry_after("4"),
        answer(503).retry_after("4"),
        answer(200),
    ]);
    let stack = ServiceBuilder::new().layer(hasty()).timeout(5 * SECOND);
    let begun = Instant::now();
    stack
        .service(script)
        .oneshot(get())
        .await
        .expect("each attempt is in time");
    assert_eq!(begun.elapsed(), 8 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn inner_timeout_is_no_response() {
    let stack = ServiceBuilder::new().layer(hasty()).timeout(5 * SECOND);
    let error = stack
        .service_fn(no_response)
        .oneshot(get())
        .await
        .expect_err("no response");
    assert!(matches!(&error, Error::Service(inner) if inner.get_ref().is::<Elapsed>()));
    assert!(error.may_have_been_applied());
}

#[tokio::test(start_paused = true)]
async fn outer_timeout_limits_the_request() {
    let begun = Instant::now();
    let script = Script::new([answer(503).retry_after("4")]);
    let stack = ServiceBuilder::new().timeout(5 * SECOND).layer(hasty());
    let error = stack
        .service(script.clone())
        .oneshot(get())
        .await
        .expect_err("too late");
    assert!(error.is::<Elapsed>());
    assert_eq!((begun.elapsed(), script.count()), (5 * SECOND, 2));
}

#[tokio::test(start_paused = true)]
async fn inner_rate_limit_counts_resends() {
    let script = Script::new([503, 503, 200]);
    let stack = ServiceBuilder::new()
        .layer(hasty())
        .buffer(8)
        .rate_limit(2, 10 * SECOND);
    stack
        .service(script.clone())
        .oneshot(get())
        .await
        .expect("retried");
    assert_eq!(script.waits(), [Duration::ZERO, 10 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn status_error_is_found_through_buffer() {
    let stack = ServiceBuilder::new().buffer(8).layer(hasty());
    let error = stack
        .service(Script::new([503]))
        .oneshot(get())
        .await
        .expect_err("503");
    let found = StatusError::find(&*error).expect("a failed response");
    assert_eq!(found.stop_reason(), StopReason::AttemptsExhausted);
}

#[tokio::test]
async fn shed_request_is_no_response() {
    let stack = ServiceBuilder::new()
        .layer(hasty())
        .load_shed()
        .concurrency_limit(1);
    let service = stack.service_fn(no_response);
    let stuck = tokio::spawn(service.clone().oneshot(get()));
    tokio::task::yield_now().await;
    let error = service.oneshot(get()).await.expect_err("shed");
    assert!(matches!(error, Error::Service(inner) if inner.get_ref().is::<Overloaded>()));
    stuck.abort();
}

#[tokio::test]
async fn layer_works_inside_and_around_a_box() {
    let boxed: BoxCloneSyncService<Request<Full<Bytes>>, Response<AnyBody>, Error> =
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .layer(hasty())
                .layer_fn(BoxCloneSyncService::new)
                .service(Script::new([503, 404])),
        );
    assert_eq!(
        boxed.oneshot(get()).await.refused().kind(),
        StatusKind::NotFound
    );
}

#[tokio::test]
async fn redirect_passes_to_outer_layer() {
    let moved = answer(301).header("location", "http://api.test/v2/Customers/1001");
    let script = Script::new([moved, answer(503), answer(200)]);
    let stack = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(hasty());
    stack
        .service(script.clone())
        .oneshot(get())
        .await
        .expect("followed");
    let paths = script
        .sent()
        .into_iter()
        .map(|sent| sent.head.uri.path().to_owned());
    let [old, new] = ["/v1/Customers/1001", "/v2/Customers/1001"];
    assert_eq!(paths.collect::<Vec<_>>(), [old, new, new]);
}

fn gzipped(text: &str) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory").into()
}

#[tokio::test]
async fn message_needs_decompression_below() {
    let failure = answer(503)
        .header("content-encoding", "gzip")
        .body([data(gzipped("Back at noon"))]);
    let below = ServiceBuilder::new()
        .layer(hasty())
        .layer(DecompressionLayer::new());
    let error = below
        .service(Script::new([failure.clone()]))
        .oneshot(get())
        .await
        .refused();
    assert_eq!(error.message(), Some("Back at noon"));
    let above = ServiceBuilder::new()
        .layer(DecompressionLayer::new())
        .layer(hasty());
    let error = above
        .service(Script::new([failure]))
        .oneshot(get())
        .await
        .map(drop);
    let error = error.expect_err("503");
    let error = error.status_error().expect("a failed response");
    assert_eq!(
        (error.message(), error.body()),
        (None, &gzipped("Back at noon"))
    );
}

#[derive(Clone, Default)]
struct Numbers(std::sync::Arc<AtomicU32>);

impl MakeRequestId for Numbers {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let number = self.0.fetch_add(1, SeqCst);
        Some(RequestId::new(number.into()))
    }
}

#[tokio::test]
async fn outer_request_id_stays_on_resend() {
    let script = Script::new([503, 503, 200]);
    let service = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(Numbers::default()))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(hasty())
        .service(script.clone());
    for expected in ["0", "1"] {
        let response = service.clone().oneshot(get()).await.expect("retried");
        assert_eq!(response.headers()["x-request-id"], expected);
    }
    let ids: Vec<_> = script
        .sent()
        .iter()
        .map(|s| s.head.headers["x-request-id"].clone())
        .collect();
    assert_eq!(ids, ["0", "0", "0", "1"]);
}

#[tokio::test]
async fn authorization_is_on_each_attempt() {
    let authorize = AddAuthorizationLayer::basic("user@client", "password").as_sensitive(true);
    let script = Script::new([503, 503, 200]);
    let above = ServiceBuilder::new()
        .layer(authorize.clone())
        .layer(hasty());
    above
        .service(script.clone())
        .oneshot(get())
        .await
        .expect("retried");
    let below = ServiceBuilder::new().layer(hasty()).layer(authorize);
    below
        .service(script.clone())
        .oneshot(get())
        .await
        .expect("200");
    let sent = script.sent();
    assert_eq!(sent.len(), 4);
    assert!(
        sent.iter()
            .all(|s| s.head.headers[AUTHORIZATION].is_sensitive())
    );
}

#[tokio::test]
async fn inner_body_limit_is_a_413() {
    let script = Script::new([200]);
    let stack = ServiceBuilder::new()
        .layer(hasty())
        .layer(RequestBodyLimitLayer::new(3));
    let mut request = with_body(Method::PUT, Full::<Bytes>::from("long"));
    request.headers_mut().insert("content-length", 4.into());
    let error = stack
        .service(script.clone())
        .oneshot(request)
        .await
        .refused();
    assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(script.count(), 0);
}

#[tokio::test]
async fn inner_response_limit_truncates_error_body() {
    let service = ServiceBuilder::new()
        .layer(hasty())
        .map_response(|response: Response<AnyBody>| response.map(|body| Limited::new(body, 4)))
        .service(Script::new([
            answer(400).body([data("what"), data(" happened")])
        ]));
    let error = service.oneshot(get()).await.refused();
    assert_eq!(
        (&error.body()[..], error.is_body_truncated()),
        (&b"what"[..], true)
    );
}

#[tokio::test(start_paused = true)]
async fn inner_body_timeout_truncates_error_body() {
    let begun = Instant::now();
    let stack = ServiceBuilder::new()
        .layer(hasty())
        .layer(ResponseBodyTimeoutLayer::new(SECOND));
    let failure = answer(400).body([data("what"), Step::Hang]);
    let error = stack
        .service(Script::new([failure]))
        .oneshot(get())
        .await
        .refused();
    assert_eq!(
        (&error.body()[..], error.is_body_truncated()),
        (&b"what"[..], true)
    );
    assert_eq!(begun.elapsed(), SECOND);
}

/// hyper-util resends a request if its connection closed before any byte was written.
#[tokio::test]
async fn sends_are_bounded_if_connections_close() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("loopback");
    let address = listener.local_addr().expect("bound");
    let received = std::sync::Arc::new(AtomicU32::new(0));
    let count = received.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n")
                && stream.read_buf(&mut request).await.is_ok_and(|n| n > 0)
            {}
            if request.ends_with(b"\r\n\r\n") {
                count.fetch_add(1, SeqCst);
                // Closes the connection without `Connection: close`.
                let response = b"HTTP/1.1 503  Later\r\ncontent-length: 0\r\n\r\n";
                let _ = stream.write_all(response).await;
            }
        }
    });
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = ServiceBuilder::new()
        .layer(hasty().no_budget())
        .service(client);
    for _ in 0..50 {
        let request = Request::get(format!("http://{address}/v1/Bills"));
        let request = request.body(Full::<Bytes>::default()).expect("valid");
        // Which of the two comes depends on which side closes first.
        match service
            .clone()
            .oneshot(request)
            .await
            .expect_err("503, or no response")
        {
            Error::Status(error) => assert_eq!(error.attempts(), 3),
            Error::Service(_) => {}
        }
    }
    let received = received.load(SeqCst);
    assert!(
        (1..=150).contains(&received),
        "{received} sends for 50 requests"
    );
}
