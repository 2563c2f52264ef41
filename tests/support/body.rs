//! A body that follows a script of frames, waits and failures.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use revio_status::BoxError;

#[derive(Clone, Debug)]
pub enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Returns `Pending` once, and wakes at once.
    Yield,
    Wait(Duration),
    /// Stays pending.
    Hang,
    Fail(&'static str),
    Panic,
}

/// A body that follows its steps and ends. Without `with_hint` its length is unknown.
#[derive(Default)]
pub struct Steps {
    steps: VecDeque<Step>,
    /// The steps to repeat after the first ones.
    forever: Option<Vec<Step>>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    hint: SizeHint,
}

impl Steps {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    pub fn chunks<C: Into<Bytes>>(chunks: impl IntoIterator<Item = C>) -> Self {
        Self::new(chunks.into_iter().map(|chunk| Step::Data(chunk.into())))
    }

    pub fn forever(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: Vec<_> = steps.into_iter().collect();
        Self {
            forever: Some(steps.clone()),
            ..Self::new(steps)
        }
    }

    pub fn with_hint(self, hint: SizeHint) -> Self {
        Self { hint, ..self }
    }
}

pub fn data(chunk: impl Into<Bytes>) -> Step {
    Step::Data(chunk.into())
}

impl Body for Steps {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                std::task::ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            if self.steps.is_empty() {
                let again = self.forever.clone().unwrap_or_default();
                self.steps.extend(again);
            }
            return Poll::Ready(match self.steps.pop_front() {
                None => None,
                Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
                Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
                Some(Step::Fail(text)) => Some(Err(text.into())),
                Some(Step::Panic) => panic!("the caller's body panics"),
                Some(Step::Wait(time)) => {
                    self.sleep = Some(Box::pin(tokio::time::sleep(time)));
                    continue;
                }
                Some(Step::Yield) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Hang) => {
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
            });
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
