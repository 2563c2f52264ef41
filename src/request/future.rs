//! The future of one request: the order of its steps. Every decision is made in `call`.

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

use super::{call::Call, completed, hold::Wait};
use crate::{
    body::{Capture, ReplayBody},
    failure::{BoxError, Error, StatusError, StopReason},
    policy::RetryPolicy,
};

/// An attempt takes three steps. A policy may ask for endless retries without a delay, of a service
/// that is always ready: after this many steps, other tasks get a turn.
const STEPS_PER_POLL: u32 = 96;

pin_project! {
    /// The future that [`RevioStatus`](crate::RevioStatus) returns.
    ///
    /// Dropping the future cancels the request in any state: no task runs on, and a retry that was
    /// not sent returns to the budget.
    ///
    /// # Panics
    ///
    /// If polled after completion.
    pub struct ResponseFuture<S, P, B, R>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        // `None` after completion: a ready service may hold a permit.
        call: Option<Call<S, P, B>>,
        #[pin]
        state: State<S::Future, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R> {
        Sending { #[pin] future: F },
        ReadingError { #[pin] body: Capture<R>, error: Option<StatusError> },
        // Not sent yet: a cool-down holds the first attempt.
        Held,
        Sleeping { sleep: Pin<Box<dyn Sleep>>, wait: Wait },
        // `alarm` ends the wait for readiness at the deadline.
        Readying { alarm: Option<Pin<Box<dyn Sleep>>> },
        Done,
    }
}

/// The next state, or the error that ends the request.
type Next<F, R> = Result<State<F, R>, Error>;

impl<S, P, B, R> ResponseFuture<S, P, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
{
    #[inline]
    pub(crate) fn sending(call: Call<S, P, B>, future: S::Future) -> Self {
        Self {
            call: Some(call),
            state: State::Sending { future },
        }
    }

    pub(crate) fn held(call: Call<S, P, B>) -> Self {
        Self {
            call: Some(call),
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
                Ok(response) => self.as_mut().read_error(response),
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
        if let Some(call) = this.call.take() {
            call.succeed(response);
        }
        this.state.set(State::Done);
    }

    #[cold]
    fn read_error(self: Pin<&mut Self>, response: Response<R>) {
        let (head, body) = response.into_parts();
        let error = StatusError::new(head);
        let mut this = self.project();
        if let Some(call) = this.call {
            call.start_cooldown(&error);
        }
        this.state.set(State::ReadingError {
            body: Capture::new(body),
            error: Some(error),
        });
    }

    /// Returns the error that ends the request, if no attempt follows this one.
    #[cold]
    fn fail(mut self: Pin<&mut Self>, error: BoxError) -> Option<Error> {
        let Some(call) = self.as_mut().project().call.as_mut() else {
            completed()
        };
        let delay = call.after_no_response(error);
        let next = delay.and_then(|delay| State::wait(call, delay));
        self.go(next)
    }

    /// Takes the next step, or returns the error that ends the request.
    fn go(self: Pin<&mut Self>, next: Next<S::Future, R>) -> Option<Error> {
        let mut this = self.project();
        match next {
            Ok(next) => {
                this.state.set(next);
                None
            }
            Err(error) => {
                this.state.set(State::Done);
                *this.call = None;
                Some(error)
            }
        }
    }

    /// Polls any state but `Sending`. Returns the error that ends the request.
    #[cold]
    fn poll_step(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        let mut this = self.as_mut().project();
        let Some(call) = this.call.as_mut() else {
            completed()
        };
        let next = match this.state.as_mut().project() {
            StateProj::ReadingError { body, error } => {
                let body = ready!(call.poll_error_body(body, cx));
                let Some(error) = error.take() else {
                    completed()
                };
                let delay = call.after_failure(call.add_body(error, body));
                delay.and_then(|delay| State::wait(call, delay))
            }
            StateProj::Held => State::check_cooldown(call),
            StateProj::Sleeping { sleep, wait } => {
                ready!(sleep.as_mut().poll(cx));
                match wait.left(call.settings().timer.now()) {
                    Some(left) => Ok(State::sleep(call, *wait, left)),
                    None => State::check_cooldown(call),
                }
            }
            StateProj::Readying { alarm } => ready!(poll_send(call, alarm, cx)),
            StateProj::Sending { .. } | StateProj::Done => completed(),
        };
        Poll::Ready(self.go(next))
    }
}

impl<F, R> State<F, R> {
    /// A zero delay does not use the timer.
    fn wait<S, P: RetryPolicy, B>(call: &mut Call<S, P, B>, delay: Wait) -> Next<F, R> {
        match delay.time.is_zero() {
            true => Self::check_cooldown(call),
            false => Ok(Self::sleep(call, delay, delay.time)),
        }
    }

    fn check_cooldown<S, P: RetryPolicy, B>(call: &mut Call<S, P, B>) -> Next<F, R> {
        Ok(match call.check_cooldown()? {
            None => Self::Readying { alarm: None },
            Some(wait) => Self::sleep(call, wait, wait.time),
        })
    }

    fn sleep<S, P: RetryPolicy, B>(call: &Call<S, P, B>, wait: Wait, time: Duration) -> Self {
        Self::Sleeping {
            sleep: call.settings().timer.sleep(time),
            wait,
        }
    }
}

/// Waits until the service is ready, checks the deadline and the cool-down, and sends.
fn poll_send<S, P, B, R>(
    call: &mut Call<S, P, B>,
    alarm: &mut Option<Pin<Box<dyn Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<Next<S::Future, R>>
where
    S: Service<Request<ReplayBody<B>>> + Clone,
    S::Error: Into<BoxError>,
    P: RetryPolicy,
    B: Body,
{
    let ready = call.service().poll_ready(cx);
    if let Poll::Ready(Err(error)) = ready {
        return Poll::Ready(Err(call.after_not_ready(error.into())));
    }
    let is_late = match call.remaining() {
        None => false,
        Some(Duration::ZERO) => true,
        Some(_) if ready.is_ready() => false,
        Some(remaining) => {
            let alarm = alarm.get_or_insert_with(|| call.settings().timer.sleep(remaining));
            alarm.as_mut().poll(cx).is_ready()
        }
    };
    if is_late {
        return Poll::Ready(Err(call.cancel(StopReason::DeadlineExceeded, None)));
    }
    if ready.is_pending() {
        return Poll::Pending;
    }
    if let Some(wait) = call.check_cooldown()? {
        // A ready instance may hold a permit; the clone gives it back while the request waits.
        let fresh = call.service().clone();
        *call.service() = fresh;
        return Poll::Ready(Ok(State::sleep(call, wait, wait.time)));
    }
    let future = call.send();
    Poll::Ready(Ok(State::Sending { future }))
}

/// Shows the state and the number of resends, and nothing of the request.
impl<S, P, B, R> fmt::Debug for ResponseFuture<S, P, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
    P: RetryPolicy,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Sending { .. } => "Sending",
            State::ReadingError { .. } => "ReadingError",
            State::Held => "Held",
            State::Sleeping { .. } => "Sleeping",
            State::Readying { .. } => "Readying",
            State::Done => "Done",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("resends", &self.call.as_ref().map(Call::resends))
            .finish_non_exhaustive()
    }
}
