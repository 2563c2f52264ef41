//! The wait of one request: for its turn, for a cool-down, or not at all.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Extensions, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use revio_status::{Cooldown, Deadline, StatusError, StopReason};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    layer::LimitLayer,
    queue::{Ticket, Turn},
};

/// A cool-down has no wake-up: it is checked this often.
const CHECK: Duration = Duration::from_secs(1);

/// A timer may fire so late.
const TICK: Duration = Duration::from_millis(1);

pub(crate) struct Wait {
    layer: LimitLayer,
    /// The latest turn that the request may wait for.
    limit: Instant,
    cooldown: Option<Cooldown>,
    /// `cooldown` came with this request, so that no other request waits for it.
    is_own: bool,
    ticket: Option<Ticket>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    pub(crate) fn new(layer: &LimitLayer, extensions: &Extensions) -> Self {
        let limit = Instant::now() + layer.settings.max_wait;
        let deadline = extensions
            .get()
            .map(|Deadline(end)| Instant::from_std(*end));
        let own: Option<&Cooldown> = extensions.get();
        let cooldown = own.or(layer.settings.cooldown.as_ref()).cloned();
        Self {
            layer: layer.clone(),
            limit: deadline.map_or(limit, |deadline| deadline.min(limit)),
            is_own: cooldown != layer.settings.cooldown,
            cooldown,
            ticket: None,
            sleep: None,
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        loop {
            let now = Instant::now();
            let next = match self.check(now, cx) {
                Step::Done(result) => {
                    self.leave();
                    return Poll::Ready(result);
                }
                Step::Sleep(until) => until,
            };
            let next = match self.cooldown {
                Some(_) => next.min(now + CHECK),
                None => next,
            };
            match &mut self.sleep {
                Some(sleep) if sleep.deadline() == next => {}
                Some(sleep) => sleep.as_mut().reset(next),
                None => self.sleep = Some(Box::pin(sleep_until(next))),
            }
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
            }
        }
    }

    /// Uses the turn, refuses the request, or returns the time to look again.
    fn check(&mut self, now: Instant, cx: &mut Context<'_>) -> Step {
        let Self { limit, .. } = *self;
        let end = self.cooldown.as_ref().and_then(Cooldown::until);
        let end = end.map(Instant::from_std);
        let is_cooling = end.is_some_and(|end| end > now);
        let turns = self.layer.turns.clone();
        let mut queue = turns.queue();
        let ticket = *self.ticket.get_or_insert_with(|| queue.ticket());
        #[cfg(feature = "redis")]
        if !is_cooling {
            crate::redis::prepare(&self.layer, &mut queue, ticket, now, limit);
        }
        let (earliest, is_known) = match queue.turn(ticket, now, end) {
            Turn::At(turn) => (turn, true),
            #[cfg(feature = "redis")]
            Turn::NotBefore(time) => (time, false),
        };
        if earliest > limit || now > limit + TICK || !is_known && now >= limit {
            let reason = match is_cooling {
                true => StopReason::CoolingDown,
                false => StopReason::DeadlineExceeded,
            };
            return Step::Done(Err(Refused(reason, earliest - now)));
        }
        if is_known && earliest <= now {
            queue.take(ticket, now);
            self.ticket = None;
            return Step::Done(Ok(()));
        }
        if is_cooling && self.is_own {
            queue.leave(ticket);
        } else {
            queue.wait(ticket, cx.waker());
        }
        match is_known || is_cooling {
            true => Step::Sleep(earliest),
            false => Step::Sleep(limit),
        }
    }

    fn leave(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.layer.turns.queue().leave(ticket);
        }
    }
}

enum Step {
    Done(Result<(), Refused>),
    Sleep(Instant),
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The reason why a request gets no turn, and the time until it would.
pub(crate) struct Refused(StopReason, Duration);

impl Refused {
    /// Says it as the gateway would. The layer above returns the error as it is.
    pub(crate) fn into_error(self) -> StatusError {
        let Self(reason, wait) = self;
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let mut response = Response::new(Bytes::from_static(
            br#"{"message": "Not sent: no turn in time within the account's limit of calls."}"#,
        ));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, seconds.max(1).into());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let error = StatusError::from_response(response).expect("429 is a failure");
        error.with_stop_reason(reason)
    }
}
