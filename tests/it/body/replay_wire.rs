//! Request bodies as a real server receives them on each attempt.

use std::{
    collections::hash_map::DefaultHasher,
    error::Error as _,
    future::Future,
    hash::{Hash, Hasher},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method, Request, Response,
    header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING},
    request,
};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use revio_status::{BoxError, Error, ReplayBody, RevioStatusLayer, StandardPolicy, StopReason};
use tokio::sync::{mpsc, oneshot};
use tower::{Layer, ServiceExt};

use crate::support::{
    AnyBody, Refused, any_body,
    body::{Step, Steps, data},
    hasty,
    wire::{Counter, Http, Server, client, on_both, then},
};

/// The layer's default.
const LIMIT: usize = 64 * 1024;

#[tokio::test]
async fn odd_chunks_arrive_whole_on_every_attempt() {
    on_both(async |http| {
        let body = pattern(LIMIT);
        let mut setup = Setup::start(http, [late(503), late(503), late(200)]).await;
        let sent = setup.send(hasty(), setup.put(odd_chunks(&body))).await;
        assert_eq!(sent.expect("the last one succeeds").status(), 200);
        for received in setup.received::<3>().await {
            assert_eq!(received.upload, whole(&body));
        }
    })
    .await;
}

/// Promise (once): Every attempt sends the same bytes, framing and trailers.
#[tokio::test]
async fn trailers_are_resent() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [late(503), late(503), late(200)]).await;
        let body = Steps::new([data("all of it"), Step::Trailers(checksum())]);
        let sent = setup.send(hasty(), setup.put(any_body(body))).await;
        sent.expect("the last one succeeds");
        for received in setup.received::<3>().await {
            assert_eq!(received.upload, whole(b"all of it"));
            assert_eq!(received.trailers, Some(checksum()));
        }
    })
    .await;
}

#[tokio::test]
async fn trailers_without_data_are_resent() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [late(503), late(200)]).await;
        let body = Steps::new([Step::Trailers(checksum())]);
        let sent = setup.send(hasty(), setup.put(any_body(body))).await;
        sent.expect("the last one succeeds");
        for received in setup.received::<2>().await {
            assert_eq!(received.upload, whole(b""));
            assert_eq!(received.trailers, Some(checksum()));
        }
    })
    .await;
}

#[tokio::test]
async fn empty_body_keeps_its_framing() {
    on_both(async |http| {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let mut setup = Setup::start(http, [late(503), late(503), late(200)]).await;
            let mut request = setup.put(any_body(Full::default()));
            *request.method_mut() = method;
            let sent = setup.send(hasty(), request).await;
            sent.expect("the last one succeeds");
            let received = setup.received::<3>().await;
            for received in &received {
                assert_eq!(received.upload, whole(b""));
                assert!(matches!(received.content_length(), None | Some("0")));
            }
            assert_framed_alike(&received);
        }
    })
    .await;
}

#[tokio::test]
async fn empty_body_of_unknown_length_keeps_framing() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [late(503), late(200)]).await;
        let sent = setup
            .send(hasty(), setup.put(any_body(Steps::new([]))))
            .await;
        sent.expect("the last one succeeds");
        let received = setup.received::<2>().await;
        for received in &received {
            assert_eq!(received.upload, whole(b""));
        }
        assert_framed_alike(&received);
    })
    .await;
}

/// Promise (once): Every attempt sends the same bytes, framing and trailers.
#[tokio::test]
async fn content_length_stays_equal() {
    on_both(async |http| {
        let body = pattern(1000);
        let known = known(odd_chunks(&body), body.len());
        for body_sent in [any_body(Full::from(body.clone())), known] {
            let mut setup = Setup::start(http, [late(503), late(503), late(200)]).await;
            let sent = setup.send(hasty(), setup.put(body_sent)).await;
            sent.expect("the last one succeeds");
            for received in setup.received::<3>().await {
                assert_eq!(received.content_length(), Some("1000"));
                assert_eq!(received.upload, whole(&body));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_length_stays_unknown() {
    on_both(async |http| {
        let body = pattern(1000);
        let mut setup = Setup::start(http, [late(503), late(503), late(200)]).await;
        let sent = setup.send(hasty(), setup.put(odd_chunks(&body))).await;
        sent.expect("the last one succeeds");
        for received in setup.received::<3>().await {
            assert_eq!(received.content_length(), None);
            assert_eq!(received.is_chunked(), http == Http::One);
            assert_eq!(received.upload, whole(&body));
        }
    })
    .await;
}

#[tokio::test]
async fn body_at_limit_is_resent_whole() {
    on_both(async |http| {
        let body = pattern(LIMIT);
        for body_sent in [any_body(Full::from(body.clone())), odd_chunks(&body)] {
            let mut setup = Setup::start(http, [late(503), late(200)]).await;
            let sent = setup.send(hasty(), setup.put(body_sent)).await;
            sent.expect("the resend succeeds");
            for received in setup.received::<2>().await {
                assert_eq!(received.upload, whole(&body));
            }
        }
    })
    .await;
}

/// Promise (once): A body above the limit is sent once and whole.
#[tokio::test]
async fn body_over_limit_is_sent_once_and_whole() {
    on_both(async |http| {
        let body = pattern(LIMIT + 1);
        for body_sent in [any_body(Full::from(body.clone())), odd_chunks(&body)] {
            let mut setup = Setup::start(http, [late(503), late(200)]).await;
            let error = setup.send(hasty(), setup.put(body_sent)).await.refused();
            assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
            assert_eq!((error.attempts(), error.body()), (1, &Bytes::from("busy")));
            let [received] = setup.received().await;
            assert_eq!(received.upload, whole(&body));
        }
    })
    .await;
}

#[tokio::test]
async fn body_error_is_returned_and_breaks_upload() {
    on_both(async |http| {
        for has_length in [false, true] {
            let mut setup = Setup::start(http, [late(200)]).await;
            let first = Steps::chunks(["half of it"]);
            let body = then(first, setup.requests.reaches(1), broken());
            let body = match has_length {
                true => known(body, 20),
                false => body,
            };
            let sent = setup.send(hasty(), setup.put(body)).await;
            assert_own_error(sent, http);
            let [received] = setup.received().await;
            assert_eq!(received.upload, Upload::BrokenOff);
        }
    })
    .await;
}

#[tokio::test]
async fn body_error_in_resend_breaks_upload() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [early(503, 10), late(200)]).await;
        let first = Steps::chunks(["half of it"]);
        let body = then(first, setup.requests.reaches(2), broken());
        let sent = setup.send(hasty(), setup.put(body)).await;
        assert_own_error(sent, http);
        let [first, second] = setup.received().await;
        assert_eq!(first.upload, Upload::BrokenOff);
        assert_eq!(second.upload, Upload::BrokenOff);
    })
    .await;
}

/// The body fails after the response's headers, before the end of its body.
#[tokio::test]
async fn body_error_after_early_response_ends_request() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [early(503, 10), late(200)]).await;
        let (responded, failed) = (Counter::default(), Counter::default());
        let fails = failed.clone();
        let broken = broken().map_err(move |error| {
            fails.add(1);
            error
        });
        let first = Steps::chunks(["half of it"]);
        let request = setup.put(then(first, responded.reaches(1), broken));
        let inner = setup.client.clone();
        let inner = inner.map_response(move |response: Response<Incoming>| {
            responded.add(1);
            let end = Steps::default();
            response.map(|body| then(body.map_err(BoxError::from), failed.reaches(1), end))
        });
        let error = hasty().layer(inner).oneshot(request).await.refused();
        assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
        let [received] = setup.received().await;
        assert_eq!(received.upload, Upload::BrokenOff);
    })
    .await;
}

#[tokio::test]
async fn early_response_leaves_body_for_resend() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [early(503, 10), late(200)]).await;
        let rest = Steps::new([data("the rest"), Step::Trailers(checksum())]);
        let first = Steps::chunks(["the first "]);
        let body = then(first, setup.requests.reaches(2), rest);
        let sent = setup.send(hasty(), setup.put(body)).await;
        sent.expect("the resend succeeds");
        let [first, second] = setup.received().await;
        assert_eq!(first.upload, Upload::BrokenOff);
        assert_eq!(second.upload, whole(HALVES));
        assert_eq!(second.trailers, Some(checksum()));
    })
    .await;
}

#[tokio::test]
async fn two_early_responses_leave_body_for_resend() {
    on_both(async |http| {
        let replies = [early(503, 1), early(503, 2), late(200)];
        let mut setup = Setup::start(http, replies).await;
        let third = setup.requests.reaches(3);
        let rest = then(Steps::chunks(["b"]), third, Steps::chunks(["c"]));
        let second = setup.requests.reaches(2);
        let body = known(then(Steps::chunks(["a"]), second, rest), 3);
        let sent = setup.send(hasty(), setup.put(body)).await;
        sent.expect("the last one succeeds");
        let received = setup.received::<3>().await;
        assert_eq!(received[0].upload, Upload::BrokenOff);
        assert_eq!(received[1].upload, Upload::BrokenOff);
        assert_eq!(received[2].upload, whole(b"abc"));
        assert_framed_alike(&received);
        // A stream that breaks off keeps its connection usable.
        assert!(http == Http::One || setup.server.connections() == 1);
    })
    .await;
}

/// The server closes the connection, or resets the stream.
#[tokio::test]
async fn early_close_leaves_body_for_resend() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [early(503, 10).and(AfterReply::Drop), late(200)]).await;
        let body = halves(setup.requests.reaches(2));
        let sent = setup.send(hasty(), setup.put(body)).await;
        sent.expect("the resend succeeds");
        let [_, second] = setup.received().await;
        assert_eq!(second.upload, whole(HALVES));
    })
    .await;
}

/// The body always has more data, but the connection accepts no more.
#[tokio::test]
async fn early_response_breaks_off_stalled_upload() {
    on_both(async |http| {
        let chunks: Vec<_> = (0..128).map(|number| vec![number; 256 << 10]).collect();
        let body = chunks.concat();
        let mut setup = Setup::start(http, [early(503, 1).and(AfterReply::Stall), late(200)]).await;
        let request = setup.put(any_body(Steps::chunks(chunks)));
        let layer = hasty().replay_body_limit(body.len());
        let sent = setup.send(layer, request).await;
        sent.expect("the resend succeeds");
        let [first, second] = setup.received().await;
        assert_eq!(first.upload, Upload::BrokenOff);
        assert_eq!(second.upload, whole(&body));
    })
    .await;
}

/// Promise (once): No upload is complete but wrong, whenever an early response comes.
///
/// Upload and response run at the same time; either may end first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_response_completes_no_wrong_upload() {
    on_both(async |http| {
        let body = pattern(2000);
        for after in (0..2000).step_by(50) {
            let replies = [early(503, after), early(503, 2000 - after), late(200)];
            let mut setup = Setup::start(http, replies).await;
            let steps = body.chunks(90).map(Bytes::copy_from_slice).map(data);
            let steps = Steps::new(steps.flat_map(|step| [step, Step::Yield]));
            let sent = setup.send(hasty(), setup.put(any_body(steps))).await;
            sent.expect("the last one succeeds");
            let received = setup.received::<3>().await;
            assert_eq!(received[2].upload, whole(&body));
            for received in received {
                let upload = received.upload;
                assert!(upload == Upload::BrokenOff || upload == whole(&body));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn hand_over_beyond_limit_is_the_last() {
    on_both(async |http| {
        let body = pattern(150);
        let mut setup = Setup::start(http, [early(503, 50), late(503), late(200)]).await;
        let sent = then(
            Steps::chunks([body.slice(..50)]),
            setup.requests.reaches(2),
            Steps::chunks([body.slice(50..100), body.slice(100..)]),
        );
        let layer = hasty().replay_body_limit(100);
        let error = setup.send(layer, setup.put(sent)).await.refused();
        assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
        assert_eq!(error.attempts(), 2);
        let [first, second] = setup.received().await;
        assert_eq!(first.upload, Upload::BrokenOff);
        assert_eq!(second.upload, whole(&body));
    })
    .await;
}

#[tokio::test]
async fn early_response_over_limit_keeps_upload() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [early(503, 10), late(200)]).await;
        let responded = Counter::default();
        let body = halves(responded.reaches(1));
        let layer = hasty().replay_body_limit(9);
        let error = setup.send(layer, setup.put(body)).await.refused();
        assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
        responded.add(1);
        let [received] = setup.received().await;
        assert_eq!(received.upload, whole(HALVES));
    })
    .await;
}

#[tokio::test]
async fn final_early_response_keeps_upload() {
    on_both(async |http| {
        for (status, reason) in [
            (200, None),
            (400, Some(StopReason::NotRetryable)),
            (503, Some(StopReason::AttemptsExhausted)),
        ] {
            let mut setup = Setup::start(http, [early(status, 10)]).await;
            let responded = Counter::default();
            let body = halves(responded.reaches(1));
            let once = StandardPolicy::default().max_attempts(1);
            let sent = setup.send(hasty().policy(once), setup.put(body)).await;
            let stopped = sent.as_ref().err().and_then(Error::status_error);
            assert_eq!(stopped.map(|error| error.stop_reason()), reason);
            responded.add(1);
            let [received] = setup.received().await;
            assert_eq!(received.upload, whole(HALVES));
        }
    })
    .await;
}

/// Promise (once): A request that is not idempotent by RFC 9110 is sent once, whatever the response
/// and however early.
#[tokio::test]
async fn post_with_early_response_arrives_once() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [early(503, 10), late(200)]).await;
        let responded = Counter::default();
        let mut request = setup.put(halves(responded.reaches(1)));
        *request.method_mut() = Method::POST;
        let error = setup.send(hasty(), request).await.refused();
        assert_eq!(error.stop_reason(), StopReason::NotIdempotent);
        responded.add(1);
        let [received] = setup.received().await;
        assert_eq!(received.upload, whole(HALVES));
    })
    .await;
}

#[tokio::test]
async fn post_arrives_once_with_trailers() {
    on_both(async |http| {
        let mut setup = Setup::start(http, [late(503), late(200)]).await;
        let body = Steps::new([data("a payment of 10.00"), Step::Trailers(checksum())]);
        let mut request = setup.put(any_body(body));
        *request.method_mut() = Method::POST;
        let error = setup.send(hasty(), request).await.refused();
        assert_eq!(error.stop_reason(), StopReason::NotIdempotent);
        let [received] = setup.received().await;
        assert_eq!(received.upload, whole(b"a payment of 10.00"));
        assert_eq!(received.trailers, Some(checksum()));
    })
    .await;
}

/// Promise (once): A request that is sent once is not recorded.
///
/// The server responds when only the test holds the body's bytes.
#[tokio::test]
async fn post_is_not_recorded() {
    on_both(async |http| {
        let bytes = Arc::new(pattern(LIMIT));
        let sent = (*bytes).clone();
        let server = Server::start(move |request: Request<Incoming>| {
            let bytes = bytes.clone();
            async move {
                let body = request.collect().await.expect("a whole body").to_bytes();
                while !bytes.is_unique() {
                    tokio::task::yield_now().await;
                }
                assert_eq!(whole(&body), whole(&bytes));
                response(503)
            }
        })
        .await;
        let request = Request::post(server.uri("/v1/Payments")).body(Full::new(sent));
        let service = hasty().layer(client(http));
        let result = service.oneshot(request.expect("a valid request")).await;
        assert_eq!(result.refused().stop_reason(), StopReason::NotIdempotent);
    })
    .await;
}

/// The end of an upload, as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Upload {
    Whole { length: usize, hash: u64 },
    BrokenOff,
}

/// Returns the `Upload` of a body that arrived with a proper end.
fn whole(body: &[u8]) -> Upload {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    Upload::Whole {
        length: body.len(),
        hash: hasher.finish(),
    }
}

/// One request as the server received it.
#[derive(Debug)]
struct Received {
    head: request::Parts,
    upload: Upload,
    trailers: Option<HeaderMap>,
}

impl Received {
    fn header(&self, name: HeaderName) -> Option<&str> {
        let value = self.head.headers.get(name)?;
        Some(value.to_str().expect("ASCII"))
    }

    fn content_length(&self) -> Option<&str> {
        self.header(CONTENT_LENGTH)
    }

    fn is_chunked(&self) -> bool {
        self.header(TRANSFER_ENCODING) == Some("chunked")
    }
}

fn assert_framed_alike(received: &[Received]) {
    for pair in received.windows(2) {
        assert_eq!(pair[0].head.headers, pair[1].head.headers);
    }
}

/// The response to one request, sent after `after` bytes of its body or at its end.
#[derive(Clone, Copy)]
struct Reply {
    status: u16,
    after: usize,
    then: AfterReply,
}

/// The server's handling of an upload after its response.
#[derive(Clone, Copy, PartialEq)]
enum AfterReply {
    /// Reads to the end.
    Read,
    /// Reads on after the arrival of the next request.
    Stall,
    Drop,
}

fn late(status: u16) -> Reply {
    early(status, usize::MAX)
}

fn early(status: u16, after: usize) -> Reply {
    Reply {
        status,
        after,
        then: AfterReply::Read,
    }
}

impl Reply {
    fn and(self, then: AfterReply) -> Self {
        Self { then, ..self }
    }
}

/// A server that follows its replies and records the requests, and a client for it.
struct Setup {
    server: Server,
    client: Client<HttpConnector, ReplayBody<AnyBody>>,
    /// The number of requests that have begun to arrive.
    requests: Counter,
    received: mpsc::UnboundedReceiver<(usize, Received)>,
}

impl Setup {
    /// Each request gets the next reply.
    async fn start(http: Http, replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Arc<[_]> = replies.into_iter().collect();
        let requests = Counter::default();
        let count = requests.clone();
        let (sender, received) = mpsc::unbounded_channel();
        let server = Server::start(move |request| {
            let number = count.add(1);
            let next = count.reaches(number + 2);
            let Some(&reply) = replies.get(number) else {
                panic!("more requests than replies");
            };
            let (ready, is_ready) = oneshot::channel();
            let sender = sender.clone();
            // hyper drops the handler when its request breaks off, so another task receives.
            tokio::spawn(async move {
                let received = receive(request, reply, ready, next).await;
                let _ = sender.send((number, received));
            });
            async move {
                let _ = is_ready.await;
                response(reply.status)
            }
        })
        .await;
        Self {
            server,
            client: client(http),
            requests,
            received,
        }
    }

    fn put(&self, body: AnyBody) -> Request<AnyBody> {
        let request = Request::put(self.server.uri("/v1/Notes/7"));
        let request = request.header(TRAILER, "x-checksum");
        request.body(body).expect("a valid request")
    }

    async fn send(
        &self,
        layer: RevioStatusLayer,
        request: Request<AnyBody>,
    ) -> Result<Response<Incoming>, Error> {
        layer.layer(self.client.clone()).oneshot(request).await
    }

    /// Returns all requests in order after their uploads have ended. There must be exactly `N`.
    async fn received<const N: usize>(&mut self) -> [Received; N] {
        assert_eq!(self.requests.get(), N);
        let mut all = Vec::new();
        for _ in 0..N {
            all.push(self.received.recv().await.expect("the server runs"));
        }
        all.sort_by_key(|(number, _)| *number);
        let all: Vec<_> = all.into_iter().map(|(_, received)| received).collect();
        all.try_into().expect("N requests")
    }
}

/// Reads one upload as the reply says; signals `ready` when the response is due.
async fn receive(
    request: Request<Incoming>,
    reply: Reply,
    ready: oneshot::Sender<()>,
    next: impl Future<Output = ()>,
) -> Received {
    let (head, mut incoming) = request.into_parts();
    let (mut body, mut trailers) = (Vec::new(), None);
    let mut early = Some((ready, next));
    let upload = loop {
        let is_enough = body.len() >= reply.after;
        if let Some((ready, next)) = early.take_if(|_| is_enough) {
            let _ = ready.send(());
            match reply.then {
                AfterReply::Read => {}
                AfterReply::Stall => next.await,
                AfterReply::Drop => break Upload::BrokenOff,
            }
        }
        match incoming.frame().await {
            None => break whole(&body),
            Some(Err(_)) => break Upload::BrokenOff,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
        }
    };
    Received {
        head,
        upload,
        trailers,
    }
}

fn response(status: u16) -> Response<AnyBody> {
    let response = Response::builder().status(status);
    let response = response.body(any_body(Full::from("busy")));
    response.expect("a valid response")
}

/// Asserts that the caller's own error is among the sources.
fn assert_own_error<T>(sent: Result<T, Error>, http: Http) {
    let Err(error @ Error::Service(_)) = sent else {
        panic!("a response came");
    };
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    let last = match http {
        Http::One => "the disk is gone",
        // hyper reports no more: https://github.com/hyperium/hyper/issues/2547.
        Http::Two => "stream error sent by user",
    };
    assert!(texts.iter().any(|text| text.starts_with(last)), "{texts:?}");
}

fn checksum() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", 4711.into());
    trailers
}

/// Returns bytes without repeated sequences.
fn pattern(length: usize) -> Bytes {
    let words = (0u32..).flat_map(|number| number.wrapping_mul(0x9E37_79B9).to_be_bytes());
    words.take(length).collect()
}

/// The text of [`halves`].
const HALVES: &[u8] = b"the first the rest";

fn halves(gate: impl Future<Output = ()> + Send + Sync + 'static) -> AnyBody {
    let first = Steps::chunks(["the first "]);
    then(first, gate, Steps::chunks(["the rest"]))
}

fn broken() -> Steps {
    Steps::new([Step::Fail("the disk is gone")])
}

/// Splits the body into more chunks than a recording keeps apart, some of them empty.
fn odd_chunks(body: &Bytes) -> AnyBody {
    let mut left = body.clone();
    let mut chunks = Vec::new();
    for size in [0, 1, 0, 2, 3, 7, 31, 333, 4096].into_iter().cycle() {
        chunks.push(left.split_to(size.min(left.len())));
        if left.is_empty() {
            break;
        }
    }
    any_body(Steps::chunks(chunks))
}

/// A body with an exact size hint.
struct Known {
    body: AnyBody,
    left: usize,
}

fn known(body: AnyBody, length: usize) -> AnyBody {
    any_body(Known { body, left: length })
}

impl Body for Known {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.left -= frame.data_ref().map_or(0, Bytes::len);
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}
