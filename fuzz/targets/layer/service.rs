//! The inner service: does what the scene says, and notes what it is asked.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use revio_status::ReplayBody;
use tower::Service;

use super::{
    quiet,
    scene::Answer,
    upload::{Broken, Script, Upload},
    world::{Count, Event, Step, World},
};

/// Stands in the extensions of requests and of good responses: they must come through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark(pub u32);

pub struct Inner {
    world: World,
    instance: usize,
    /// Ready, and not called yet.
    permit: Option<Count>,
    _live: Count,
}

impl Inner {
    pub fn new(world: &World) -> Self {
        let mut state = world.state();
        state.instances += 1;
        Self {
            world: world.clone(),
            instance: state.instances,
            permit: None,
            _live: state.counts.instances.clone(),
        }
    }

    fn poll_permit(&mut self, cx: &Context<'_>) -> Step {
        let mut state = self.world.state();
        let answer = answer(&state.answers, state.calls);
        let turn = state.ready_polls;
        if let Some(time) = answer.readiness.iter().take(3).nth(turn) {
            state.ready_polls += 1;
            drop(state);
            self.world.pause(time.get(), cx);
            Step::Pending
        } else if answer.is_never_ready {
            Step::Fail
        } else {
            self.permit = Some(state.counts.permits.clone());
            Step::Done
        }
    }
}

/// The last answer is for all further attempts.
fn answer(answers: &[Answer], call: usize) -> Answer {
    answers
        .get(call)
        .or(answers.last())
        .cloned()
        .expect("there is always one")
}

/// A clone is not ready.
impl Clone for Inner {
    fn clone(&self) -> Self {
        Self::new(&self.world)
    }
}

impl Service<Request<ReplayBody<Script>>> for Inner {
    type Response = Response<Script>;
    type Error = Broken;
    type Future = Sending;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let result = self.poll_permit(cx);
        let instance = self.instance;
        self.world.log(Event::Ready {
            instance,
            result: result.clone(),
        });
        match result {
            Step::Pending => Poll::Pending,
            Step::Fail => Poll::Ready(Err(Broken)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request<ReplayBody<Script>>) -> Sending {
        assert!(self.permit.take().is_some(), "called without being ready");
        let (head, body) = request.into_parts();
        let length = *head.extensions.get().expect("extensions come along");
        let (instance, head) = (self.instance, Box::new(head));
        self.world.log(Event::Called { instance, head });
        let mut state = self.world.state();
        let answer = answer(&state.answers, state.calls);
        state.calls += 1;
        state.ready_polls = 0;
        let (attempt, live) = (state.calls as u32, state.counts.sends.clone());
        drop(state);
        Sending {
            upload: Some(Upload::new(&self.world, attempt, body, length)),
            frames: 0,
            is_paused: false,
            answer,
            world: self.world.clone(),
            _live: live,
        }
    }
}

/// What the request's body comes to, and whether it says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    pub bytes: u64,
    pub is_exact: bool,
}

pub struct Sending {
    world: World,
    answer: Answer,
    upload: Option<Upload>,
    frames: u8,
    is_paused: bool,
    _live: Count,
}

impl Future for Sending {
    type Output = Result<Response<Script>, Broken>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let (false, Some(time)) = (self.is_paused, self.answer.pause) {
            self.is_paused = true;
            self.world.pause(time.get(), cx);
            return Poll::Pending;
        }
        let mut upload = self.upload.take().expect("polled after it answered");
        while self.frames < self.answer.reads && upload.end.is_none() {
            if upload.poll(cx).is_pending() {
                if self.answer.is_hasty {
                    break;
                }
                self.upload = Some(upload);
                return Poll::Pending;
            }
            self.frames += 1;
        }
        let is_broken = upload.end == Some(Step::Fail);
        if self.answer.reads_on && upload.end.is_none() {
            self.world.state().leftovers.push(upload);
        } else {
            drop(upload);
        }
        let response = match is_broken && !self.answer.shrugs {
            true => None,
            false => response(&self.world, &self.answer),
        };
        let account = self.world.state().account;
        let quiet = quiet::asked(&self.world, account, self.answer.wait.get());
        let status = response.as_ref().map(Response::status);
        self.world.log(Event::Answered(status, quiet));
        Poll::Ready(response.ok_or(Broken))
    }
}

fn response(world: &World, answer: &Answer) -> Option<Response<Script>> {
    let status = answer.status.get()?;
    let mut response = Response::new(Script::response(world, &answer.body, answer.knows_its_end));
    *response.status_mut() = status;
    *response.headers_mut() = answer.wait.headers();
    response
        .extensions_mut()
        .insert(Mark(status.as_u16().into()));
    Some(response)
}
