//! A service that records when it is called, and calls to it.

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use revio_status::{BoxError, StatusError};
use revio_status_limit::LimitLayer;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MS: Duration = Duration::from_millis(1);

/// Answers every request with 200 at once.
#[derive(Clone, Default)]
pub struct Api(Arc<Mutex<Vec<(String, Instant)>>>);

impl Api {
    /// Returns the paths that were called, and when.
    pub fn calls(&self) -> Vec<(String, Instant)> {
        self.0.lock().expect("no panic").clone()
    }

    pub fn paths(&self) -> Vec<String> {
        self.calls().into_iter().map(|(path, _)| path).collect()
    }

    /// Returns the times of the calls since `start`.
    pub fn times(&self, start: Instant) -> Vec<Duration> {
        self.calls().iter().map(|(_, at)| *at - start).collect()
    }
}

impl<B> Service<Request<B>> for Api {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Full<Bytes>>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = (request.uri().path().to_owned(), Instant::now());
        self.0.lock().expect("no panic").push(call);
        ready(Ok(Response::new(Full::default())))
    }
}

pub fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).expect("a valid request")
}

pub async fn send(layer: &LimitLayer, api: &Api, request: Request<()>) -> Result<(), BoxError> {
    let service = layer.layer(api.clone());
    service.oneshot(request).await.map(drop)
}

/// Starts so many calls, `/0`, `/1`, …, in this order.
pub fn spawn(
    layer: &LimitLayer,
    api: &Api,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Result<(), BoxError>>> {
    let call = |number: usize| {
        let (layer, api) = (layer.clone(), api.clone());
        tokio::spawn(async move { send(&layer, &api, get(&format!("/{number}"))).await })
    };
    (0..count).map(call).collect()
}

/// Returns the refusal in the box.
pub fn refused(result: Result<(), BoxError>) -> StatusError {
    let error = result.expect_err("refused");
    *error.downcast().expect("a StatusError")
}
