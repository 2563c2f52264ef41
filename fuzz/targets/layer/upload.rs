//! The caller's body, the response's body, and an attempt's upload.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes, buf::Chain};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use revio_status::ReplayBody;

use super::{
    scene::{Hint, Job, Piece},
    service::Length,
    world::{Count, Event, Flag, Step, World},
};

pub type Data = Chain<Bytes, Bytes>;
type PolledFrame = Poll<Option<Result<Frame<Data>, Broken>>>;

/// The error of the caller's body, and of the service.
#[derive(Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("scripted failure")
    }
}

impl std::error::Error for Broken {}

/// A body that gives its pieces, and panics if polled after its end.
pub struct Script {
    world: World,
    pieces: VecDeque<Piece>,
    content: Bytes,
    given: usize,
    hint: Hint,
    knows_its_end: bool,
    is_done: bool,
    /// `true` for a response body, `false` for a request body.
    is_response: bool,
    chunks: Count,
    _live: Count,
}

impl Script {
    pub fn request(world: &World, job: &Job) -> Self {
        let live = world.state().counts.requests.clone();
        Self::new(world, &job.body, job.hint, job.knows_its_end, live, false)
    }

    pub fn response(world: &World, pieces: &[Piece], knows_its_end: bool) -> Self {
        let live = world.state().counts.responses.clone();
        Self::new(world, pieces, Hint::None, knows_its_end, live, true)
    }

    fn new(
        world: &World,
        pieces: &[Piece],
        hint: Hint,
        knows_its_end: bool,
        live: Count,
        is_response: bool,
    ) -> Self {
        Self {
            world: world.clone(),
            pieces: Piece::spread(pieces).into(),
            content: Job::content(pieces).0.into(),
            given: 0,
            hint,
            knows_its_end,
            is_done: false,
            is_response,
            chunks: world.state().counts.chunks.clone(),
            _live: live,
        }
    }

    /// The next bytes, in a buffer whose drop is counted.
    fn chunk(&mut self, len: u8) -> Bytes {
        struct Owner(Bytes, #[allow(dead_code)] Count);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        let end = self.given + usize::from(len);
        let bytes = self.content.slice(self.given..end);
        self.given = end;
        Bytes::from_owner(Owner(bytes, self.chunks.clone()))
    }

    fn step(&mut self, cx: &Context<'_>) -> (Step, PolledFrame) {
        assert!(!self.is_done, "asked again after its end");
        match self.pieces.pop_front() {
            Some(Piece::Data(one, two)) => {
                let data = self.chunk(one).chain(self.chunk(two));
                let copy = [data.first_ref().as_ref(), data.last_ref()].concat();
                (
                    Step::Data(copy.into()),
                    Poll::Ready(Some(Ok(Frame::data(data)))),
                )
            }
            Some(Piece::Pause(time)) => {
                self.world.pause(time.get(), cx);
                (Step::Pending, Poll::Pending)
            }
            Some(Piece::Trailers) => (
                Step::Trailers,
                Poll::Ready(Some(Ok(Frame::trailers(trailers(self.given))))),
            ),
            Some(Piece::Fail) => {
                self.is_done = true;
                (Step::Fail, Poll::Ready(Some(Err(Broken))))
            }
            Some(Piece::Crumbs(_)) | None => {
                self.is_done = true;
                (Step::Done, Poll::Ready(None))
            }
        }
    }
}

fn trailers(given: usize) -> HeaderMap {
    let name = http::HeaderName::from_static("x-length");
    [(name, HeaderValue::from(given))].into_iter().collect()
}

impl Body for Script {
    type Data = Data;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, Broken>>> {
        let (step, poll) = self.step(cx);
        self.world.log(match self.is_response {
            true => Event::Captured(step),
            false => Event::Given(step),
        });
        poll
    }

    fn is_end_stream(&self) -> bool {
        let is_end = self.knows_its_end && self.pieces.is_empty();
        if is_end && self.is_response {
            self.world.log(Event::CaptureEnd);
        }
        is_end
    }

    fn size_hint(&self) -> SizeHint {
        promise(self.hint, (self.content.len() - self.given) as u64)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.is_response {
            self.world.log(Event::CaptureDropped);
        }
    }
}

/// Returns a size hint that holds for so many remaining bytes.
fn promise(hint: Hint, rest: u64) -> SizeHint {
    let mut size = SizeHint::new();
    match hint {
        Hint::None => {}
        Hint::Exact => size.set_exact(rest),
        Hint::Loose(less, more) => {
            size.set_lower(rest.saturating_sub(less.into()));
            size.set_upper(rest + u64::from(more));
        }
    }
    size
}

/// One attempt that reads its request body.
pub struct Upload {
    world: World,
    attempt: u32,
    body: Pin<Box<ReplayBody<Script>>>,
    /// The length of the whole body.
    length: u64,
    read: u64,
    is_exact: bool,
    pub end: Option<Step>,
    flag: Arc<Flag>,
}

impl Upload {
    pub fn new(world: &World, attempt: u32, body: ReplayBody<Script>, length: Length) -> Self {
        Self {
            world: world.clone(),
            attempt,
            is_exact: length.is_exact,
            body: Box::pin(body),
            length: length.bytes,
            read: 0,
            end: None,
            flag: Flag::up(),
        }
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.check_hint();
        let was_end = self.body.is_end_stream();
        let poll = self.body.as_mut().poll_frame(cx);
        let step = match poll {
            Poll::Pending => Step::Pending,
            Poll::Ready(None) => Step::Done,
            Poll::Ready(Some(Err(_))) => Step::Fail,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Step::Data(data),
                Err(frame) => {
                    let trailers_ = frame.into_trailers().expect("there is no third sort");
                    assert_eq!(trailers_, trailers(self.read as usize));
                    Step::Trailers
                }
            },
        };
        assert!(
            !was_end || step == Step::Done,
            "{step:?} after the announced end"
        );
        if let Step::Data(data) = &step {
            self.read += data.len() as u64;
        }
        if matches!(step, Step::Fail | Step::Done) {
            self.end = Some(step.clone());
        }
        let is_pending = step == Step::Pending;
        self.world.log(Event::Read {
            attempt: self.attempt,
            result: step,
        });
        if is_pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// The size hint decides the framing: it must be true, and the same for each attempt.
    fn check_hint(&self) {
        let (hint, rest) = (self.body.size_hint(), self.length - self.read);
        assert!(hint.lower() <= rest, "{hint:?} promises more than {rest}");
        assert!(
            hint.upper().is_none_or(|upper| upper >= rest),
            "{hint:?} denies {rest}"
        );
        assert!(
            !self.is_exact || hint.exact() == Some(rest),
            "{hint:?} forgot {rest}"
        );
    }

    pub fn is_woken(&self) -> bool {
        self.end.is_none() && self.flag.is_up()
    }

    /// Returns the attempt's number if it waits for a wake-up.
    pub fn waits(&self) -> Option<u32> {
        (self.end.is_none() && !self.flag.is_up()).then_some(self.attempt)
    }

    /// Reads all that is available, for uploads that go on after the response.
    pub fn read_on(&mut self) {
        if self.end.is_some() || !self.flag.take() {
            return;
        }
        let waker = Waker::from(self.flag.clone());
        let mut cx = Context::from_waker(&waker);
        while self.end.is_none() && self.poll(&mut cx).is_ready() {}
    }
}
