//! What is kept of a request while it is on its way.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Method, Response, Uri, request};
use http_body::Body;

use super::{
    completed,
    held::Held,
    pause::Pause,
    session::Session,
    trace::{self, Subject},
};
use crate::{
    body::{Capture, Captured, ReplayBody},
    failure::{BoxError, Error, History, ServiceError, StatusError, StopReason},
    policy::{Event, Resend, ResendCount, RetryPolicy},
    settings::Settings,
    shared::Cooldown,
};

pub(crate) enum Kept<S, P, B> {
    /// A request that is sent once, whatever comes: just enough to say so.
    Once {
        settings: Arc<Settings<P>>,
        /// When its deadline is, if it has one.
        end: Option<Instant>,
        more: Option<Box<More>>,
    },
    Resendable(Box<Session<S, P, B>>),
    /// A request that was not sent yet.
    Held(Box<Held<S, P, B>>),
}

/// What few requests that are sent once need.
pub(crate) struct More {
    /// What events tell of it, if somebody listens; and of a HEAD, whose answer has no body.
    subject: Option<(Method, Uri)>,
    /// Its own, if it has one.
    pub(super) cooldown: Option<Cooldown>,
}

impl More {
    #[inline]
    fn new<P>(settings: &Settings<P>, head: &request::Parts) -> Option<Box<Self>> {
        let is_told = settings.observer.is_some() || trace::is_wanted();
        let is_named = is_told || head.method == Method::HEAD;
        let cooldown: Option<&Cooldown> = head.extensions.get();
        (is_named || cooldown.is_some()).then(|| {
            Box::new(Self {
                subject: is_named.then(|| (head.method.clone(), head.uri.clone())),
                cooldown: cooldown.cloned(),
            })
        })
    }
}

impl<S, P: RetryPolicy, B: Body> Kept<S, P, B> {
    /// Keeps what is needed of a request that is about to be sent, and makes its body one that
    /// goes with it.
    #[inline]
    pub(crate) fn begin(
        settings: &Arc<Settings<P>>,
        service: &S,
        head: &request::Parts,
        body: B,
        started: Option<Instant>,
    ) -> (Self, ReplayBody<B>)
    where
        S: Clone,
    {
        let settings = settings.clone();
        let started = || started.unwrap_or_else(|| settings.timer.now());
        let resend = settings.policy.resend(head);
        if resend == Resend::Never {
            let kept = Self::Once {
                end: settings.end(&head.extensions, started),
                more: More::new(&settings, head),
                settings,
            };
            return (kept, ReplayBody::once(body));
        }
        let started = started();
        let (session, body) = Session::begin(settings, service, head, body, resend, started);
        (Self::Resendable(Box::new(session)), body)
    }
}

impl<S, P: RetryPolicy, B> Kept<S, P, B> {
    pub(crate) fn settings(&self) -> &Settings<P> {
        match self {
            Self::Once { settings, .. } => settings,
            Self::Resendable(session) => &session.settings,
            Self::Held(held) => &held.settings,
        }
    }

    /// The service for what is sent next.
    pub(crate) fn service(&mut self) -> &mut S {
        match self {
            Self::Resendable(session) => &mut session.service,
            Self::Held(held) => &mut held.service,
            Self::Once { .. } => completed(),
        }
    }

    /// The time until the deadline, if there is one.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        match self {
            Self::Once { settings, end, .. } => settings.remaining(*end),
            Self::Resendable(session) => session.remaining(),
            Self::Held(held) => held.settings.remaining(held.end),
        }
    }

    /// Whether its answer has no body, whatever the answer's head says.
    pub(crate) fn is_head(&self) -> bool {
        self.subject()
            .is_some_and(|(method, _)| method == Method::HEAD)
    }

    /// Reads a failed body no longer than to the deadline.
    pub(crate) fn poll_capture<R: Body>(
        &self,
        capture: Pin<&mut Capture<R>>,
        cx: &mut Context<'_>,
    ) -> Poll<Captured> {
        let settings = self.settings();
        capture.poll(cx, settings.error_body_limit, &settings.timer, || {
            let remaining = self.remaining();
            remaining.map_or(settings.error_body_timeout, |rest| {
                rest.min(settings.error_body_timeout)
            })
        })
    }

    /// The request was answered, and not by a failure.
    #[inline]
    pub(crate) fn succeed<R>(&self, response: &mut Response<R>) {
        self.deposit();
        let resends = self.resends();
        if resends > 0 {
            response.extensions_mut().insert(ResendCount(resends));
        }
    }

    fn deposit(&self) {
        if let Some(budget) = &self.settings().budget {
            budget.deposit();
        }
    }

    /// How often the request was resent.
    pub(crate) fn resends(&self) -> u32 {
        match self {
            Self::Once { .. } | Self::Held(_) => 0,
            Self::Resendable(session) => session.resends(),
        }
    }

    /// Go or stop, after an answer that says no.
    pub(crate) fn answered(&mut self, error: StatusError) -> Result<Pause, Error> {
        let is_retryable = self.settings().policy.is_retryable(error.status());
        if !is_retryable {
            self.deposit();
        }
        self.judge(error.into(), is_retryable)
    }

    /// Go or stop, where no answer came. What another layer of this kind has made of an answer is
    /// final.
    pub(crate) fn unanswered(&mut self, error: BoxError) -> Result<Pause, Error> {
        let was_read = match self {
            Self::Once { .. } | Self::Held(_) => false,
            Self::Resendable(session) => session.was_body_read(),
        };
        let policy = &self.settings().policy;
        let (error, is_retryable) = match Error::ours(error) {
            Ok(ours) => match ours {
                Error::Status(error) => (error.keep().into(), false),
                Error::Service(error) => {
                    let is_unsent = policy.is_unsent(&error) && !was_read;
                    let is_retryable = policy.is_retryable_error(&error, is_unsent);
                    let error = match was_read {
                        true => error.sent(),
                        false => error,
                    };
                    (Error::from(error.keep()), is_retryable)
                }
            },
            Err(error) => {
                let is_unsent = policy.is_unsent(&*error) && !was_read;
                let is_retryable = policy.is_retryable_error(&*error, is_unsent);
                let error = ServiceError::of_attempt(error, is_unsent);
                (error.into(), is_retryable)
            }
        };
        self.judge(error, is_retryable)
    }

    /// The service failed before the request could be sent. A failure that was to be mended by a
    /// resend is an earlier one.
    pub(crate) fn unready(&mut self, error: BoxError) -> Error {
        let Self::Resendable(session) = self else {
            return Error::of_readiness(error);
        };
        let failure = session.cancel();
        session.remember(failure);
        let error = match Error::ours(error) {
            Ok(ours) => ours.keep(),
            Err(error) => ServiceError::of_attempt(error, true).into(),
        };
        self.stop(error, StopReason::NotRetryable, true)
    }

    fn judge(&mut self, error: Error, is_retryable: bool) -> Result<Pause, Error> {
        let reason = match self {
            Self::Once { .. } if is_retryable => StopReason::NotIdempotent,
            Self::Resendable(session) => match session.judge(error, is_retryable) {
                Ok(pause) => return Ok(pause),
                Err((error, reason)) => return Err(self.stop(error, reason, is_retryable)),
            },
            Self::Once { .. } | Self::Held(_) => StopReason::NotRetryable,
        };
        Err(self.stop(error, reason, is_retryable))
    }

    /// What was to be sent is not sent after all: because of the deadline, or of a cool-down that has
    /// `rest` left.
    pub(crate) fn give_up(&mut self, reason: StopReason, rest: Option<Duration>) -> Error {
        let error = match self {
            Self::Resendable(session) => session.cancel().0.with_rest(rest),
            Self::Held(held) => held.refused().into(),
            Self::Once { .. } => completed(),
        };
        self.stop(error, reason, true)
    }

    pub(super) fn subject(&self) -> Option<(&Method, &Uri)> {
        match self {
            Self::Once { more, .. } => {
                let subject = more.as_ref()?.subject.as_ref()?;
                Some((&subject.0, &subject.1))
            }
            Self::Resendable(session) => Some(session.subject()),
            Self::Held(held) => Some((&held.head.method, &held.head.uri)),
        }
    }

    /// Makes a failure the request's result.
    fn stop(&mut self, error: Error, reason: StopReason, is_retryable: bool) -> Error {
        let resends = self.resends();
        let (applied, history) = match self {
            Self::Once { .. } | Self::Held(_) => (false, History::default()),
            Self::Resendable(session) => session.end(),
        };
        let is_lost = error.service_error().is_some() && resends > 0;
        let attempts = match self {
            Self::Held(_) => 0,
            _ => resends.saturating_add(1),
        };
        let error = error.conclude(attempts, reason, applied, history);
        // An answer that is no retryable failure is the answer. None is a request given up, if a
        // retryable failure came before.
        if is_retryable || is_lost {
            self.tell_given_up(&error, resends, reason);
        }
        error
    }

    fn tell_given_up(&self, error: &Error, resends: u32, reason: StopReason) {
        let Some((method, uri)) = self.subject() else {
            return;
        };
        trace::given_up(Subject { method, uri }, error, resends, reason);
        if let Some(observer) = &self.settings().observer {
            observer.tell(&Event::GivenUp { method, error });
        }
    }
}
