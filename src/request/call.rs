//! The state of any request, and the decisions that follow a response, an error, or a stop.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Method, Request, Response, Uri, request};
use http_body::Body;
use tower::Service;

use super::{
    completed,
    hold::{Hold, Wait},
    report::{self, Subject},
    resend::Resendable,
};
use crate::{
    body::{Capture, Captured, ReplayBody},
    failure::{BoxError, Error, ServiceError, StatusError, StopReason},
    policy::{Observer, Resend, ResendCount, RetryPolicy, cooldown_wait},
    settings::Settings,
    shared::{Active, Cooldown},
};

pub(crate) struct Call<S, P, B> {
    settings: Arc<Settings<P>>,
    deadline: Option<Instant>,
    /// `None`: the request is sent once.
    resend: Option<Box<Resendable<S, B>>>,
    rare: Option<Box<Rare<S, B>>>,
}

/// State that few requests need.
struct Rare<S, B> {
    /// The request's own, from its extensions.
    cooldown: Option<Cooldown>,
    /// Kept for a request that is sent once, if events or HEAD need it.
    subject: Option<(Method, Uri)>,
    hold: Hold<S, B>,
}

/// Returns `true` if events, or a HEAD request's missing body, need the method and URI of a request that
/// is sent once.
#[inline]
fn needs_subject<P>(settings: &Settings<P>, head: &request::Parts) -> bool {
    settings.observer.is_some() || report::is_enabled() || head.method == Method::HEAD
}

impl<S, B> Default for Rare<S, B> {
    fn default() -> Self {
        Self {
            cooldown: None,
            subject: None,
            hold: Hold::default(),
        }
    }
}

impl<S: Clone, P: RetryPolicy, B: Body> Call<S, P, B> {
    /// Keeps what is needed of a request before its first attempt, and wraps its body. Sets the
    /// `Deadline` extension.
    #[inline]
    pub(crate) fn new(
        settings: &Arc<Settings<P>>,
        service: &S,
        head: &mut request::Parts,
        body: B,
    ) -> (Self, ReplayBody<B>) {
        let settings = settings.clone();
        let resend = settings.policy.resend(head);
        if resend == Resend::Never {
            let now = || settings.timer.now();
            let call = Self {
                deadline: settings.set_deadline(&mut head.extensions, now),
                rare: Rare::new(head, needs_subject(&settings, head)),
                resend: None,
                settings,
            };
            return (call, ReplayBody::once(body));
        }
        let started = settings.timer.now();
        let deadline = settings.set_deadline(&mut head.extensions, || started);
        let (resend, body) = Resendable::new(&settings, service, head, body, resend, started);
        let call = Self {
            deadline,
            resend: Some(Box::new(resend)),
            rare: Rare::new(head, false),
            settings,
        };
        (call, body)
    }
}

impl<S, B> Rare<S, B> {
    /// `None`: the request needs nothing that is rare.
    #[inline]
    fn new(head: &request::Parts, keeps_subject: bool) -> Option<Box<Self>> {
        let cooldown: Option<&Cooldown> = head.extensions.get();
        (keeps_subject || cooldown.is_some()).then(|| {
            Box::new(Self {
                cooldown: cooldown.cloned(),
                subject: keeps_subject.then(|| (head.method.clone(), head.uri.clone())),
                hold: Hold::default(),
            })
        })
    }
}

impl<S, P: RetryPolicy, B> Call<S, P, B> {
    pub(super) fn settings(&self) -> &Settings<P> {
        &self.settings
    }

    fn observer(&self) -> Option<&Observer> {
        self.settings.observer.as_ref()
    }

    fn hold_mut(&mut self) -> &mut Hold<S, B> {
        &mut self.rare.get_or_insert_default().hold
    }

    /// Returns the time until the deadline.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let now = || self.settings.timer.now();
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(now()))
    }

    /// Returns the number of resends made.
    #[inline]
    pub(super) fn resends(&self) -> u32 {
        self.resend.as_ref().map_or(0, |resend| resend.resends())
    }

    fn is_unsent(&self) -> bool {
        let hold = self.rare.as_ref().map(|rare| &rare.hold);
        hold.is_some_and(|hold| hold.unsent().is_some())
    }

    fn subject(&self) -> Option<Subject<'_>> {
        if let Some(resend) = &self.resend {
            return Some(resend.subject());
        }
        let rare = self.rare.as_ref()?;
        let own = rare.subject.as_ref();
        own.map(|(method, uri)| Subject { method, uri })
            .or_else(|| {
                let request = &rare.hold.unsent()?.request;
                Some(Subject {
                    method: request.method(),
                    uri: request.uri(),
                })
            })
    }

    fn cooldown(&self) -> Option<&Cooldown> {
        let own = self.rare.as_ref().and_then(|rare| rare.cooldown.as_ref());
        own.or(self.settings.cooldown.as_ref())
    }

    /// Keeps the first attempt until the cool-down is over.
    #[cold]
    pub(crate) fn hold(&mut self, service: S, request: Request<ReplayBody<B>>, active: Active) {
        self.hold_mut().keep(service, request, active);
    }

    /// Starts or extends the cool-down, if the head of this response asks for it.
    pub(super) fn start_cooldown(&mut self, error: &StatusError) {
        let (status, settings) = (error.status(), &self.settings);
        let wait = cooldown_wait(&settings.policy, Some(status), error.retry_after());
        let (Some(wait), Some(cooldown)) = (wait, self.cooldown()) else {
            return;
        };
        let now = settings.timer.now();
        let (end, is_reported) = cooldown.start(status, now, wait);
        if is_reported {
            let times = (now, end);
            report::cooldown_started(self.observer(), self.subject(), cooldown, status, times);
        }
        if self.resend.is_some() {
            self.hold_mut().set_own_end(end);
        }
    }

    /// Returns the wait for the cool-down, `None` if the request may be sent now, or the error that
    /// ends the request.
    pub(super) fn check_cooldown(&mut self) -> Result<Option<Wait>, Error> {
        let max_hold = self.settings.policy.max_hold();
        let active = self.cooldown().and_then(Cooldown::active);
        let (Some(max_hold), Some(active)) = (max_hold, active) else {
            return Ok(None);
        };
        let now = self.settings.timer.now();
        let hold = self.rare.as_ref().map(|rare| &rare.hold);
        let is_exempt = hold.is_some_and(|hold| hold.is_exempt(active));
        if is_exempt || active.wait(now).is_zero() {
            return Ok(None);
        }
        let deadline = self.remaining();
        let remaining = active.remaining(now);
        match self.hold_mut().plan(active, now, max_hold, deadline) {
            Ok(wait) => {
                if let Some(subject) = self.subject() {
                    let resend = self.resend.as_ref().filter(|_| !self.is_unsent());
                    let number = resend.map(|resend| resend.resends().saturating_add(1));
                    report::held(self.observer(), subject, active.status, number, remaining);
                }
                Ok(Some(wait))
            }
            Err(reason) => Err(self.cancel(reason, Some(remaining))),
        }
    }

    /// Reads the error body, no longer than to the deadline.
    pub(super) fn poll_error_body<R: Body>(
        &self,
        body: Pin<&mut Capture<R>>,
        cx: &mut Context<'_>,
    ) -> Poll<Captured> {
        let settings = &self.settings;
        body.poll(cx, settings.error_body_limit, &settings.timer, || {
            let timeout = settings.error_body_timeout;
            let remaining = self.remaining();
            remaining.map_or(timeout, |remaining| remaining.min(timeout))
        })
    }

    /// Adds what was read of the body to the failed response.
    pub(super) fn add_body(&self, error: StatusError, body: Captured) -> StatusError {
        let is_head = self.subject().is_some_and(|s| s.method == Method::HEAD);
        let is_short = !is_head && error.announces_more_than(body.body.len());
        error.with_body(body.body, body.is_truncated || is_short)
    }

    /// Ends the request with a response below 400.
    #[inline]
    pub(super) fn succeed<R>(&self, response: &mut Response<R>) {
        self.deposit();
        let resends = self.resends();
        if resends > 0 {
            response.extensions_mut().insert(ResendCount(resends));
        }
    }

    #[inline]
    fn deposit(&self) {
        if let Some(budget) = &self.settings.budget {
            budget.deposit();
        }
    }

    /// Decides what follows a failed response: the delay of a retry, or the error that ends the
    /// request.
    pub(super) fn after_failure(&mut self, error: StatusError) -> Result<Wait, Error> {
        let is_retryable = self.settings.policy.is_retryable(error.status());
        if !is_retryable {
            self.deposit();
        }
        let asked = error.retry_after();
        let delay = self.judge(error.into(), is_retryable)?;
        // A retry that is planned earlier than its response asked waits for the cool-down like any request.
        if let Some(rare) = self.rare.as_mut().filter(|_| asked > Some(delay.time)) {
            rare.hold.clear_own_end();
        }
        Ok(delay)
    }

    /// Decides what follows an error of the inner service. What an inner layer of this crate made of
    /// a response is final.
    pub(super) fn after_no_response(&mut self, error: BoxError) -> Result<Wait, Error> {
        let was_read = self.resend.as_ref().is_some_and(|r| r.was_body_read());
        let policy = &self.settings.policy;
        let verdict = |error: &(dyn std::error::Error + 'static)| {
            let is_unsent = policy.is_unsent(error) && !was_read;
            (is_unsent, policy.is_retryable_error(error, is_unsent))
        };
        let (mut error, is_retryable) = match Error::downcast(error) {
            Ok(Error::Status(error)) => (Error::from(error), false),
            Ok(Error::Service(error)) => {
                let (_, is_retryable) = verdict(&error);
                (error.with_sent(was_read).into(), is_retryable)
            }
            Err(error) => {
                let (is_unsent, is_retryable) = verdict(&*error);
                let error = ServiceError::of_attempt(error, is_unsent);
                return self.judge(error.into(), is_retryable);
            }
        };
        error.outcome_mut().conclude_below();
        self.judge(error, is_retryable)
    }

    /// Ends a request whose service failed before the attempt could be sent. The failure that the
    /// attempt was to retry becomes part of the history.
    pub(super) fn after_not_ready(&mut self, error: BoxError) -> Error {
        let resend = self.resend.as_mut().filter(|resend| resend.has_retry());
        let Some(resend) = resend else {
            return Error::not_ready(error);
        };
        resend.move_retry_to_history();
        let error = match Error::downcast(error) {
            Ok(mut ours) => {
                ours.outcome_mut().conclude_below();
                ours
            }
            Err(error) => ServiceError::of_attempt(error, true).into(),
        };
        self.stop(error, StopReason::NotRetryable, true)
    }

    fn judge(&mut self, error: Error, is_retryable: bool) -> Result<Wait, Error> {
        let has_cooldown = self.cooldown().is_some();
        let verdict = match &mut self.resend {
            _ if !is_retryable => Err((error, StopReason::NotRetryable)),
            None => Err((error, StopReason::NotIdempotent)),
            Some(resend) => resend.judge(&self.settings, self.deadline, has_cooldown, error),
        };
        verdict.map_err(|(error, reason)| self.stop(error, reason, is_retryable))
    }

    /// Ends a request that waits to be sent: at its deadline, or because a cool-down has too much time
    /// remaining.
    pub(super) fn cancel(&mut self, reason: StopReason, remaining: Option<Duration>) -> Error {
        let active = self.cooldown().and_then(Cooldown::active);
        let hold = self.rare.as_ref().map(|rare| &rare.hold);
        let error = match (hold.and_then(Hold::unsent), &mut self.resend) {
            (Some(unsent), _) => unsent.refuse(active, self.settings.timer.now()).into(),
            (None, Some(resend)) => resend.cancel_retry().with_remaining(remaining),
            (None, None) => completed(),
        };
        self.stop(error, reason, true)
    }

    /// Makes a failure the request's result.
    fn stop(&mut self, mut error: Error, reason: StopReason, is_retryable: bool) -> Error {
        let resends = self.resends();
        let attempts = match self.is_unsent() {
            true => 0,
            false => resends.saturating_add(1),
        };
        let is_without_response = error.service_error().is_some() || error.is_from_below();
        let is_lost_resend = is_without_response && resends > 0;
        let resend = self.resend.as_mut();
        let (may_have_been_applied, history) =
            resend.map(|resend| resend.finish()).unwrap_or_default();
        let outcome = error.outcome_mut();
        outcome.conclude(attempts, reason, may_have_been_applied, history);
        // A response that is not retryable is a result, whatever came before.
        if is_retryable || is_lost_resend {
            if let Some(subject) = self.subject() {
                report::given_up(self.observer(), subject, &error, resends, reason);
            }
        }
        error
    }

    /// Returns the service of the next attempt.
    pub(super) fn service(&mut self) -> &mut S {
        let rare = self.rare.as_mut();
        let unsent = rare.and_then(|rare| rare.hold.unsent_service());
        match (unsent, &mut self.resend) {
            (Some(service), _) => service,
            (None, Some(resend)) => resend.service(),
            (None, None) => completed(),
        }
    }

    /// Sends the held first attempt, or the next resend, with the service that is ready.
    pub(super) fn send(&mut self) -> S::Future
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        let rare = self.rare.as_mut();
        if let Some(mut unsent) = rare.and_then(|rare| rare.hold.take_unsent()) {
            return unsent.service.call(unsent.request);
        }
        match &mut self.resend {
            Some(resend) => resend.send(),
            None => completed(),
        }
    }
}
