//! Between the layer and the rest of the stack: writes down every attempt and its answer, and sends
//! some where nobody listens.

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
    ledger::{Answer, Counted, Ledger, Sent},
    plan::{Door, Plan},
    server::Server,
};

/// The number of a request, on the request itself.
#[derive(Clone, Copy)]
pub struct Id(pub usize);

/// Passes everything on, with its number and attempt in two more headers.
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
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            ledger.answer(id, number, &answer);
            drop(held);
            answer.map(|response| response.map(|body| ledger.live.answers.body(body)))
        })
    }
}

/// The attempt's number, counted from 1.
pub fn attempt_of(resends: Option<&ResendCount>) -> u32 {
    resends.map_or(1, |resends| resends.0 + 1)
}

impl Ledger {
    /// One more attempt of this request.
    fn send(&self, id: usize) -> usize {
        let sent = &mut self.page(id).sent;
        let at = Instant::now();
        sent.push(Sent { at, answer: None });
        sent.len() - 1
    }

    /// What the layer is about to see of this attempt.
    fn answer<R>(&self, id: usize, number: usize, answer: &Result<Response<R>, BoxError>) {
        let answer = match answer {
            Ok(response) => Answer::Status(response.status().as_u16()),
            Err(error) if error.is::<Elapsed>() => Answer::TimedOut,
            Err(error) => match error.downcast_ref::<legacy::Error>() {
                Some(error) if error.is_connect() => Answer::NoConnection,
                _ => Answer::Error,
            },
        };
        self.page(id).sent[number].answer = Some((Instant::now(), answer));
    }
}
