//! What is kept of a request while it is on its way, and whether it goes on or stops.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Method, Request, Response, request};
use http_body::Body;

use super::{
    head::Head,
    trace::{self, Subject},
};
use crate::{
    body::{Capture, Captured, Reader, ReplayBody, Tape},
    failure::{BoxError, Error, StatusError, StopReason},
    policy::{Attempt, Decision, ResendCount, RetryPolicy},
    settings::Settings,
    shared::{Withdrawal, sync},
};

pub(crate) enum Kept<S, P, B> {
    /// A request that may not be sent twice: just enough to say so.
    Once {
        settings: Arc<Settings<P>>,
        method: Method,
        /// When it began, if there is a deadline.
        started: Option<Instant>,
    },
    Resendable(Box<Session<S, P, B>>),
}

/// A request that may be sent again.
pub(crate) struct Session<S, P, B> {
    pub(crate) settings: Arc<Settings<P>>,
    pub(crate) service: S,
    head: Head,
    /// `None`: the body is empty, or no attempt can follow.
    tape: Option<sync::Arc<Tape<B>>>,
    attempts: u32,
    /// Asked once: what is kept goes by it, and a limit raised later would find nothing to send.
    attempt_limit: u32,
    started: Instant,
    may_have_been_applied: bool,
}

/// A retry that everybody agreed to, and the failure to return should it not be sent after all.
pub(crate) struct Plan<B> {
    error: StatusError,
    retry: Retry<B>,
}

struct Retry<B> {
    after: Duration,
    /// `None`: beyond all time.
    due: Option<Instant>,
    body: Option<Reader<B>>,
    withdrawal: Withdrawal,
}

impl<B> Plan<B> {
    pub(crate) fn after(&self) -> Duration {
        self.retry.after
    }

    /// The time from `now` until the retry is due.
    pub(crate) fn rest(&self, now: Instant) -> Duration {
        let due = self.retry.due;
        due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// Gives the retry back to the budget.
    pub(crate) fn cancel(self) -> StatusError {
        self.error
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
    ) -> (Self, ReplayBody<B>)
    where
        S: Clone,
    {
        let settings = settings.clone();
        if !settings.policy.may_resend(head) {
            let kept = Self::Once {
                method: head.method.clone(),
                started: settings.deadline.map(|_| settings.timer.now()),
                settings,
            };
            return (kept, ReplayBody::once(body));
        }
        let attempt_limit = settings.policy.attempt_limit();
        let is_last = attempt_limit <= 1;
        let (body, tape) = if is_last {
            (ReplayBody::once(body), None)
        } else {
            ReplayBody::record(body, settings.replay_limit)
        };
        let session = Box::new(Session {
            service: service.clone(),
            head: if is_last {
                Head::outline(head)
            } else {
                Head::new(head)
            },
            tape,
            attempts: 1,
            attempt_limit,
            started: settings.timer.now(),
            may_have_been_applied: false,
            settings,
        });
        (Self::Resendable(session), body)
    }
}

impl<S, P: RetryPolicy, B> Kept<S, P, B> {
    pub(crate) fn settings(&self) -> &Settings<P> {
        match self {
            Self::Once { settings, .. } => settings,
            Self::Resendable(session) => &session.settings,
        }
    }

    /// Reads a failed body no longer than to the deadline.
    pub(crate) fn poll_capture<R: Body>(
        &self,
        capture: Pin<&mut Capture<R>>,
        cx: &mut Context<'_>,
    ) -> Poll<Captured> {
        let settings = self.settings();
        capture.poll(cx, settings.capture_limit, &settings.timer, || {
            let remaining = match self {
                Self::Once { started, .. } => started.and_then(|at| settings.remaining(at)),
                Self::Resendable(session) => session.remaining(),
            };
            remaining.map_or(settings.capture_timeout, |rest| {
                rest.min(settings.capture_timeout)
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
            Self::Once { .. } => 0,
            Self::Resendable(session) => session.attempts.saturating_sub(1),
        }
    }

    /// Go or stop: the questions about a failure, in the order in which a no counts.
    pub(crate) fn next(&mut self, error: StatusError) -> Result<Plan<B>, Error> {
        if !self.settings().policy.is_retryable(error.status()) {
            self.deposit();
            return Err(self.conclude(error, StopReason::NotRetryable));
        }
        let retry = match self {
            Self::Once { .. } => Err(StopReason::NotIdempotent),
            Self::Resendable(session) => session.next(&error),
        };
        match retry {
            Ok(retry) => Ok(Plan { error, retry }),
            Err(reason) => Err(self.give_up(error, reason)),
        }
    }

    /// Makes a retryable failure the request's result.
    pub(crate) fn give_up(&self, error: StatusError, reason: StopReason) -> Error {
        let subject = match self {
            Self::Once { method, .. } => Subject { method, uri: None },
            Self::Resendable(session) => session.subject(),
        };
        trace::given_up(subject, error.status(), self.resends(), reason);
        self.conclude(error, reason)
    }

    /// An error of the inner service. One that another layer of this kind already concluded keeps
    /// all it says, but an earlier attempt of ours may have been applied as well.
    pub(crate) fn pass_on(&self, error: impl Into<BoxError>) -> Error {
        match Error::from(error.into()) {
            Error::Status(error) => {
                let (attempts, reason) = (error.attempts(), error.stop_reason());
                error.conclude(attempts, reason, self.was_applied()).into()
            }
            other => other,
        }
    }

    fn conclude(&self, error: StatusError, reason: StopReason) -> Error {
        let attempts = self.resends().saturating_add(1);
        error.conclude(attempts, reason, self.was_applied()).into()
    }

    /// Whether an attempt before this one may have been applied.
    fn was_applied(&self) -> bool {
        match self {
            Self::Once { .. } => false,
            Self::Resendable(session) => session.may_have_been_applied,
        }
    }
}

impl<S, P: RetryPolicy, B> Session<S, P, B> {
    fn next(&mut self, error: &StatusError) -> Result<Retry<B>, StopReason> {
        self.may_have_been_applied |= error.may_have_been_applied();
        if self.is_last() {
            return Err(StopReason::AttemptsExhausted);
        }
        let now = self.settings.timer.now();
        let elapsed = now.saturating_duration_since(self.started);
        let deadline = self.settings.deadline;
        let remaining = deadline.map(|deadline| deadline.saturating_sub(elapsed));
        let attempt = Attempt::of_failure(self.head.whole(), error)
            .with_number(self.attempts)
            .with_elapsed(elapsed);
        let attempt = match remaining {
            Some(remaining) => attempt.with_remaining(remaining),
            None => attempt,
        };
        let after = match self.settings.policy.decide(&attempt) {
            Decision::Retry { after } => after,
            Decision::Stop(reason) => return Err(reason),
        };
        if remaining.is_some_and(|remaining| after >= remaining) {
            return Err(StopReason::DeadlineExceeded);
        }
        if self.tape.as_ref().is_some_and(|tape| !tape.is_replayable()) {
            return Err(StopReason::BodyNotReplayable);
        }
        let withdrawal = match &self.settings.budget {
            Some(budget) => budget.hold().ok_or(StopReason::BudgetExhausted)?,
            None => Withdrawal::free(),
        };
        // Only now: a failure that is final does not cut off an upload.
        let body = match &self.tape {
            Some(tape) => Some(Tape::hand_over(tape).ok_or(StopReason::BodyNotReplayable)?),
            None => None,
        };
        trace::retry_scheduled(self.subject(), error.status(), self.attempts, after);
        Ok(Retry {
            after,
            due: now.checked_add(after),
            body,
            withdrawal,
        })
    }

    /// The same request once more. From here on the retry counts as sent.
    pub(crate) fn resend(&mut self, plan: Plan<B>) -> Request<ReplayBody<B>> {
        let retry = plan.retry;
        retry.withdrawal.spend();
        let resends = ResendCount(self.attempts);
        self.head.whole().extensions.insert(resends);
        self.attempts = self.attempts.saturating_add(1);
        let head = if self.is_last() {
            self.tape = None;
            self.head.take()
        } else {
            self.head.whole().clone()
        };
        let body = retry
            .body
            .map_or_else(ReplayBody::empty, ReplayBody::recorded);
        Request::from_parts(head, body)
    }

    /// Whether the attempt on its way is the last that the policy could agree to.
    fn is_last(&self) -> bool {
        self.attempts >= self.attempt_limit
    }

    /// The time until the deadline, if there is one.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.settings.remaining(self.started)
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            method: self.head.method(),
            uri: Some(self.head.uri()),
        }
    }
}
