//! A request that may be sent again: whether it goes on or stops.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, Request, Uri, request};
use http_body::Body;

use super::{completed, head::Head, pause::Pause, trace};
use crate::{
    body::{Reader, ReplayBody, Tape},
    failure::{Error, History, StopReason},
    policy::{Attempt, Decision, Event, Resend, ResendCount, RetryPolicy},
    settings::Settings,
    shared::{Cooldown, Withdrawal, sync},
};

pub(crate) struct Session<S, P, B> {
    pub(crate) settings: Arc<Settings<P>>,
    pub(crate) service: S,
    head: Head,
    /// `None`: the body is empty, or only one attempt was ever possible.
    tape: Option<sync::Arc<Tape<B>>>,
    attempts: u32,
    /// Asked once: what is kept goes by it, and a limit raised later would find nothing to send.
    attempt_limit: u32,
    resend: Resend,
    may_have_been_applied: bool,
    started: Instant,
    /// When its deadline is, if it has one.
    end: Option<Instant>,
    /// Its own, if it has one.
    pub(crate) cooldown: Option<Cooldown>,
    past: Option<Box<Past<B>>>,
}

/// What is kept of a request that did not get through at once.
struct Past<B> {
    /// All of the head that the next attempt sends.
    request: Option<request::Parts>,
    history: History,
    retry: Option<Retry<B>>,
    /// Until when it has armed a cool-down itself.
    own_quiet: Option<Instant>,
    /// How long cool-downs have held it.
    held: Duration,
}

impl<B> Default for Past<B> {
    fn default() -> Self {
        Self {
            request: None,
            history: History::default(),
            retry: None,
            own_quiet: None,
            held: Duration::ZERO,
        }
    }
}

/// A retry that everybody agreed to, and the failure to return should it not be sent after all.
struct Retry<B> {
    error: Error,
    delay: Duration,
    body: Option<Reader<B>>,
    withdrawal: Withdrawal,
}

impl<S, P: RetryPolicy, B: Body> Session<S, P, B> {
    #[inline]
    pub(crate) fn begin(
        settings: Arc<Settings<P>>,
        service: &S,
        head: &request::Parts,
        body: B,
        resend: Resend,
        started: Instant,
    ) -> (Self, ReplayBody<B>)
    where
        S: Clone,
    {
        let attempt_limit = settings.policy.attempt_limit(head);
        let is_last = attempt_limit <= 1;
        let (body, tape) = if is_last {
            (ReplayBody::once(body), None)
        } else {
            ReplayBody::record(body, settings.replay_body_limit)
        };
        let session = Self {
            service: service.clone(),
            head: if is_last {
                Head::outline(head)
            } else {
                Head::new(head)
            },
            tape,
            attempts: 1,
            attempt_limit,
            resend,
            may_have_been_applied: false,
            started,
            end: settings.end(&head.extensions, || started),
            cooldown: head.extensions.get().cloned(),
            past: None,
            settings,
        };
        (session, body)
    }
}

impl<S, P: RetryPolicy, B> Session<S, P, B> {
    /// The questions about a failure, in the order in which a no counts.
    pub(crate) fn judge(
        &mut self,
        error: Error,
        is_retryable: bool,
    ) -> Result<Pause, (Error, StopReason)> {
        self.may_have_been_applied |= error.may_have_been_applied();
        let reason = if !is_retryable {
            StopReason::NotRetryable
        } else if self.resend == Resend::IfUnapplied && self.may_have_been_applied {
            StopReason::NotIdempotent
        } else if self.is_last() {
            StopReason::AttemptsExhausted
        } else {
            return self.plan(error);
        };
        Err((error, reason))
    }

    fn plan(&mut self, error: Error) -> Result<Pause, (Error, StopReason)> {
        let now = self.settings.timer.now();
        let past = self.past.get_or_insert_default();
        let request = past.request.get_or_insert_with(|| self.head.whole());
        let mut attempt = Attempt::of_failure(request, &error)
            .with_number(self.attempts)
            .with_possibly_applied(self.may_have_been_applied)
            .with_elapsed(now.saturating_duration_since(self.started));
        let remaining = self.end.map(|end| end.saturating_duration_since(now));
        if let Some(remaining) = remaining {
            attempt = attempt.with_remaining(remaining);
        }
        let cooldown = self.cooldown.as_ref().or(self.settings.cooldown.as_ref());
        let is_paced = cooldown.is_some();
        match schedule(&self.settings, self.tape.as_ref(), &attempt, is_paced) {
            Ok((delay, body, withdrawal)) => {
                past.retry = Some(Retry {
                    error,
                    delay,
                    body,
                    withdrawal,
                });
                Ok(Pause::new(now, delay))
            }
            Err(reason) => Err((error, reason)),
        }
    }

    /// The same request once more. From here on the retry counts as sent.
    pub(crate) fn resend(&mut self) -> Request<ReplayBody<B>> {
        let past = self.past.get_or_insert_default();
        let (Some(retry), Some(request)) = (past.retry.take(), &mut past.request) else {
            completed()
        };
        retry.withdrawal.spend();
        past.history.push(retry.error.into_attempt(retry.delay));
        match request.extensions.get_mut() {
            Some(ResendCount(count)) => *count = self.attempts,
            None => _ = request.extensions.insert(ResendCount(self.attempts)),
        }
        self.attempts = self.attempts.saturating_add(1);
        let head = if self.is_last() {
            if let Some(tape) = &self.tape {
                tape.end();
            }
            self.past().request.take()
        } else {
            self.past().request.clone()
        };
        let Some(head) = head else { completed() };
        let body = retry
            .body
            .map_or_else(ReplayBody::empty, ReplayBody::recorded);
        Request::from_parts(head, body)
    }

    /// Gives the retry that is not sent after all back to the budget. What is left is the failure,
    /// and the wait that was planned after it.
    pub(crate) fn cancel(&mut self) -> (Error, Duration) {
        match self.past().retry.take() {
            Some(retry) => (retry.error, retry.delay),
            None => completed(),
        }
    }

    /// Another failure than this one will be the request's result.
    pub(crate) fn remember(&mut self, (error, delay): (Error, Duration)) {
        self.past().history.push(error.into_attempt(delay));
    }

    /// It has armed a cool-down itself.
    pub(crate) fn has_armed(&mut self, until: Instant) {
        let own = &mut self.past().own_quiet;
        *own = (*own).max(Some(until));
    }

    /// Whether it has asked for that itself, and so has waited for it: its own delay ended no earlier.
    pub(crate) fn is_own(&self, until: Instant) -> bool {
        let own = self.past.as_ref().and_then(|past| past.own_quiet);
        own >= Some(until)
    }

    /// How long cool-downs have held it.
    pub(crate) fn held(&mut self) -> &mut Duration {
        &mut self.past().held
    }

    fn past(&mut self) -> &mut Past<B> {
        self.past.get_or_insert_default()
    }

    /// Whether the attempt on its way is the last that the policy could agree to.
    fn is_last(&self) -> bool {
        self.attempts >= self.attempt_limit
    }

    /// Whether the attempt on its way has begun to read its recorded body.
    pub(crate) fn was_body_read(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| tape.was_read())
    }

    /// Whether an attempt may have been applied, and the failures before the last.
    pub(crate) fn end(&mut self) -> (bool, History) {
        let past = self.past.take();
        let history = past.map_or_else(History::default, |past| past.history);
        (self.may_have_been_applied, history)
    }

    pub(crate) fn resends(&self) -> u32 {
        self.attempts.saturating_sub(1)
    }

    /// The time until the deadline, if there is one.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.settings.remaining(self.end)
    }

    pub(crate) fn subject(&self) -> (&Method, &Uri) {
        (self.head.method(), self.head.uri())
    }
}

/// When a failed attempt is followed by another one, and with what; or why it is not.
fn schedule<P: RetryPolicy, B>(
    settings: &Settings<P>,
    tape: Option<&sync::Arc<Tape<B>>>,
    attempt: &Attempt<'_>,
    is_paced: bool,
) -> Result<(Duration, Option<Reader<B>>, Withdrawal), StopReason> {
    let after = match settings.policy.decide(attempt) {
        Decision::Retry { after } => after,
        Decision::Stop(reason) => return Err(reason),
    };
    if attempt.remaining().is_some_and(|rest| after >= rest) {
        return Err(StopReason::DeadlineExceeded);
    }
    if tape.is_some_and(|tape| !tape.is_replayable()) {
        return Err(StopReason::BodyNotReplayable);
    }
    // A cool-down paces a retry that waits as long as its answer asked for.
    let asked = attempt.retry_after().filter(|wait| !wait.is_zero());
    let cools_down = |status| settings.policy.cools_down(status);
    let is_paced = is_paced
        && asked.is_some_and(|wait| after >= wait)
        && attempt.status().is_some_and(cools_down);
    let withdrawal = match &settings.budget {
        Some(budget) if !is_paced => budget.hold().ok_or(StopReason::BudgetExhausted)?,
        _ => Withdrawal::free(),
    };
    // Only now: a failure that is final does not cut off an upload.
    let body = match tape {
        Some(tape) => Some(Tape::hand_over(tape).ok_or(StopReason::BodyNotReplayable)?),
        None => None,
    };
    trace::retry_scheduled(attempt, after);
    if let Some(observer) = &settings.observer {
        observer.tell(&Event::RetryScheduled { attempt, after });
    }
    Ok((after, body, withdrawal))
}
