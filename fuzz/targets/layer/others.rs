//! Other users of the cool-down: they extend it, clear it, or get a response that starts it.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use revio_status::{Attempt, Cooldown, Decision, Error, RetryPolicy, RevioStatusLayer, StopReason};
use tower::{Layer, ServiceExt, service_fn};

use super::{
    cooldown::end,
    drive::Play,
    scene::{Status, Wait},
    settings::Time,
    setup::observer,
    world::Event,
};

/// An act of another user of the cool-down.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Other {
    Extend(Status, Time),
    Clear,
    /// A request that ignores the cool-down gets a response, which may start or extend it.
    Respond(Status, Wait),
    /// As `Respond`, with a 429 whose wait ends so many hundredths of a second after the cool-down,
    /// or before.
    Stretch(i8),
}

/// Ignores cool-downs, but starts them.
#[derive(Clone, Copy)]
struct Ignorant;

impl RetryPolicy for Ignorant {
    fn is_retryable(&self, _: StatusCode) -> bool {
        false
    }

    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Stop(StopReason::NotRetryable)
    }

    fn max_hold(&self) -> Option<Duration> {
        None
    }
}

impl Play<'_> {
    /// Does what other users do after this poll.
    pub fn interfere(&self, poll: usize) {
        let Some(cooldown) = self.cooldown else {
            return;
        };
        let others = self.job.others.iter();
        for (_, other) in others.filter(|(at, _)| usize::from(*at % 32) == poll) {
            match other {
                Other::Clear => {
                    cooldown.clear();
                    self.world.log(Event::Cleared);
                }
                Other::Extend(status, time) => {
                    let Some(status) = status.get() else {
                        continue;
                    };
                    let until = self.world.state().now + time.get();
                    cooldown.extend_until(status, self.world.instant(until));
                    let until = self.world.rounded(until);
                    let counted = failed(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
                    self.world.log(Event::Extended(counted, until));
                }
                Other::Respond(status, wait) => {
                    if let Some(status) = status.get().and_then(failed) {
                        self.respond(cooldown, status, *wait);
                    }
                }
                Other::Stretch(hundredths) => {
                    let until = cooldown.until().map(|until| self.world.time(until));
                    let left = until.map(|until| until.saturating_sub(self.world.state().now));
                    let left = left.unwrap_or_default().as_millis();
                    let millis = left.saturating_add_signed(i128::from(*hundredths) * 10);
                    if let Ok(millis) = u16::try_from(millis) {
                        let status = StatusCode::TOO_MANY_REQUESTS;
                        self.respond(cooldown, status, Wait::Millis(millis));
                    }
                }
            }
        }
    }

    fn respond(&self, cooldown: &Cooldown, status: StatusCode, wait: Wait) {
        let end = end(self.world, self.settings.account, wait.get());
        self.world.log(Event::OtherResponded(status, end));
        let layer = RevioStatusLayer::with_timer(self.world.clone())
            .cooldown(cooldown.clone())
            .on_event(observer(self.settings, self.world, Some(cooldown.clone())))
            .policy(Ignorant);
        let inner = service_fn(|_| async move {
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = status;
            *response.headers_mut() = wait.headers();
            Ok::<_, Infallible>(response)
        });
        let request = Request::new(Empty::<Bytes>::new());
        let future = pin!(layer.layer(inner).oneshot(request));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(Error::Status(error))) => assert_eq!(error.status(), status),
            other => panic!("a {status} became {other:?}"),
        }
    }
}

/// `None`: not a failure.
fn failed(status: StatusCode) -> Option<StatusCode> {
    Some(status).filter(|status| status.as_u16() >= 400)
}
