//! A service below the layer that records every attempt and its result, and sends some attempts to a
//! closed port.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use http::{Request, Response};
use hyper_util::client::legacy;
use revio_status::{BoxError, ResendCount};
use tower::{Service, timeout::error::Elapsed};

use super::{
    ledger::{AttemptResult, Counted, Ledger, Sent},
    plan::{Door, Plan},
    server::Server,
};

/// A request's number, as an extension.
#[derive(Clone, Copy)]
pub struct Id(pub usize);

/// Forwards requests with two more headers: the request's number and the attempt's.
#[derive(Clone)]
pub struct Probe<S> {
    pub inner: S,
    pub ledger: Arc<Ledger>,
    pub plan: Plan,
    pub server: Arc<Server>,
}

impl<S, B, R> Service<Request<B>> for Probe<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError, Future: Send + 'static>,
    R: 'static,
{
    type Response = Response<Counted<R>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let extensions = request.extensions();
        let &Id(id) = extensions.get().expect("every request has a number");
        let attempt = attempt_of(extensions.get());
        request.headers_mut().insert("x-id", id.into());
        request.headers_mut().insert("x-attempt", attempt.into());
        if self.plan.is_refused(&self.plan.order(id), attempt) {
            let uri = self.server.uri(Door::Shut, id);
            *request.uri_mut() = uri.parse().expect("a valid URI");
        }
        let ledger = self.ledger.clone();
        let number = ledger.send(id);
        let held = ledger.live.attempts.hold(1);
        let result = self.inner.call(request);
        Box::pin(async move {
            let result = result.await;
            ledger.record(id, number, &result);
            drop(held);
            result.map(|response| response.map(|body| ledger.live.responses.body(body)))
        })
    }
}

/// Returns the attempt's number, counted from 1.
pub fn attempt_of(resends: Option<&ResendCount>) -> u32 {
    resends.map_or(1, |resends| resends.0 + 1)
}

impl Ledger {
    /// Records an attempt of this request.
    fn send(&self, id: usize) -> usize {
        let sent = &mut self.page(id).sent;
        let at = Instant::now();
        sent.push(Sent { at, result: None });
        sent.len() - 1
    }

    /// Records this attempt's result.
    fn record<R>(&self, id: usize, number: usize, result: &Result<Response<R>, BoxError>) {
        let result = match result {
            Ok(response) => AttemptResult::Status(response.status().as_u16()),
            Err(error) if error.is::<Elapsed>() => AttemptResult::TimedOut,
            Err(error) => match error.downcast_ref::<legacy::Error>() {
                Some(error) if error.is_connect() => AttemptResult::NoConnection,
                _ => AttemptResult::Error,
            },
        };
        self.page(id).sent[number].result = Some((Instant::now(), result));
    }
}
