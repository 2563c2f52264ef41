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

use crate::{
    capture::Capture,
    error::{BoxError, Error},
    policy::RetryPolicy,
    replay::ReplayBody,
    session::{Kept, Retry},
    status_error::StatusError,
    stop_reason::StopReason,
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
        kept: Kept<S, P, B>,
        #[pin]
        state: State<S::Future, B, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B, R> {
        Sending { #[pin] future: F },
        Capturing { #[pin] capture: Capture<R>, error: Option<StatusError> },
        Sleeping { sleep: Pin<Box<dyn Sleep>>, plan: Option<Plan<B>> },
        /// With a deadline, `alarm` ends the wait for readiness at it.
        Readying { alarm: Option<Pin<Box<dyn Sleep>>>, plan: Option<Plan<B>> },
        Done,
    }
}

/// A retry, and the failure to return should it not be sent after all.
struct Plan<B> {
    error: StatusError,
    retry: Retry<B>,
}

impl<S, P, B, R> ResponseFuture<S, P, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
{
    pub(crate) fn new(kept: Kept<S, P, B>, future: S::Future) -> Self {
        Self {
            kept,
            state: State::Sending { future },
        }
    }
}

impl<S, P, B, R> Future for ResponseFuture<S, P, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    P: RetryPolicy,
    R: Body,
{
    type Output = Result<Response<R>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        for _ in 0..STEPS_PER_POLL {
            let next = match this.state.as_mut().project() {
                StateProj::Sending { future } => match ready!(future.poll(cx)) {
                    Ok(response) => match StatusError::split(response) {
                        Ok(response) => {
                            this.state.set(State::Done);
                            return Poll::Ready(Ok(this.kept.succeed(response)));
                        }
                        Err((error, body)) => {
                            let capture = Capture::new(body);
                            Ok(State::Capturing {
                                capture,
                                error: Some(error),
                            })
                        }
                    },
                    Err(error) => Err(Error::Service(error.into())),
                },
                StateProj::Capturing { capture, error } => {
                    let captured = ready!(this.kept.poll_capture(capture, cx));
                    let Some(error) = error.take() else {
                        completed()
                    };
                    go_or_stop(
                        this.kept,
                        error.with_body(captured.body, captured.is_truncated),
                    )
                }
                StateProj::Sleeping { sleep, plan } => {
                    ready!(sleep.as_mut().poll(cx));
                    Ok(State::Readying {
                        alarm: None,
                        plan: plan.take(),
                    })
                }
                StateProj::Readying { alarm, plan } => {
                    let sent = ready!(poll_resend(this.kept, alarm, plan, cx));
                    sent.map(|future| State::Sending { future })
                }
                StateProj::Done => completed(),
            };
            match next {
                Ok(next) => this.state.set(next),
                Err(error) => {
                    this.state.set(State::Done);
                    return Poll::Ready(Err(error));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn go_or_stop<S, P: RetryPolicy, B, F, R>(
    kept: &mut Kept<S, P, B>,
    error: StatusError,
) -> Result<State<F, B, R>, Error> {
    let retry = match kept.next(&error) {
        Ok(retry) => retry,
        Err(reason) => return Err(kept.stop(error, reason)),
    };
    let after = retry.after;
    let plan = Some(Plan { error, retry });
    Ok(if after.is_zero() {
        State::Readying { alarm: None, plan }
    } else {
        let sleep = kept.settings().timer.sleep(after);
        State::Sleeping { sleep, plan }
    })
}

/// Waits until the service is ready again, looks at the clock, and sends.
fn poll_resend<S, P, B>(
    kept: &mut Kept<S, P, B>,
    alarm: &mut Option<Pin<Box<dyn Sleep>>>,
    plan: &mut Option<Plan<B>>,
    cx: &mut Context<'_>,
) -> Poll<Result<S::Future, Error>>
where
    S: Service<Request<ReplayBody<B>>>,
    S::Error: Into<BoxError>,
    P: RetryPolicy,
{
    let Kept::Resendable(session) = kept else {
        completed()
    };
    let ready = session.service.poll_ready(cx);
    if let Poll::Ready(Err(error)) = ready {
        return Poll::Ready(Err(Error::Service(error.into())));
    }
    let is_late = match session.remaining() {
        None => false,
        Some(Duration::ZERO) => true,
        Some(_) if ready.is_ready() => false,
        Some(rest) => {
            let alarm = alarm.get_or_insert_with(|| session.settings.timer.sleep(rest));
            alarm.as_mut().poll(cx).is_ready()
        }
    };
    if ready.is_pending() && !is_late {
        return Poll::Pending;
    }
    let Some(Plan { error, retry }) = plan.take() else {
        completed()
    };
    Poll::Ready(if is_late {
        Err(kept.stop(error, StopReason::DeadlineExceeded))
    } else {
        let request = session.resend(retry);
        Ok(session.service.call(request))
    })
}

/// Every other way here would be a mistake in this file.
fn completed() -> ! {
    panic!("ResponseFuture polled after completion")
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
            State::Sleeping { .. } => "Sleeping",
            State::Readying { .. } => "Readying",
            State::Done => "Done",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("resends", &self.kept.resends())
            .finish_non_exhaustive()
    }
}
