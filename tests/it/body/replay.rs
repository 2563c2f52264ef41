//! The request body as the inner service sees it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::support::{self, Refused, body::*, hasty, with_body};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use revio_status::{BoxError, Budget, MaxAttempts, ReplayBody, StopReason};
use tower::{Layer, Service, ServiceExt};

type Held<B> = Arc<Mutex<Vec<ReplayBody<B>>>>;

/// A service that responds at once with this status and keeps each body unread.
fn holding<B: Send + 'static>(
    status: StatusCode,
    held: &Held<B>,
) -> impl Service<
    Request<ReplayBody<B>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone {
    let held = held.clone();
    tower::service_fn(move |request: Request<ReplayBody<B>>| {
        held.lock().expect("no panic").push(request.into_body());
        async move {
            let mut response = Response::new(Full::default());
            *response.status_mut() = status;
            Ok(response)
        }
    })
}

fn taken<B>(held: &Held<B>) -> Vec<ReplayBody<B>> {
    std::mem::take(&mut held.lock().expect("no panic"))
}

async fn all<B>(body: ReplayBody<B>) -> Result<Bytes, BoxError>
where
    B: Body<Error: Into<BoxError>>,
{
    Ok(body.collect().await?.to_bytes())
}

#[tokio::test]
async fn replaced_attempt_cannot_read_body() {
    let held = Held::default();
    let service = hasty().layer(holding(StatusCode::SERVICE_UNAVAILABLE, &held));
    let request = with_body(Method::PUT, Steps::chunks(["a", "b"]));
    assert_eq!(service.oneshot(request).await.refused().attempts(), 3);
    let mut attempts = taken(&held);
    let last = attempts.pop().expect("three attempts");
    for replaced in attempts {
        let error = all(replaced)
            .await
            .expect_err("it belongs to the last attempt");
        assert!(error.to_string().starts_with("this attempt is over"));
    }
    assert_eq!(all(last).await.expect("whole"), "ab");
}

#[tokio::test]
async fn final_failure_keeps_upload_readable() {
    let held = Held::default();
    let layer = hasty().budget(Budget::new(0, 0.0));
    let service = layer.layer(holding(StatusCode::SERVICE_UNAVAILABLE, &held));
    let request = with_body(Method::PUT, Steps::chunks(["a", "b"]));
    let error = service.oneshot(request).await.refused();
    assert_eq!(error.stop_reason(), StopReason::BudgetExhausted);
    let only = taken(&held).pop().expect("one attempt");
    assert_eq!(all(only).await.expect("not cut off"), "ab");
}

#[tokio::test]
async fn frames_after_trailers_prevent_replay() {
    let reading = tower::service_fn(|request: Request<ReplayBody<Steps>>| async {
        let mut body = request.into_body();
        while body.frame().await.is_some() {}
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok::<_, Infallible>(response)
    });
    let body = Steps::new([data("a"), Step::Trailers(HeaderMap::new()), data("b")]);
    let error = hasty()
        .layer(reading)
        .oneshot(with_body(Method::PUT, body))
        .await
        .refused();
    assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
}

/// Promise (once): A request that is sent once is not recorded.
///
/// An upload without a length is chunked, which some servers reject.
#[tokio::test]
async fn unrecorded_body_keeps_length_and_end() {
    let mut once = with_body(Method::PUT, Full::from("text"));
    once.extensions_mut().insert(MaxAttempts(1));
    for request in [with_body(Method::POST, Full::from("text")), once] {
        let held = Held::<Full<Bytes>>::default();
        let service = hasty().layer(holding(StatusCode::OK, &held));
        service.oneshot(request).await.expect("200");
        let mut body = taken(&held).pop().expect("one attempt");
        assert_eq!(
            (body.size_hint().exact(), body.is_end_stream()),
            (Some(4), false)
        );
        body.frame().await.expect("a frame").expect("no error");
        assert_eq!(
            (body.size_hint().exact(), body.is_end_stream()),
            (Some(0), true)
        );
    }
}

/// Lets attempt N read `bytes[N]` bytes. Returns the number of frames that each attempt read.
async fn read_in_turn(bytes: [usize; 3], chunks: usize) -> Vec<usize> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let frames = calls.clone();
    let reading = tower::service_fn(move |request: Request<ReplayBody<Steps>>| {
        let calls = calls.clone();
        async move {
            let call = calls.lock().expect("no panic").len();
            let (mut body, mut read, mut frames) = (request.into_body(), Vec::new(), 0);
            while read.len() < bytes[call] {
                let frame = body.frame().await.expect("more frames");
                read.extend(frame.expect("no error").into_data().expect("data"));
                frames += 1;
            }
            let expected: Vec<_> = (0..read.len()).map(|place| place as u8).collect();
            assert_eq!(read, expected);
            calls.lock().expect("no panic").push(frames);
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            Ok::<_, Infallible>(response)
        }
    });
    let body = Steps::chunks((0..chunks).map(|place| vec![place as u8]));
    let put = with_body(Method::PUT, body);
    hasty().layer(reading).oneshot(put).await.refused();
    Arc::into_inner(frames)
        .expect("the request is finished")
        .into_inner()
        .expect("no panic")
}

/// Promise (once): Every attempt sends the same bytes, framing and trailers.
#[tokio::test]
async fn small_chunks_are_replayed_in_order() {
    read_in_turn([40, 80, 200], 200).await;
}

/// Promise (bounds): Memory and time are bounded, whatever the server sends.
///
/// A chunk's handle takes 32 bytes, even for a chunk of one byte.
#[tokio::test]
async fn small_chunks_are_merged() {
    let frames = read_in_turn([1_000, 1_000, 1_000], 1_000).await;
    assert_eq!(frames[0], 1_000);
    assert!(frames[1] < 40 && frames[2] < 40, "{frames:?}");
}

/// A waker that has another thread poll the body, and waits for the result.
#[derive(Default)]
struct Eager {
    body: Mutex<Option<ReplayBody<Steps>>>,
    has_read: Mutex<Option<bool>>,
}

impl Wake for Eager {
    fn wake(self: Arc<Self>) {
        let mut body = self
            .body
            .lock()
            .expect("no panic")
            .take()
            .expect("put here");
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut cx = Context::from_waker(Waker::noop());
            let frame = Pin::new(&mut body).poll_frame(&mut cx);
            sender.send(matches!(frame, Poll::Ready(Some(Err(_)))))
        });
        let has_read = receiver.recv_timeout(Duration::from_secs(10)).ok();
        *self.has_read.lock().expect("no panic") = has_read;
    }
}

/// Promise (once): The request body belongs to one attempt at a time; an attempt that loses it is
/// woken with an error.
#[tokio::test]
async fn reader_is_woken_after_hand_over() {
    let eager = Arc::new(Eager::default());
    let reader = eager.clone();
    let reading = tower::service_fn(move |request: Request<ReplayBody<Steps>>| {
        let mut body = request.into_body();
        let waker = Waker::from(reader.clone());
        let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker));
        assert!(frame.is_pending());
        reader.body.lock().expect("no panic").replace(body);
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        async move { Ok::<_, Infallible>(response) }
    });
    let mut put = with_body(Method::PUT, Steps::new([Step::Hang]));
    put.extensions_mut().insert(MaxAttempts(2));
    hasty().layer(reading).oneshot(put).await.refused();
    assert_eq!(*eager.has_read.lock().expect("no panic"), Some(true));
}

#[tokio::test]
async fn empty_body_is_not_recorded() {
    let held = Held::default();
    let service = hasty().layer(holding(StatusCode::OK, &held));
    service.oneshot(support::get()).await.expect("200");
    assert_eq!(format!("{:?}", taken(&held)[0]), "ReplayBody(\"Empty\")");
}

#[tokio::test]
async fn response_ends_recording() {
    let held = Held::default();
    let service = hasty().layer(holding(StatusCode::OK, &held));
    let chunk = Bytes::from(vec![7; 1000]);
    let request = with_body(Method::PUT, Full::new(chunk));
    service.oneshot(request).await.expect("200");
    let mut body = taken(&held).pop().expect("one attempt");
    let frame = body.frame().await.expect("a frame").expect("no error");
    assert!(
        frame.into_data().expect("data").is_unique(),
        "no recording keeps the bytes"
    );
}
