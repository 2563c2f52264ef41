//! The error body: read to its end or its limits, marked if truncated, copied out of its buffers.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use crate::support::{
    Refused,
    body::*,
    get, hasty, layer, post, request,
    script::*,
    wire::{Http, bounded, client},
};
use bytes::Bytes;
use http::{Method, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use revio_status::StatusError;
use tokio::{net::TcpListener, time::Instant};
use tower::{Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

async fn captured(layer: impl Layer<Script, Service: Captures>, steps: Vec<Step>) -> StatusError {
    layer
        .layer(Script::new([answer(500).body(steps)]))
        .get()
        .await
}

/// A service of this crate over the script, with any policy.
trait Captures {
    fn get(self) -> impl Future<Output = StatusError>;
}

impl<P: revio_status::RetryPolicy + Clone> Captures for revio_status::RevioStatus<Script, P> {
    async fn get(self) -> StatusError {
        self.oneshot(get()).await.refused()
    }
}

/// A buffer that counts itself down when dropped.
struct Buffer {
    bytes: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Relaxed);
    }
}

fn buffer(alive: &Arc<AtomicUsize>, size: usize) -> Bytes {
    alive.fetch_add(1, Relaxed);
    Bytes::from_owner(Buffer {
        bytes: vec![b'x'; size],
        alive: alive.clone(),
    })
}

fn long(length: usize) -> Bytes {
    (0..length).map(|place| place as u8).collect()
}

#[tokio::test]
async fn body_is_kept_unchanged() {
    let steps = vec![
        data("what "),
        Step::Yield,
        data(""),
        data("happened"),
        data("?"),
    ];
    let error = captured(layer(), steps).await;
    assert_eq!(
        (&error.body()[..], error.is_body_truncated()),
        (&b"what happened?"[..], false)
    );
    let error = captured(layer(), vec![]).await;
    assert_eq!((error.body().len(), error.is_body_truncated()), (0, false));
}

/// Promise (cause): An error body is read to its end, its limit, its timeout or the deadline, and
/// the error says if it is truncated.
#[tokio::test]
async fn error_body_limit_is_exact() {
    let all = long(10);
    for (chunks, whole) in [
        (vec![10], true),
        (vec![4, 6], true),
        (vec![11], false),
        (vec![10, 1], false),
        (vec![4, 7], false),
    ] {
        let source = long(11);
        let mut left = source.clone();
        let steps = chunks
            .iter()
            .map(|size| data(left.split_to(*size)))
            .collect();
        let error = captured(layer().error_body_limit(10), steps).await;
        assert_eq!(
            (error.body(), !error.is_body_truncated()),
            (&all, whole),
            "{chunks:?}"
        );
    }
}

#[tokio::test]
async fn trailers_and_empty_frames_do_not_count() {
    let steps = vec![
        data(""),
        data(long(10)),
        data(""),
        Step::Trailers(Default::default()),
    ];
    let error = captured(layer().error_body_limit(10), steps).await;
    assert!(!error.is_body_truncated());
}

#[tokio::test]
async fn zero_limit_keeps_nothing_and_truncates() {
    let error = captured(layer().error_body_limit(0), vec![data("x")]).await;
    assert_eq!((error.body().len(), error.is_body_truncated()), (0, true));
    let error = captured(layer().error_body_limit(0), vec![]).await;
    assert!(!error.is_body_truncated());
}

#[tokio::test]
async fn error_body_limit_is_64_kib_by_default() {
    for (length, truncated) in [(65_536, false), (65_537, true)] {
        let error = captured(layer(), vec![data(long(length))]).await;
        assert_eq!(
            (error.body().len(), error.is_body_truncated()),
            (65_536, truncated)
        );
    }
}

/// Promise (cause): An error body is read to its end, its limit, its timeout or the deadline, and
/// the error says if it is truncated.
#[tokio::test(start_paused = true)]
async fn error_body_timeout_is_5_s_by_default() {
    let begun = Instant::now();
    let drip = std::iter::repeat_n([data("drip"), Step::Wait(2 * SECOND)], 9)
        .flatten()
        .collect();
    let error = captured(layer(), drip).await;
    assert_eq!(
        (&error.body()[..], error.is_body_truncated()),
        (&b"dripdripdrip"[..], true)
    );
    assert_eq!(begun.elapsed(), 5 * SECOND);
}

/// Promise (cause): An error body is read to its end, its limit, its timeout or the deadline, and
/// the error says if it is truncated.
#[tokio::test(start_paused = true)]
async fn reading_ends_at_the_deadline() {
    for request in [get(), post()] {
        let begun = Instant::now();
        let script = Script::new([answer(503).body([data("all there is"), Step::Hang])]);
        let service = layer().time_limit(2 * SECOND).layer(script);
        let error = service.oneshot(request).await.refused();
        assert_eq!(
            (&error.body()[..], error.is_body_truncated()),
            (&b"all there is"[..], true)
        );
        assert_eq!(begun.elapsed(), 2 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn zero_timeout_keeps_received_bytes() {
    let steps = vec![data("here"), Step::Wait(SECOND), data("late")];
    let error = captured(layer().error_body_timeout(Duration::ZERO), steps).await;
    assert_eq!(
        (&error.body()[..], error.is_body_truncated()),
        (&b"here"[..], true)
    );
}

/// Promise (cause): From 400 the result is an error of the status's kind, whatever the body.
#[tokio::test]
async fn broken_body_keeps_status_and_received_bytes() {
    let script = Script::new([answer(404)
        .header("x-node", "7")
        .body([data("{\"mess"), Step::Fail("connection reset")])]);
    let error = layer().layer(script).oneshot(get()).await.refused();
    assert_eq!(error.status(), 404);
    assert_eq!(error.headers()["x-node"], "7");
    assert_eq!(
        (&error.body()[..], error.is_body_truncated()),
        (&b"{\"mess"[..], true)
    );
}

#[tokio::test]
async fn endless_empty_frames_end_the_reading() {
    let endless = tower::service_fn(|_| async {
        let mut response = Response::new(Steps::forever([data("")]));
        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        Ok::<_, Infallible>(response)
    });
    let error = layer().layer(endless).oneshot(get()).await.refused();
    assert_eq!((error.body().len(), error.is_body_truncated()), (0, true));
}

#[tokio::test(start_paused = true)]
async fn broken_body_allows_retry() {
    let script = Script::new([answer(503).body([Step::Fail("reset")]), answer(200)]);
    let response = hasty().layer(script).oneshot(get()).await.expect("retried");
    assert_eq!(response.status(), 200);
}

/// Promise (cause): An error keeps no buffer of the connection alive.
#[tokio::test]
async fn error_body_holds_no_buffer() {
    const MIB: usize = 1024 * 1024;
    for (limit, chunks, kept) in [
        (16, &[(8 * MIB, 8 * MIB)][..], 16),
        (MIB, &[(MIB, 20)], 20),
        (MIB, &[(MIB, 20), (MIB, 20), (MIB, 0)], 40),
        (30, &[(MIB, 20), (MIB, MIB)], 30),
        (0, &[(MIB, MIB)], 0),
    ] {
        let alive = Arc::default();
        let view = |(size, length)| data(buffer(&alive, size).split_to(length));
        let steps = chunks.iter().copied().map(view).collect();
        let error = captured(layer().error_body_limit(limit), steps).await;
        let found = (error.body().len(), alive.load(Relaxed));
        assert_eq!(found, (kept, 0), "{limit}, {chunks:?}");
    }
}

/// Promise (cause): An error keeps no buffer of the connection alive.
#[tokio::test(start_paused = true)]
async fn sleeping_request_holds_no_buffer() {
    let alive = Arc::default();
    let failing = answer(503).retry_after("9");
    let script = Script::new([failing.body([data(buffer(&alive, 1024))]), answer(200)]);
    let mut request = Box::pin(layer().error_body_limit(16).layer(script).oneshot(get()));
    let asleep = tokio::time::timeout(SECOND, &mut request).await;
    assert!(asleep.is_err());
    assert_eq!(alive.load(Relaxed), 0);
    assert_eq!(request.await.expect("retried").status(), 200);
}

/// Returns the error of a response with these chunks and these `Content-Length` values.
async fn announced(method: Method, lengths: &[&str], chunks: &[&'static str]) -> StatusError {
    let mut response = answer(404);
    for length in lengths {
        response = response.header("content-length", length);
    }
    let steps = chunks.iter().copied().map(data);
    let service = layer().layer(Script::new([response.body(steps)]));
    service.oneshot(request(method)).await.refused()
}

/// Promise (cause): A body shorter than announced is truncated, except in a response to HEAD.
#[tokio::test]
async fn body_shorter_than_announced_is_truncated() {
    for (lengths, chunks, is_truncated) in [
        (&["20"][..], &["no such"][..], true),
        (&["20"], &[], true),
        (&["20"], &["no such", " customer"], true),
        (&["7"], &["no such"], false),
        (&["7"], &["no ", "such"], false),
        (&["0"], &[], false),
        (&["3"], &["no such"], false),
        (&[], &["no such"], false),
        (&["seven", "-20", ""], &["no such"], false),
        (&["20, 20"], &["no such"], true),
        (&["20", "20"], &["no such"], true),
        (&["20", "7"], &["no such"], true),
        (&["7", "20"], &["no such"], true),
        (&["99999999999999999999999"], &["no such"], true),
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::OPTIONS] {
            let error = announced(method, lengths, chunks).await;
            assert_eq!(
                error.is_body_truncated(),
                is_truncated,
                "{lengths:?} {chunks:?}"
            );
        }
    }
}

/// Promise (cause): A body shorter than announced is truncated, except in a response to HEAD.
#[tokio::test]
async fn head_response_is_not_truncated() {
    let error = announced(Method::HEAD, &["20"], &[]).await;
    assert!(!error.is_body_truncated());
    let script = Script::new([answer(404).header("content-length", "20")]);
    let never = layer().never_retry().layer(script);
    let error = never.oneshot(request(Method::HEAD)).await.refused();
    assert!(!error.is_body_truncated());
}

#[tokio::test]
async fn chunked_body_ignores_content_length() {
    let response = answer(404).header("transfer-encoding", "chunked");
    let response = response.header("content-length", "20").text("no such");
    let error = layer()
        .layer(Script::new([response]))
        .oneshot(get())
        .await
        .refused();
    assert!(!error.is_body_truncated());
}

/// Promise (cause): A body shorter than announced is truncated, except in a response to HEAD.
///
/// hyper reads an HTTP/2 reset with NO_ERROR as the end of the stream.
#[tokio::test]
async fn reset_with_no_error_is_truncated() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let response = Response::builder()
                .status(404)
                .header("content-length", "20");
            let response = response.body(()).expect("valid");
            let mut stream = respond.send_response(response, false).expect("open");
            stream.send_data("no such".into(), false).expect("open");
            tokio::spawn(async move {
                for _ in 0..100 {
                    tokio::task::yield_now().await; // otherwise the reset overtakes the data
                }
                stream.send_reset(h2::Reason::NO_ERROR);
            });
        }
    });
    let mut request = get();
    *request.uri_mut() = format!("http://{address}/").parse().expect("valid");
    let service = layer().layer(client(Http::Two));
    let error = bounded(service.oneshot(request)).await.refused();
    assert_eq!(error.status(), 404);
    assert!(error.is_body_truncated());
}

/// A body that reports its end while its last poll is pending, as hyper's body can.
struct Ended;

impl Body for Ended {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// Promise (bounds): A body that reports its end is not waited for.
#[tokio::test(start_paused = true)]
async fn ended_body_is_not_waited_for() {
    let ended = tower::service_fn(|_| async {
        let response = Response::builder().status(500).body(Ended);
        Ok::<_, Infallible>(response.expect("valid"))
    });
    let begun = Instant::now();
    let error = layer().layer(ended).oneshot(get()).await.refused();
    assert!(!error.is_body_truncated());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// Promise (bounds): A future that has returned an error holds no body.
#[tokio::test]
async fn failed_future_holds_no_body() {
    for request in [get(), post()] {
        let held = Arc::new(());
        let holding = held.clone();
        let response = tower::service_fn(move |_| {
            let held = holding.clone();
            let body = Full::new(long(20)).map_frame(move |frame| (frame, &held).0);
            let response = Response::builder().status(404).body(body);
            async { Ok::<_, Infallible>(response.expect("valid")) }
        });
        let before = Arc::strong_count(&held);
        let mut service = layer().error_body_limit(16).layer(response);
        // The body exceeds the limit, so it is not read to its end.
        let mut future = Box::pin(service.call(request));
        assert!((&mut future).await.refused().is_body_truncated());
        drop(service);
        assert!(Arc::strong_count(&held) < before);
        drop(future);
    }
}
