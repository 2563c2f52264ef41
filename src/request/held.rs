//! A request that was not sent yet, because its account is to be quiet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, request};
use http_body::Body;

use super::kept::Kept;
use crate::{
    body::ReplayBody, failure::StatusError, policy::RetryPolicy, settings::Settings, shared::Armed,
};

pub(crate) struct Held<S, P, B> {
    pub(crate) settings: Arc<Settings<P>>,
    pub(crate) service: S,
    pub(crate) head: request::Parts,
    body: B,
    started: Instant,
    /// When its deadline is, if it has one.
    pub(crate) end: Option<Instant>,
    /// What keeps it, or kept it last.
    pub(crate) armed: Armed,
    pub(crate) time: Duration,
}

impl<S, P, B> Held<S, P, B> {
    /// It is not sent at all.
    pub(crate) fn refused(&self) -> StatusError {
        let rest = self.armed.asked(self.settings.timer.now());
        StatusError::refused(self.armed.status, rest)
    }
}

impl<S: Clone, P: RetryPolicy, B: Body> Held<S, P, B> {
    /// Keeps a request that came while the account is to be quiet.
    #[cold]
    pub(crate) fn begin(
        settings: &Arc<Settings<P>>,
        service: &S,
        request: Request<B>,
        armed: Armed,
        started: Instant,
    ) -> Box<Self> {
        let (head, body) = request.into_parts();
        Box::new(Self {
            settings: settings.clone(),
            service: service.clone(),
            end: settings.end(&head.extensions, || started),
            head,
            body,
            started,
            armed,
            time: Duration::ZERO,
        })
    }

    /// It is sent now: what is kept of it from here on, the ready service, and the request.
    pub(crate) fn send(self) -> (Kept<S, P, B>, S, Request<ReplayBody<B>>) {
        let (mut kept, body) = Kept::begin(
            &self.settings,
            &self.service,
            &self.head,
            self.body,
            Some(self.started),
        );
        kept.was_held(self.time);
        let request = Request::from_parts(self.head, body);
        (kept, self.service, request)
    }
}
