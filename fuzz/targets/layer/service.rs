//! The inner service: follows the scene, and logs each call.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use revio_status::ReplayBody;
use tower::Service;

use super::{
    cooldown,
    scene::AttemptScript,
    upload::{Broken, Script, Upload},
    world::{Count, Event, Step, World},
};

/// An extension of requests and of good responses, which the layer must keep.
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
        let script = script(&state.scripts, state.calls);
        let turn = state.ready_polls;
        if let Some(time) = script.readiness.iter().take(3).nth(turn) {
            state.ready_polls += 1;
            drop(state);
            self.world.pause(time.get(), cx);
            Step::Pending
        } else if script.is_never_ready {
            Step::Fail
        } else {
            self.permit = Some(state.counts.permits.clone());
            Step::Done
        }
    }
}

/// Returns the script of this call; the last one serves all further calls.
fn script(scripts: &[AttemptScript], call: usize) -> AttemptScript {
    scripts
        .get(call)
        .or(scripts.last())
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
        let script = script(&state.scripts, state.calls);
        state.calls += 1;
        state.ready_polls = 0;
        let (attempt, live) = (state.calls as u32, state.counts.sends.clone());
        drop(state);
        Sending {
            upload: Some(Upload::new(&self.world, attempt, body, length)),
            frames: 0,
            is_paused: false,
            script,
            world: self.world.clone(),
            _live: live,
        }
    }
}

/// The length of the request body; `is_exact` if its size hint says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    pub bytes: u64,
    pub is_exact: bool,
}

pub struct Sending {
    world: World,
    script: AttemptScript,
    upload: Option<Upload>,
    frames: u8,
    is_paused: bool,
    _live: Count,
}

impl Future for Sending {
    type Output = Result<Response<Script>, Broken>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let (false, Some(time)) = (self.is_paused, self.script.pause) {
            self.is_paused = true;
            self.world.pause(time.get(), cx);
            return Poll::Pending;
        }
        let mut upload = self.upload.take().expect("polled after completion");
        while self.frames < self.script.reads && upload.end.is_none() {
            if upload.poll(cx).is_pending() {
                if self.script.is_hasty {
                    break;
                }
                self.upload = Some(upload);
                return Poll::Pending;
            }
            self.frames += 1;
        }
        let is_broken = upload.end == Some(Step::Fail);
        if self.script.reads_on && upload.end.is_none() {
            self.world.state().leftovers.push(upload);
        } else {
            drop(upload);
        }
        let response = match is_broken && !self.script.shrugs {
            true => None,
            false => response(&self.world, &self.script),
        };
        let account = self.world.state().account;
        let end = cooldown::end(&self.world, account, self.script.wait.get());
        let status = response.as_ref().map(Response::status);
        self.world.log(Event::Responded(status, end));
        Poll::Ready(response.ok_or(Broken))
    }
}

fn response(world: &World, script: &AttemptScript) -> Option<Response<Script>> {
    let status = script.status.get()?;
    let mut response = Response::new(Script::response(world, &script.body, script.knows_its_end));
    *response.status_mut() = status;
    *response.headers_mut() = script.wait.headers();
    response
        .extensions_mut()
        .insert(Mark(status.as_u16().into()));
    Some(response)
}
