//! What becomes of a request's body, seen by a service that keeps hold of it.

mod support;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use revio_status::{BoxError, Budget, ReplayBody, StopReason};
use support::{Refused, body::*, hasty, with_body};
use tower::{Layer, Service, ServiceExt};

type Held<B> = Arc<Mutex<Vec<ReplayBody<B>>>>;

/// Answers with this status at once, and keeps each body unread.
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
async fn an_attempt_that_was_replaced_reads_no_further() {
    let held = Held::default();
    let service = hasty().layer(holding(StatusCode::SERVICE_UNAVAILABLE, &held));
    let request = with_body(Method::PUT, Steps::chunks(["a", "b"]));
    assert_eq!(service.oneshot(request).await.refused().attempts(), 3);
    let mut attempts = taken(&held);
    let last = attempts.pop().expect("three attempts");
    for replaced in attempts {
        let error = all(replaced).await.expect_err("it belongs to the last one");
        assert!(error.to_string().starts_with("this attempt is over"));
    }
    assert_eq!(all(last).await.expect("whole"), "ab");
}

#[tokio::test]
async fn a_failure_that_is_final_does_not_cut_the_upload_off() {
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
async fn what_follows_trailers_cannot_be_replayed() {
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

#[tokio::test]
async fn an_empty_body_is_not_recorded() {
    let held = Held::default();
    let service = hasty().layer(holding(StatusCode::OK, &held));
    service.oneshot(support::get()).await.expect("200");
    assert_eq!(format!("{:?}", taken(&held)[0]), "ReplayBody(\"Empty\")");
}

#[tokio::test]
async fn nothing_is_recorded_once_the_answer_has_come() {
    let held = Held::default();
    let service = hasty().layer(holding(StatusCode::OK, &held));
    let chunk = Bytes::from(vec![7; 1000]);
    let request = with_body(Method::PUT, Full::new(chunk));
    service.oneshot(request).await.expect("200");
    let mut body = taken(&held).pop().expect("one attempt");
    let frame = body.frame().await.expect("a frame").expect("no error");
    assert!(
        frame.into_data().expect("data").is_unique(),
        "nobody keeps the bytes"
    );
}
