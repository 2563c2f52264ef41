//! The service: what is kept of a request is decided here, before the first send.

use std::{
    any::type_name,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use crate::{
    body::ReplayBody,
    failure::{BoxError, Error},
    policy::RetryPolicy,
    request::{Held, Kept, ResponseFuture},
    settings::Settings,
};

/// The service that [`RevioStatusLayer`](crate::RevioStatusLayer) makes.
///
/// It is ready when the inner service is. The first attempt uses the very instance whose
/// `poll_ready` said yes, unless a [`Cooldown`](crate::Cooldown) holds the request. Resends, and what
/// was held, use a clone that is made ready after the wait.
///
/// # Errors
///
/// [`Error::Status`] for an answer of 400 or above, and for a request that a cool-down refused;
/// [`Error::Service`] for an error of the inner
/// service, in `poll_ready` as in `call`.
pub struct RevioStatus<S, P> {
    inner: S,
    settings: Arc<Settings<P>>,
}

impl<S, P> RevioStatus<S, P> {
    pub(crate) fn new(inner: S, settings: Arc<Settings<P>>) -> Self {
        Self { inner, settings }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service without this layer.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P, B, R> Service<Request<B>> for RevioStatus<S, P>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: RetryPolicy + Clone,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    type Response = Response<R>;
    type Error = Error;
    type Future = ResponseFuture<S, P, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Error::of_readiness(error.into()))
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some((armed, now)) = self.settings.quiet(request.extensions()) {
            let held = Held::begin(&self.settings, &self.inner, request, armed, now);
            // What the service is ready for, others may wait for.
            self.inner = held.service.clone();
            return ResponseFuture::held(held);
        }
        let (head, body) = request.into_parts();
        let (kept, body) = Kept::begin(&self.settings, &self.inner, &head, body, None);
        let future = self.inner.call(Request::from_parts(head, body));
        ResponseFuture::new(kept, future)
    }
}

impl<S: Clone, P> Clone for RevioStatus<S, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            settings: self.settings.clone(),
        }
    }
}

/// Names the inner service and shows nothing of it: it may hold credentials.
impl<S, P: fmt::Debug> fmt::Debug for RevioStatus<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevioStatus")
            .field("inner", &format_args!("{}", type_name::<S>()))
            .field("settings", &self.settings)
            .finish()
    }
}
