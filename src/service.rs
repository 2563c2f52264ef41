//! The service: holds or sends the first attempt.

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
    policy::{RetryPolicy, StandardPolicy},
    request::{Call, ResponseFuture},
    settings::Settings,
};

/// The service that [`RevioStatusLayer`](crate::RevioStatusLayer) creates.
///
/// It is ready when the inner service is. The first attempt uses the instance whose `poll_ready`
/// returned ready, unless a [`Cooldown`](crate::Cooldown) holds the request. A resend, and a held
/// request, use a clone that is polled for readiness after the wait.
///
/// # Errors
///
/// - [`Error::Status`] for a response of 400 or above, and for a request that a cool-down refused.
/// - [`Error::Service`] for an error of the inner service, in `poll_ready` as in `call`.
pub struct RevioStatus<S, P = StandardPolicy> {
    inner: S,
    settings: Arc<Settings<P>>,
}

impl<S, P> RevioStatus<S, P> {
    pub(crate) fn new(inner: S, settings: Arc<Settings<P>>) -> Self {
        Self { inner, settings }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
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
            .map_err(|error| Error::not_ready(error.into()))
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let active = self.settings.active_cooldown(request.extensions());
        let (mut head, body) = request.into_parts();
        let (mut call, body) = Call::new(&self.settings, &self.inner, &mut head, body);
        if let Some(active) = active {
            // A ready instance may hold a permit; the clone gives it back while the request waits.
            self.inner = self.inner.clone();
            let request = Request::from_parts(head, body);
            call.hold(self.inner.clone(), request, active);
            return ResponseFuture::held(call);
        }
        let future = self.inner.call(Request::from_parts(head, body));
        ResponseFuture::sending(call, future)
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

/// Shows the inner service's type alone: the service may contain credentials.
impl<S, P: fmt::Debug> fmt::Debug for RevioStatus<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevioStatus")
            .field("inner", &format_args!("{}", type_name::<S>()))
            .field("settings", &self.settings)
            .finish()
    }
}
