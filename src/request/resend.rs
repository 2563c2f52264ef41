//! The state kept to send a request again, and the questions before a resend.

use std::{
    mem,
    time::{Duration, Instant},
};

use http::{Request, request};
use http_body::Body;
use tower::Service;

use super::{
    completed,
    head::Head,
    hold::Wait,
    report::{self, Subject},
};
use crate::{
    body::{Reader, ReplayBody, Tape},
    failure::{Error, History, StopReason},
    policy::{Attempt, Decision, Resend, ResendCount, RetryPolicy, cooldown_wait},
    settings::Settings,
    shared::{Withdrawal, sync},
};

pub(super) struct Resendable<S, B> {
    service: S,
    head: Head,
    /// `None`: the body is empty, or only one attempt was ever possible.
    tape: Option<sync::Arc<Tape<B>>>,
    attempts: u32,
    /// Asked once: a limit that is raised later would find nothing kept.
    attempt_limit: u32,
    resend: Resend,
    may_have_been_applied: bool,
    started: Instant,
    failed: Option<Box<Failed<B>>>,
}

/// State kept from the first failure on.
struct Failed<B> {
    /// The whole head of the next attempt.
    request: Option<request::Parts>,
    history: History,
    retry: Option<Retry<B>>,
    was_paced: bool,
}

impl<B> Default for Failed<B> {
    fn default() -> Self {
        Self {
            request: None,
            history: History::default(),
            retry: None,
            was_paced: false,
        }
    }
}

/// An approved retry, and the error to return if the retry is cancelled.
struct Retry<B> {
    error: Error,
    delay: Duration,
    body: Option<Reader<B>>,
    withdrawal: Withdrawal,
}

impl<S: Clone, B: Body> Resendable<S, B> {
    #[inline]
    pub(super) fn new<P: RetryPolicy>(
        settings: &Settings<P>,
        service: &S,
        head: &request::Parts,
        body: B,
        resend: Resend,
        started: Instant,
    ) -> (Self, ReplayBody<B>) {
        let attempt_limit = settings.policy.attempt_limit(head);
        let (head, (body, tape)) = match attempt_limit {
            0 | 1 => (Head::outline(head), (ReplayBody::once(body), None)),
            _ => (
                Head::new(head),
                ReplayBody::record(body, settings.replay_body_limit),
            ),
        };
        let resendable = Self {
            service: service.clone(),
            head,
            tape,
            attempts: 1,
            attempt_limit,
            resend,
            may_have_been_applied: false,
            started,
            failed: None,
        };
        (resendable, body)
    }
}

impl<S, B> Resendable<S, B> {
    /// Asks the questions about a retryable failure, in the order of [`StopReason`].
    pub(super) fn judge<P: RetryPolicy>(
        &mut self,
        settings: &Settings<P>,
        deadline: Option<Instant>,
        has_cooldown: bool,
        error: Error,
    ) -> Result<Wait, (Error, StopReason)> {
        self.may_have_been_applied |= error.may_have_been_applied();
        if self.resend == Resend::IfUnapplied && self.may_have_been_applied {
            return Err((error, StopReason::NotIdempotent));
        }
        if self.is_last() {
            return Err((error, StopReason::AttemptsExhausted));
        }
        let now = settings.timer.now();
        match self.plan(settings, deadline, has_cooldown, now, &error) {
            Ok((delay, body, withdrawal)) => {
                self.failed().retry = Some(Retry {
                    error,
                    delay,
                    body,
                    withdrawal,
                });
                Ok(Wait::new(now, delay))
            }
            Err(reason) => Err((error, reason)),
        }
    }

    /// Asks the policy, the deadline, the body and the budget.
    fn plan<P: RetryPolicy>(
        &mut self,
        settings: &Settings<P>,
        deadline: Option<Instant>,
        has_cooldown: bool,
        now: Instant,
        error: &Error,
    ) -> Result<(Duration, Option<Reader<B>>, Withdrawal), StopReason> {
        let failed = &mut **self.failed.get_or_insert_default();
        let request = failed.request.get_or_insert_with(|| self.head.whole());
        let remaining = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let mut attempt = Attempt::from_failure(request, error)
            .with_number(self.attempts)
            .with_possibly_applied(self.may_have_been_applied)
            .with_elapsed(now.saturating_duration_since(self.started));
        if let Some(remaining) = remaining {
            attempt = attempt.with_remaining(remaining);
        }
        let after = match settings.policy.decide(&attempt) {
            Decision::Retry { after } => after,
            Decision::Stop(reason) => return Err(reason),
        };
        if remaining.is_some_and(|remaining| after >= remaining) {
            return Err(StopReason::DeadlineExceeded);
        }
        let tape = self.tape.as_ref();
        if tape.is_some_and(|tape| !tape.is_replayable()) {
            return Err(StopReason::BodyNotReplayable);
        }
        // The cool-down paces one retry of each request. A server that answers every request with a
        // short `Retry-After` would otherwise get all attempts of all requests.
        let asked = cooldown_wait(&settings.policy, attempt.status(), attempt.retry_after());
        let is_paced = has_cooldown && asked.is_some_and(|asked| after >= asked);
        let withdrawal = match &settings.budget {
            Some(budget) if !is_paced || failed.was_paced => {
                budget.hold().ok_or(StopReason::BudgetExhausted)?
            }
            _ => Withdrawal::free(),
        };
        failed.was_paced |= is_paced;
        // Only now: a failure that is final does not cut off an upload.
        let body = match tape {
            Some(tape) => Some(Tape::hand_over(tape).ok_or(StopReason::BodyNotReplayable)?),
            None => None,
        };
        report::retry_scheduled(settings.observer.as_ref(), &attempt, after);
        Ok((after, body, withdrawal))
    }

    /// Sends the next attempt. From here on the retry counts as sent.
    pub(super) fn send(&mut self) -> S::Future
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        let failed = self.failed.get_or_insert_default();
        let (Some(retry), Some(request)) = (failed.retry.take(), &mut failed.request) else {
            completed()
        };
        retry.withdrawal.spend();
        failed.history.push(retry.error.into_previous(retry.delay));
        match request.extensions.get_mut() {
            Some(ResendCount(count)) => *count = self.attempts,
            None => _ = request.extensions.insert(ResendCount(self.attempts)),
        }
        self.attempts = self.attempts.saturating_add(1);
        let head = if self.is_last() {
            if let Some(tape) = &self.tape {
                tape.finish_recording();
            }
            self.failed().request.take()
        } else {
            self.failed().request.clone()
        };
        let Some(head) = head else { completed() };
        let body = retry.body;
        let body = body.map_or_else(ReplayBody::empty, ReplayBody::recorded);
        self.service.call(Request::from_parts(head, body))
    }

    /// Returns `true` while an approved retry waits to be sent.
    pub(super) fn has_retry(&self) -> bool {
        let failed = self.failed.as_ref();
        failed.is_some_and(|failed| failed.retry.is_some())
    }

    /// Cancels the retry, which returns to the budget, and returns the failure before it.
    pub(super) fn cancel_retry(&mut self) -> Error {
        self.take_retry().0
    }

    /// Cancels the retry, because another failure becomes the request's result.
    pub(super) fn move_retry_to_history(&mut self) {
        let (error, delay) = self.take_retry();
        self.failed().history.push(error.into_previous(delay));
    }

    fn take_retry(&mut self) -> (Error, Duration) {
        match self.failed().retry.take() {
            Some(retry) => (retry.error, retry.delay),
            None => completed(),
        }
    }

    fn failed(&mut self) -> &mut Failed<B> {
        self.failed.get_or_insert_default()
    }

    /// Returns `true` if no attempt can follow the one in flight.
    fn is_last(&self) -> bool {
        self.attempts >= self.attempt_limit
    }

    /// Returns `true` if the attempt in flight has begun to read its recorded body.
    pub(super) fn was_body_read(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| tape.was_read())
    }

    /// Returns whether an attempt may have been applied, and the failures before the last.
    pub(super) fn finish(&mut self) -> (bool, History) {
        let failed = self.failed.as_mut();
        let history = failed.map(|failed| mem::take(&mut failed.history));
        (self.may_have_been_applied, history.unwrap_or_default())
    }

    pub(super) fn resends(&self) -> u32 {
        self.attempts.saturating_sub(1)
    }

    pub(super) fn service(&mut self) -> &mut S {
        &mut self.service
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            method: self.head.method(),
            uri: self.head.uri(),
        }
    }
}
