//! The future of one request. It only puts the steps in order; every decision is made below.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use hyper::rt::Sleep;
use pin_project_lite::pin_project;
use tower::Service;

use super::{completed, held::Held, kept::Kept, pause::Pause};
use crate::{
    body::{Capture, ReplayBody},
    failure::{BoxError, Error, StatusError, StopReason},
    policy::RetryPolicy,
};

/// An attempt takes three steps. A policy may ask for endless instant retries of a service that
/// never waits: after so many steps other tasks get a turn.
const STEPS_PER_POLL: u32 = 96;

pin_project! {
    /// The future that [`RevioStatus`](crate::RevioStatus) returns.
    ///
    /// Dropping it cancels the request wherever it stands. Nothing runs on elsewhere, and a retry
    /// that was not sent yet goes back to the budget.
    ///
    /// # Panics
    ///
    /// If it is polled again after it returned.
    pub struct ResponseFuture<S, P, B, R>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        // `None` once it has returned: a service made ready holds what others may wait for.
        kept: Option<Kept<S, P, B>>,
        #[pin]
        state: State<S::Future, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R> {
        Sending { #[pin] future: F },
        Capturing { #[pin] capture: Capture<R>, error: Option<StatusError> },
        /// Not sent yet: the account is to be quiet.
        Held,
        Sleeping { sleep: Pin<Box<dyn Sleep>>, pause: Pause },
        /// With a deadline, `alarm` ends the wait for readiness at it.
        Readying { alarm: Option<Pin<Box<dyn Sleep>>> },
        Done,
    }
}

/// The next step, or the error that ends the request.
type Next<F, R> = Result<State<F, R>, Error>;

impl<S, P, B, R> ResponseFuture<S, P, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
{
    pub(crate) fn new(kept: Kept<S, P, B>, future: S::Future) -> Self {
        Self {
            kept: Some(kept),
            state: State::Sending { future },
        }
    }

    pub(crate) fn held(held: Box<Held<S, P, B>>) -> Self {
        Self {
            kept: Some(Kept::Held(held)),
            state: State::Held,
        }
    }
}

impl<S, P, B, R> Future for ResponseFuture<S, P, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: RetryPolicy,
    B: Body,
    R: Body,
{
    type Output = Result<Response<R>, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for _ in 0..STEPS_PER_POLL {
            let StateProj::Sending { future } = self.as_mut().project().state.project() else {
                if let Some(error) = ready!(self.as_mut().poll_step(cx)) {
                    return Poll::Ready(Err(error));
                }
                continue;
            };
            match ready!(future.poll(cx)) {
                Ok(mut response) if response.status().as_u16() < 400 => {
                    self.succeed(&mut response);
                    return Poll::Ready(Ok(response));
                }
                Ok(response) => self.as_mut().capture(response),
                Err(error) => {
                    if let Some(error) = self.as_mut().fail(error.into()) {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S, P, B, R> ResponseFuture<S, P, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: RetryPolicy,
    B: Body,
    R: Body,
{
    #[inline]
    fn succeed(self: Pin<&mut Self>, response: &mut Response<R>) {
        let mut this = self.project();
        if let Some(kept) = this.kept.take() {
            kept.succeed(response);
        }
        this.state.set(State::Done);
    }

    #[cold]
    fn capture(self: Pin<&mut Self>, response: Response<R>) {
        let (head, body) = response.into_parts();
        let error = StatusError::new(head);
        let mut this = self.project();
        if let Some(kept) = this.kept {
            kept.arm(&error);
        }
        this.state.set(State::Capturing {
            capture: Capture::new(body),
            error: Some(error),
        });
    }

    /// No answer came. Returns the error that ends the request, if it ends here.
    #[cold]
    fn fail(mut self: Pin<&mut Self>, error: BoxError) -> Option<Error> {
        let Some(kept) = self.as_mut().project().kept.as_mut() else {
            completed()
        };
        let next = kept.unanswered(error);
        let next = next.and_then(|pause| State::wait(kept, pause));
        self.go(next)
    }

    /// Takes the next step, or ends with this error.
    fn go(self: Pin<&mut Self>, next: Next<S::Future, R>) -> Option<Error> {
        let mut this = self.project();
        match next {
            Ok(next) => {
                this.state.set(next);
                None
            }
            Err(error) => {
                this.state.set(State::Done);
                *this.kept = None;
                Some(error)
            }
        }
    }

    /// A step of a request that has failed at least once, or is held. Returns the error that ends it.
    #[cold]
    fn poll_step(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        let mut this = self.as_mut().project();
        let Some(kept) = this.kept.as_mut() else {
            completed()
        };
        let next = match this.state.as_mut().project() {
            StateProj::Capturing { capture, error } => {
                let captured = ready!(kept.poll_capture(capture, cx));
                let Some(error) = error.take() else {
                    completed()
                };
                let is_cut_off = !kept.is_head() && error.announces_more_than(captured.body.len());
                let is_truncated = captured.is_truncated || is_cut_off;
                let error = error.with_body(captured.body, is_truncated);
                let pause = kept.answered(error);
                pause.and_then(|pause| State::wait(kept, pause))
            }
            StateProj::Held => State::look(kept),
            StateProj::Sleeping { sleep, pause } => {
                ready!(sleep.as_mut().poll(cx));
                State::woken(kept, *pause)
            }
            StateProj::Readying { alarm } => ready!(poll_send(this.kept, alarm, cx)),
            StateProj::Sending { .. } | StateProj::Done => completed(),
        };
        Poll::Ready(self.go(next))
    }
}

impl<F, R> State<F, R> {
    /// A delay of zero does not go through the timer.
    fn wait<S, P: RetryPolicy, B>(kept: &mut Kept<S, P, B>, pause: Pause) -> Next<F, R> {
        match pause.time.is_zero() {
            true => Self::look(kept),
            false => Ok(Self::sleeping(kept, pause)),
        }
    }

    /// May it be sent, or is the account to be quiet?
    fn look<S, P: RetryPolicy, B>(kept: &mut Kept<S, P, B>) -> Next<F, R> {
        Ok(match kept.look()? {
            None => Self::Readying { alarm: None },
            Some(pause) => Self::sleeping(kept, pause),
        })
    }

    /// A timer that rounds down wakes too early, and the server's word counts: the rest is waited
    /// for too. One that is off by more than half does not follow the clock that it tells.
    #[cfg_attr(
        not(test),
        expect(clippy::arithmetic_side_effects, reason = "a half never overflows")
    )]
    fn woken<S, P: RetryPolicy, B>(kept: &mut Kept<S, P, B>, pause: Pause) -> Next<F, R> {
        let rest = pause.rest(kept.settings().timer.now());
        if rest.is_zero() || rest > pause.time / 2 {
            return Self::look(kept);
        }
        Ok(Self::Sleeping {
            sleep: kept.settings().timer.sleep(rest),
            pause,
        })
    }

    fn sleeping<S, P: RetryPolicy, B>(kept: &Kept<S, P, B>, pause: Pause) -> Self {
        Self::Sleeping {
            sleep: kept.settings().timer.sleep(pause.time),
            pause,
        }
    }
}

/// Waits until the service is ready, looks at the clock and at the cool-down, and sends.
fn poll_send<S, P, B, R>(
    kept: &mut Option<Kept<S, P, B>>,
    alarm: &mut Option<Pin<Box<dyn Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<Next<S::Future, R>>
where
    S: Service<Request<ReplayBody<B>>> + Clone,
    S::Error: Into<BoxError>,
    P: RetryPolicy,
    B: Body,
{
    let Some(keeping) = kept else { completed() };
    let ready = keeping.service().poll_ready(cx);
    if let Poll::Ready(Err(error)) = ready {
        return Poll::Ready(Err(keeping.unready(error.into())));
    }
    let is_late = match keeping.remaining() {
        None => false,
        Some(Duration::ZERO) => true,
        Some(_) if ready.is_ready() => false,
        Some(rest) => {
            let alarm = alarm.get_or_insert_with(|| keeping.settings().timer.sleep(rest));
            alarm.as_mut().poll(cx).is_ready()
        }
    };
    if ready.is_pending() && !is_late {
        return Poll::Pending;
    }
    if is_late {
        return Poll::Ready(Err(keeping.give_up(StopReason::DeadlineExceeded, None)));
    }
    if let Some(pause) = keeping.look()? {
        // What it is ready for, others may wait for.
        let fresh = keeping.service().clone();
        *keeping.service() = fresh;
        return Poll::Ready(Ok(State::sleeping(keeping, pause)));
    }
    let future = match kept.take() {
        Some(Kept::Held(held)) => {
            let (sent, mut service, request) = held.send();
            *kept = Some(sent);
            service.call(request)
        }
        Some(Kept::Resendable(mut session)) => {
            let request = session.resend();
            let future = session.service.call(request);
            *kept = Some(Kept::Resendable(session));
            future
        }
        _ => completed(),
    };
    Poll::Ready(Ok(State::Sending { future }))
}

/// Shows where the request stands, and nothing of what it says.
impl<S, P, B, R> fmt::Debug for ResponseFuture<S, P, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
    P: RetryPolicy,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Sending { .. } => "Sending",
            State::Capturing { .. } => "Capturing",
            State::Held => "Held",
            State::Sleeping { .. } => "Sleeping",
            State::Readying { .. } => "Readying",
            State::Done => "Done",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("resends", &self.kept.as_ref().map(Kept::resends))
            .finish_non_exhaustive()
    }
}
