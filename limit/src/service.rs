//! The service: waits for a turn, then for the inner service, then sends.

use std::{
    any::type_name,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Request;
use pin_project_lite::pin_project;
use revio_status::{BoxError, ResendCount};
use tower::Service;

use crate::{layer::LimitLayer, wait::Wait};

/// The service that [`LimitLayer`] creates.
///
/// Always ready: a request waits for its turn in its future, and then for the inner service.
///
/// # Errors
///
/// A boxed `StatusError` with status 429 if the attempt is refused, which `RevioStatusLayer` above
/// returns as it is; otherwise the inner service's error.
#[derive(Clone)]
pub struct Limit<S> {
    layer: LimitLayer,
    inner: S,
}

impl<S> Limit<S> {
    pub(crate) fn new(layer: LimitLayer, inner: S) -> Self {
        Self { layer, inner }
    }
}

impl<S, B> Service<Request<B>> for Limit<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let resends = request.extensions().get();
        ResponseFuture {
            resends: resends.map_or(0, |ResendCount(resends)| *resends),
            state: State::Waiting {
                wait: Wait::new(&self.layer, request.extensions()),
                unsent: Some((self.inner.clone(), request)),
            },
        }
    }
}

pin_project! {
    /// The future that [`Limit`] returns.
    ///
    /// Dropping the future gives its turn to the next request.
    ///
    /// # Panics
    ///
    /// If polled after completion.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        resends: u32,
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        Waiting { wait: Wait, unsent: Option<(S, Request<B>)> },
        Readying { unsent: Option<(S, Request<B>)> },
        Sending { #[pin] future: F },
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Waiting { wait, unsent } => match ready!(wait.poll(cx)) {
                    Ok(()) => State::Readying {
                        unsent: mem::take(unsent),
                    },
                    Err(refused) => {
                        let error = refused.into_error().with_attempts(*this.resends);
                        return Poll::Ready(Err(error.into()));
                    }
                },
                StateProj::Readying { unsent } => {
                    let (service, _) = unsent.as_mut().expect(COMPLETED);
                    ready!(service.poll_ready(cx)).map_err(Into::into)?;
                    let (mut service, request) = unsent.take().expect(COMPLETED);
                    State::Sending {
                        future: service.call(request),
                    }
                }
                StateProj::Sending { future } => return future.poll(cx).map_err(Into::into),
            };
            this.state.set(next);
        }
    }
}

const COMPLETED: &str = "ResponseFuture polled after completion";

/// Names the inner service's type alone: the service may contain credentials.
impl<S> fmt::Debug for Limit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("layer", &self.layer)
            .field("inner", &format_args!("{}", type_name::<S>()))
            .finish()
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waiting { .. } => "Waiting",
            State::Readying { .. } => "Readying",
            State::Sending { .. } => "Sending",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
