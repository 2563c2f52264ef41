//! A failed response's body: read to its end where that is possible, and never longer than allowed.

mod support;

use std::time::Duration;

use bytes::Bytes;
use revio_status::StatusError;
use support::{Refused, body::*, get, hasty, layer, post, script::*};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

async fn captured(layer: impl Layer<Script, Service: Captures>, steps: Vec<Step>) -> StatusError {
    layer
        .layer(Script::new([answer(500).body(steps)]))
        .get()
        .await
}

/// Any of our services over the script.
trait Captures {
    fn get(self) -> impl Future<Output = StatusError>;
}

impl<P: revio_status::RetryPolicy + Clone> Captures for revio_status::RevioStatus<Script, P> {
    async fn get(self) -> StatusError {
        self.oneshot(get()).await.refused()
    }
}

fn long(length: usize) -> Bytes {
    (0..length).map(|place| place as u8).collect()
}

#[tokio::test]
async fn a_body_is_kept_as_it_came() {
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

#[tokio::test]
async fn the_limit_is_exact() {
    let all = long(10);
    for (chunks, whole) in [
        (vec![10], true),
        (vec![4, 6], true),
        (vec![11], false),
        (vec![10, 1], false),
        (vec![4, 7], false),
    ] {
        let source = long(11);
        let mut rest = source.clone();
        let steps = chunks
            .iter()
            .map(|size| data(rest.split_to(*size)))
            .collect();
        let error = captured(layer().capture_limit(10), steps).await;
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
    let error = captured(layer().capture_limit(10), steps).await;
    assert!(!error.is_body_truncated());
}

#[tokio::test]
async fn a_limit_of_zero_keeps_nothing_and_says_so() {
    let error = captured(layer().capture_limit(0), vec![data("x")]).await;
    assert_eq!((error.body().len(), error.is_body_truncated()), (0, true));
    let error = captured(layer().capture_limit(0), vec![]).await;
    assert!(!error.is_body_truncated());
}

#[tokio::test]
async fn by_default_it_is_64_kib() {
    for (length, truncated) in [(65_536, false), (65_537, true)] {
        let error = captured(layer(), vec![data(long(length))]).await;
        assert_eq!(
            (error.body().len(), error.is_body_truncated()),
            (65_536, truncated)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_it_takes_five_seconds_at_most() {
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

#[tokio::test(start_paused = true)]
async fn it_ends_at_the_deadline() {
    for request in [get(), post()] {
        let begun = Instant::now();
        let script = Script::new([answer(503).body([data("all there is"), Step::Hang])]);
        let service = layer().deadline(2 * SECOND).layer(script);
        let error = service.oneshot(request).await.refused();
        assert_eq!(
            (&error.body()[..], error.is_body_truncated()),
            (&b"all there is"[..], true)
        );
        assert_eq!(begun.elapsed(), 2 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn with_no_time_it_keeps_what_is_already_here() {
    let steps = vec![data("here"), Step::Wait(SECOND), data("late")];
    let error = captured(layer().capture_timeout(Duration::ZERO), steps).await;
    assert_eq!(
        (&error.body()[..], error.is_body_truncated()),
        (&b"here"[..], true)
    );
}

#[tokio::test]
async fn a_body_that_breaks_keeps_status_headers_and_what_came() {
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
async fn a_body_of_empty_frames_without_end_ends() {
    let endless = tower::service_fn(|_| async {
        let mut response = http::Response::new(Steps::forever([data("")]));
        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        Ok::<_, std::convert::Infallible>(response)
    });
    let error = layer().layer(endless).oneshot(get()).await.refused();
    assert_eq!((error.body().len(), error.is_body_truncated()), (0, true));
}

#[tokio::test(start_paused = true)]
async fn a_broken_body_does_not_hinder_a_retry() {
    let script = Script::new([answer(503).body([Step::Fail("reset")]), answer(200)]);
    let response = hasty().layer(script).oneshot(get()).await.expect("retried");
    assert_eq!(response.status(), 200);
}
