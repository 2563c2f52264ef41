//! What a real server receives of a request body when the request is resent.

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
async fn odd_chunks_arrive_whole_and_in_order_every_time() {
    on_both(async |http| {
        let body = pattern(LIMIT);
        let mut desk = Desk::open(http, [late(503), late(503), late(200)]).await;
        let sent = desk.send(hasty(), desk.put(odd_chunks(&body))).await;
        assert_eq!(sent.expect("the last one succeeds").status(), 200);
        for received in desk.received::<3>().await {
            assert_eq!(received.upload, whole(&body));
        }
    })
    .await;
}

/// Promise (once): Every attempt sends the same bytes, framing and trailers.
#[tokio::test]
async fn trailers_come_with_every_resend() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [late(503), late(503), late(200)]).await;
        let body = Steps::new([data("all of it"), Step::Trailers(checksum())]);
        let sent = desk.send(hasty(), desk.put(any_body(body))).await;
        sent.expect("the last one succeeds");
        for received in desk.received::<3>().await {
            assert_eq!(received.upload, whole(b"all of it"));
            assert_eq!(received.trailers, Some(checksum()));
        }
    })
    .await;
}

#[tokio::test]
async fn trailers_without_data_come_with_the_resend() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [late(503), late(200)]).await;
        let body = Steps::new([Step::Trailers(checksum())]);
        let sent = desk.send(hasty(), desk.put(any_body(body))).await;
        sent.expect("the last one succeeds");
        for received in desk.received::<2>().await {
            assert_eq!(received.upload, whole(b""));
            assert_eq!(received.trailers, Some(checksum()));
        }
    })
    .await;
}

#[tokio::test]
async fn an_empty_body_is_framed_alike_every_time() {
    on_both(async |http| {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let mut desk = Desk::open(http, [late(503), late(503), late(200)]).await;
            let mut request = desk.put(any_body(Full::default()));
            *request.method_mut() = method;
            let sent = desk.send(hasty(), request).await;
            sent.expect("the last one succeeds");
            let received = desk.received::<3>().await;
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
async fn an_empty_body_of_unknown_length_is_framed_alike_every_time() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [late(503), late(200)]).await;
        let sent = desk.send(hasty(), desk.put(any_body(Steps::new([])))).await;
        sent.expect("the last one succeeds");
        let received = desk.received::<2>().await;
        for received in &received {
            assert_eq!(received.upload, whole(b""));
        }
        assert_framed_alike(&received);
    })
    .await;
}

/// Promise (once): Every attempt sends the same bytes, framing and trailers.
#[tokio::test]
async fn content_length_is_the_same_every_time() {
    on_both(async |http| {
        let body = pattern(1000);
        let known = known(odd_chunks(&body), body.len());
        for body_sent in [any_body(Full::from(body.clone())), known] {
            let mut desk = Desk::open(http, [late(503), late(503), late(200)]).await;
            let sent = desk.send(hasty(), desk.put(body_sent)).await;
            sent.expect("the last one succeeds");
            for received in desk.received::<3>().await {
                assert_eq!(received.content_length(), Some("1000"));
                assert_eq!(received.upload, whole(&body));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_unknown_length_stays_unknown_every_time() {
    on_both(async |http| {
        let body = pattern(1000);
        let mut desk = Desk::open(http, [late(503), late(503), late(200)]).await;
        let sent = desk.send(hasty(), desk.put(odd_chunks(&body))).await;
        sent.expect("the last one succeeds");
        for received in desk.received::<3>().await {
            assert_eq!(received.content_length(), None);
            assert_eq!(received.is_chunked(), http == Http::One);
            assert_eq!(received.upload, whole(&body));
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_exactly_at_the_limit_is_resent_whole() {
    on_both(async |http| {
        let body = pattern(LIMIT);
        for body_sent in [any_body(Full::from(body.clone())), odd_chunks(&body)] {
            let mut desk = Desk::open(http, [late(503), late(200)]).await;
            let sent = desk.send(hasty(), desk.put(body_sent)).await;
            sent.expect("the resend succeeds");
            for received in desk.received::<2>().await {
                assert_eq!(received.upload, whole(&body));
            }
        }
    })
    .await;
}

/// Promise (once): A body above the limit is sent once and whole.
#[tokio::test]
async fn a_body_one_byte_over_the_limit_is_sent_once_and_whole() {
    on_both(async |http| {
        let body = pattern(LIMIT + 1);
        for body_sent in [any_body(Full::from(body.clone())), odd_chunks(&body)] {
            let mut desk = Desk::open(http, [late(503), late(200)]).await;
            let error = desk.send(hasty(), desk.put(body_sent)).await.refused();
            assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
            assert_eq!((error.attempts(), error.body()), (1, &Bytes::from("busy")));
            let [received] = desk.received().await;
            assert_eq!(received.upload, whole(&body));
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_that_errors_is_the_callers_own_error_and_never_looks_complete() {
    on_both(async |http| {
        for tells_length in [false, true] {
            let mut desk = Desk::open(http, [late(200)]).await;
            let first = Steps::chunks(["half of it"]);
            let body = then(first, desk.requests.reaches(1), broken());
            let body = match tells_length {
                true => known(body, 20),
                false => body,
            };
            let sent = desk.send(hasty(), desk.put(body)).await;
            assert_own_error(sent, http);
            let [received] = desk.received().await;
            assert_eq!(received.upload, Upload::BrokenOff);
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_that_errors_in_the_resend_never_looks_complete() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [early(503, 10), late(200)]).await;
        let first = Steps::chunks(["half of it"]);
        let body = then(first, desk.requests.reaches(2), broken());
        let sent = desk.send(hasty(), desk.put(body)).await;
        assert_own_error(sent, http);
        let [first, second] = desk.received().await;
        assert_eq!(first.upload, Upload::BrokenOff);
        assert_eq!(second.upload, Upload::BrokenOff);
    })
    .await;
}

/// It errors when the answer has come, but not to its end.
#[tokio::test]
async fn a_body_that_errors_after_an_early_answer_is_not_resent() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [early(503, 10), late(200)]).await;
        let (answered, failed) = (Counter::default(), Counter::default());
        let fails = failed.clone();
        let broken = broken().map_err(move |error| {
            fails.add(1);
            error
        });
        let first = Steps::chunks(["half of it"]);
        let request = desk.put(then(first, answered.reaches(1), broken));
        let inner = desk.client.clone();
        let inner = inner.map_response(move |response: Response<Incoming>| {
            answered.add(1);
            let end = Steps::default();
            response.map(|body| then(body.map_err(BoxError::from), failed.reaches(1), end))
        });
        let error = hasty().layer(inner).oneshot(request).await.refused();
        assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
        let [received] = desk.received().await;
        assert_eq!(received.upload, Upload::BrokenOff);
    })
    .await;
}

#[tokio::test]
async fn an_early_answer_hands_the_whole_body_to_the_resend() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [early(503, 10), late(200)]).await;
        let rest = Steps::new([data("the rest"), Step::Trailers(checksum())]);
        let first = Steps::chunks(["the first "]);
        let body = then(first, desk.requests.reaches(2), rest);
        let sent = desk.send(hasty(), desk.put(body)).await;
        sent.expect("the resend succeeds");
        let [first, second] = desk.received().await;
        assert_eq!(first.upload, Upload::BrokenOff);
        assert_eq!(second.upload, whole(HALVES));
        assert_eq!(second.trailers, Some(checksum()));
    })
    .await;
}

#[tokio::test]
async fn every_early_answer_hands_on_to_the_next_resend() {
    on_both(async |http| {
        let answers = [early(503, 1), early(503, 2), late(200)];
        let mut desk = Desk::open(http, answers).await;
        let third = desk.requests.reaches(3);
        let rest = then(Steps::chunks(["b"]), third, Steps::chunks(["c"]));
        let second = desk.requests.reaches(2);
        let body = known(then(Steps::chunks(["a"]), second, rest), 3);
        let sent = desk.send(hasty(), desk.put(body)).await;
        sent.expect("the last one succeeds");
        let received = desk.received::<3>().await;
        assert_eq!(received[0].upload, Upload::BrokenOff);
        assert_eq!(received[1].upload, Upload::BrokenOff);
        assert_eq!(received[2].upload, whole(b"abc"));
        assert_framed_alike(&received);
        // A stream that is cut off leaves its connection to the others.
        assert!(http == Http::One || desk.server.connections() == 1);
    })
    .await;
}

/// It closes the connection, or resets the stream.
#[tokio::test]
async fn an_early_answer_that_reads_no_further_hands_the_whole_body_to_the_resend() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [early(503, 10).and(Rest::Drop), late(200)]).await;
        let body = halves(desk.requests.reaches(2));
        let sent = desk.send(hasty(), desk.put(body)).await;
        sent.expect("the resend succeeds");
        let [_, second] = desk.received().await;
        assert_eq!(second.upload, whole(HALVES));
    })
    .await;
}

/// The body has more to give at any time, but the connection takes no more.
#[tokio::test]
async fn an_early_answer_while_the_connection_is_full_cuts_the_upload_off() {
    on_both(async |http| {
        let chunks: Vec<_> = (0..128).map(|number| vec![number; 256 << 10]).collect();
        let body = chunks.concat();
        let mut desk = Desk::open(http, [early(503, 1).and(Rest::Stall), late(200)]).await;
        let request = desk.put(any_body(Steps::chunks(chunks)));
        let layer = hasty().replay_body_limit(body.len());
        let sent = desk.send(layer, request).await;
        sent.expect("the resend succeeds");
        let [first, second] = desk.received().await;
        assert_eq!(first.upload, Upload::BrokenOff);
        assert_eq!(second.upload, whole(&body));
    })
    .await;
}

/// Promise (once): No upload is complete but wrong, whenever an early response comes.
///
/// The upload runs while the answer comes: the one may end before the other, or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_an_early_answer_comes_no_upload_is_complete_but_wrong() {
    on_both(async |http| {
        let body = pattern(2000);
        for after in (0..2000).step_by(50) {
            let answers = [early(503, after), early(503, 2000 - after), late(200)];
            let mut desk = Desk::open(http, answers).await;
            let steps = body.chunks(90).map(Bytes::copy_from_slice).map(data);
            let steps = Steps::new(steps.flat_map(|step| [step, Step::Yield]));
            let sent = desk.send(hasty(), desk.put(any_body(steps))).await;
            sent.expect("the last one succeeds");
            let received = desk.received::<3>().await;
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
async fn a_second_503_after_a_capped_first_attempt_is_final() {
    on_both(async |http| {
        let body = pattern(150);
        let mut desk = Desk::open(http, [early(503, 50), late(503), late(200)]).await;
        let sent = then(
            Steps::chunks([body.slice(..50)]),
            desk.requests.reaches(2),
            Steps::chunks([body.slice(50..100), body.slice(100..)]),
        );
        let layer = hasty().replay_body_limit(100);
        let error = desk.send(layer, desk.put(sent)).await.refused();
        assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
        assert_eq!(error.attempts(), 2);
        let [first, second] = desk.received().await;
        assert_eq!(first.upload, Upload::BrokenOff);
        assert_eq!(second.upload, whole(&body));
    })
    .await;
}

#[tokio::test]
async fn an_early_answer_beyond_the_limit_is_final_and_lets_the_upload_end() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [early(503, 10), late(200)]).await;
        let answered = Counter::default();
        let body = halves(answered.reaches(1));
        let layer = hasty().replay_body_limit(9);
        let error = desk.send(layer, desk.put(body)).await.refused();
        assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
        answered.add(1);
        let [received] = desk.received().await;
        assert_eq!(received.upload, whole(HALVES));
    })
    .await;
}

#[tokio::test]
async fn an_early_answer_that_is_final_lets_the_upload_end() {
    on_both(async |http| {
        for (status, reason) in [
            (200, None),
            (400, Some(StopReason::NotRetryable)),
            (503, Some(StopReason::AttemptsExhausted)),
        ] {
            let mut desk = Desk::open(http, [early(status, 10)]).await;
            let answered = Counter::default();
            let body = halves(answered.reaches(1));
            let once = StandardPolicy::default().max_attempts(1);
            let sent = desk.send(hasty().policy(once), desk.put(body)).await;
            let stopped = sent.as_ref().err().and_then(Error::status_error);
            assert_eq!(stopped.map(|error| error.stop_reason()), reason);
            answered.add(1);
            let [received] = desk.received().await;
            assert_eq!(received.upload, whole(HALVES));
        }
    })
    .await;
}

/// Promise (once): A request that is not idempotent by RFC 9110 is sent once, whatever the response
/// and however early.
#[tokio::test]
async fn a_post_arrives_once_even_if_it_is_answered_early() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [early(503, 10), late(200)]).await;
        let answered = Counter::default();
        let mut request = desk.put(halves(answered.reaches(1)));
        *request.method_mut() = Method::POST;
        let error = desk.send(hasty(), request).await.refused();
        assert_eq!(error.stop_reason(), StopReason::NotIdempotent);
        answered.add(1);
        let [received] = desk.received().await;
        assert_eq!(received.upload, whole(HALVES));
    })
    .await;
}

#[tokio::test]
async fn a_post_arrives_once_with_its_trailers() {
    on_both(async |http| {
        let mut desk = Desk::open(http, [late(503), late(200)]).await;
        let body = Steps::new([data("a payment of 10.00"), Step::Trailers(checksum())]);
        let mut request = desk.put(any_body(body));
        *request.method_mut() = Method::POST;
        let error = desk.send(hasty(), request).await.refused();
        assert_eq!(error.stop_reason(), StopReason::NotIdempotent);
        let [received] = desk.received().await;
        assert_eq!(received.upload, whole(b"a payment of 10.00"));
        assert_eq!(received.trailers, Some(checksum()));
    })
    .await;
}

/// Promise (once): A request that is sent once is not recorded.
///
/// The server answers when nobody but the test holds the body's bytes any more.
#[tokio::test]
async fn a_post_is_never_recorded() {
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
                answered(503)
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

/// How an upload ended, as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Upload {
    Whole { length: usize, hash: u64 },
    BrokenOff,
}

/// Arrived with a proper end.
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

/// How one request is answered: when so much of its body has come, or all of it.
#[derive(Clone, Copy)]
struct Answer {
    status: u16,
    after: usize,
    rest: Rest,
}

/// What the server does with the rest of an upload, once it has answered.
#[derive(Clone, Copy, PartialEq)]
enum Rest {
    /// Reads on, to see how it ends.
    Read,
    /// Reads on when the next request has come.
    Stall,
    Drop,
}

fn late(status: u16) -> Answer {
    early(status, usize::MAX)
}

fn early(status: u16, after: usize) -> Answer {
    Answer {
        status,
        after,
        rest: Rest::Read,
    }
}

impl Answer {
    fn and(self, rest: Rest) -> Self {
        Self { rest, ..self }
    }
}

/// A server that answers as it was told and keeps what it received, and a client for it.
struct Desk {
    server: Server,
    client: Client<HttpConnector, ReplayBody<AnyBody>>,
    /// How many have begun to arrive.
    requests: Counter,
    received: mpsc::UnboundedReceiver<(usize, Received)>,
}

impl Desk {
    /// Each request gets the next answer.
    async fn open(http: Http, answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Arc<[_]> = answers.into_iter().collect();
        let requests = Counter::default();
        let count = requests.clone();
        let (sender, received) = mpsc::unbounded_channel();
        let server = Server::start(move |request| {
            let number = count.add(1);
            let next = count.reaches(number + 2);
            let Some(&answer) = answers.get(number) else {
                panic!("more requests than answers");
            };
            let (ready, is_ready) = oneshot::channel();
            let sender = sender.clone();
            // Not in the handler: hyper drops it when its request breaks off.
            tokio::spawn(async move {
                let received = receive(request, answer, ready, next).await;
                let _ = sender.send((number, received));
            });
            async move {
                let _ = is_ready.await;
                answered(answer.status)
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

    /// All requests, in their order, once their uploads have ended: so many and no more.
    async fn received<const N: usize>(&mut self) -> [Received; N] {
        assert_eq!(self.requests.get(), N);
        let mut all = Vec::new();
        for _ in 0..N {
            all.push(self.received.recv().await.expect("the server runs"));
        }
        all.sort_by_key(|(number, _)| *number);
        let all: Vec<_> = all.into_iter().map(|(_, received)| received).collect();
        all.try_into().expect("as many as asked for")
    }
}

/// Reads one upload as the answer says, and tells when it is to be given.
async fn receive(
    request: Request<Incoming>,
    answer: Answer,
    ready: oneshot::Sender<()>,
    next: impl Future<Output = ()>,
) -> Received {
    let (head, mut incoming) = request.into_parts();
    let (mut body, mut trailers) = (Vec::new(), None);
    let mut early = Some((ready, next));
    let upload = loop {
        let is_enough = body.len() >= answer.after;
        if let Some((ready, next)) = early.take_if(|_| is_enough) {
            let _ = ready.send(());
            match answer.rest {
                Rest::Read => {}
                Rest::Stall => next.await,
                Rest::Drop => break Upload::BrokenOff,
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

fn answered(status: u16) -> Response<AnyBody> {
    let response = Response::builder().status(status);
    let response = response.body(any_body(Full::from("busy")));
    response.expect("a valid response")
}

/// The caller's own error, found below what the service returned.
fn assert_own_error<T>(sent: Result<T, Error>, http: Http) {
    let Err(error @ Error::Service(_)) = sent else {
        panic!("an answer came");
    };
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    let last = match http {
        Http::One => "the disk is gone",
        // All that hyper tells: https://github.com/hyperium/hyper/issues/2547.
        Http::Two => "stream error sent by user",
    };
    assert!(texts.iter().any(|text| text.starts_with(last)), "{texts:?}");
}

fn checksum() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", 4711.into());
    trailers
}

/// Bytes of which no two stretches are alike.
fn pattern(length: usize) -> Bytes {
    let words = (0u32..).flat_map(|number| number.wrapping_mul(0x9E37_79B9).to_be_bytes());
    words.take(length).collect()
}

/// What [`halves`] are together.
const HALVES: &[u8] = b"the first the rest";

fn halves(gate: impl Future<Output = ()> + Send + Sync + 'static) -> AnyBody {
    let first = Steps::chunks(["the first "]);
    then(first, gate, Steps::chunks(["the rest"]))
}

fn broken() -> Steps {
    Steps::new([Step::Fail("the disk is gone")])
}

/// More chunks than a recording keeps apart, of many sizes, some of them empty.
fn odd_chunks(body: &Bytes) -> AnyBody {
    let mut rest = body.clone();
    let mut chunks = Vec::new();
    for size in [0, 1, 0, 2, 3, 7, 31, 333, 4096].into_iter().cycle() {
        chunks.push(rest.split_to(size.min(rest.len())));
        if rest.is_empty() {
            break;
        }
    }
    any_body(Steps::chunks(chunks))
}

/// A body that tells its length.
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
