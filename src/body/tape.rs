//! The recording of one request body. Only the latest attempt may read it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::{
    failure::{BodyError, BoxError},
    shared::sync::{Arc, Mutex, MutexGuard},
};

/// Further chunks are copied together: each handle costs 32 bytes, however short its chunk is.
const MAX_CHUNKS: usize = 32;

/// A body that is recorded while the attempts read it.
///
/// All attempts share one tape. Each attempt reads the recording from its start, and then continues with
/// the body itself where the recording ends.
pub(crate) struct Tape<B> {
    state: Mutex<State<B>>,
    limit: usize,
    /// The body's hint before it was read. Every attempt repeats it, so that the framing on the wire
    /// (`Content-Length` or chunks) is the same.
    size_hint: SizeHint,
}

struct State<B> {
    /// `None`: read to its end.
    body: Option<Pin<Box<B>>>,
    /// `None`: the body was too long or failed, so that no attempt can follow.
    recording: Option<Recording>,
    /// The attempt that may read, counted from 0.
    attempt: u32,
    was_read: bool,
    is_last: bool,
    waker: Option<Waker>,
}

impl<B> Tape<B> {
    /// Returns `true` if another attempt could send the whole body, as far as is known now.
    pub(crate) fn is_replayable(&self) -> bool {
        self.lock().is_some_and(|state| state.recording.is_some())
    }

    /// Returns `true` if the current attempt has polled the body, and so may have reached the server.
    pub(crate) fn was_read(&self) -> bool {
        self.lock().is_none_or(|state| state.was_read)
    }

    /// Frees the recording while the current attempt reads it, because no attempt follows.
    pub(crate) fn finish_recording(&self) {
        if let Some(mut state) = self.lock() {
            state.is_last = true;
        }
    }

    /// Gives the body to the next attempt. An attempt that still reads gets an error.
    ///
    /// Returns `None` if the recording was dropped: the body was too long, or failed.
    pub(crate) fn hand_over(tape: &Arc<Self>) -> Option<Reader<B>> {
        let mut state = tape.lock()?;
        let recording = state.recording.as_mut()?;
        recording.seal();
        state.attempt = state.attempt.wrapping_add(1);
        state.was_read = false;
        let attempt = state.attempt;
        let waker = state.waker.take();
        // A waker may run any code, even a reader that takes the lock.
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(Reader::new(tape.clone(), attempt))
    }

    /// Returns `None` if the caller's body panicked while it was read: the recording may lack data.
    fn lock(&self) -> Option<MutexGuard<'_, State<B>>> {
        self.state.lock().ok()
    }
}

impl<B: Body<Error: Into<BoxError>>> State<B> {
    /// Polls and records the body itself.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else {
            self.waker
                .get_or_insert_with(|| cx.waker().clone())
                .clone_from(cx.waker());
            return Poll::Pending;
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                if body.is_end_stream() {
                    self.body = None;
                }
                let fits = |recording: &mut Recording| recording.push(&frame, limit);
                if !self.recording.as_mut().is_some_and(fits) {
                    self.recording = None;
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.body = None;
                self.recording = None;
                Some(Err(BodyError::mark(error)))
            }
            None => {
                self.body = None;
                None
            }
        })
    }
}

#[derive(Default)]
struct Recording {
    chunks: Vec<Bytes>,
    /// The data after the first `MAX_CHUNKS` chunks, until `seal`.
    merged: BytesMut,
    length: usize,
    trailers: Option<HeaderMap>,
}

impl Recording {
    /// Returns `false` if the frame cannot be recorded.
    fn push(&mut self, frame: &Frame<Bytes>, limit: usize) -> bool {
        if self.trailers.is_some() {
            return false; // no frame may follow trailers
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
            return true;
        }
        let Some(data) = frame.data_ref() else {
            return false;
        };
        if data.len() > limit.saturating_sub(self.length) {
            return false;
        }
        self.length = self.length.saturating_add(data.len());
        if self.chunks.len() >= MAX_CHUNKS {
            self.merged.extend_from_slice(data);
        } else if !data.is_empty() {
            self.chunks.push(data.clone());
        }
        true
    }

    /// Makes the whole recording readable by `frame`.
    fn seal(&mut self) {
        if !self.merged.is_empty() {
            self.chunks.push(self.merged.split().freeze());
        }
    }

    fn frame(&self, index: u32) -> Option<Frame<Bytes>> {
        let index = usize::try_from(index).ok()?;
        match self.chunks.get(index) {
            Some(chunk) => Some(Frame::data(chunk.clone())),
            None if index == self.chunks.len() => self.trailers.clone().map(Frame::trailers),
            None => None,
        }
    }
}

/// One attempt's view of a tape.
pub(crate) struct Reader<B> {
    tape: Arc<Tape<B>>,
    attempt: u32,
    /// The index of the next recorded frame; `None` once the recording is read.
    next: Option<u32>,
    sent: u64,
    is_ended: bool,
}

impl<B: Body> Reader<B> {
    pub(crate) fn record(body: B, limit: usize) -> Self {
        let tape = Tape {
            limit,
            size_hint: body.size_hint(),
            state: Mutex::new(State {
                body: Some(Box::pin(body)),
                recording: Some(Recording::default()),
                attempt: 0,
                was_read: false,
                is_last: false,
                waker: None,
            }),
        };
        Self::new(Arc::new(tape), 0)
    }
}

impl<B> Reader<B> {
    fn new(tape: Arc<Tape<B>>, attempt: u32) -> Self {
        Self {
            tape,
            attempt,
            next: Some(0),
            sent: 0,
            is_ended: false,
        }
    }

    pub(crate) fn tape(&self) -> &Arc<Tape<B>> {
        &self.tape
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let mut remaining = SizeHint::new();
        let hint = &self.tape.size_hint;
        remaining.set_lower(hint.lower().saturating_sub(self.sent));
        if let Some(upper) = hint.upper() {
            remaining.set_upper(upper.saturating_sub(self.sent));
        }
        remaining
    }
}

impl<B: Body<Error: Into<BoxError>>> Reader<B> {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        let frame = ready!(self.poll_next(cx));
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.sent = self.sent.saturating_add(length as u64);
            }
            Some(Err(_)) | None => self.is_ended = true,
        }
        Poll::Ready(frame)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // If nothing else holds the tape, a response has come, and no resend follows.
        let is_alone = Arc::strong_count(&self.tape) == 1;
        let Some(mut state) = self.tape.lock() else {
            return Poll::Ready(Some(Err(ReadError::Panicked.into())));
        };
        if state.attempt != self.attempt {
            return Poll::Ready(Some(Err(ReadError::TakenOver.into())));
        }
        state.was_read = true;
        let is_last = is_alone || state.is_last;
        let recorded = |index| state.recording.as_ref().and_then(|r| r.frame(index));
        if let Some(frame) = self.next.and_then(recorded) {
            self.next = self.next.map(|index| index.saturating_add(1));
            let more = self.next.and_then(recorded).is_some();
            self.is_ended = !more && state.body.is_none();
            if is_last && !more {
                state.recording = None;
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        self.next = None;
        if is_last {
            state.recording = None;
        }
        let frame = ready!(state.poll_body(cx, self.tape.limit));
        self.is_ended = state.body.is_none();
        Poll::Ready(frame)
    }
}

impl<B> fmt::Debug for Reader<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("sent", &self.sent)
            .field("is_ended", &self.is_ended)
            .finish_non_exhaustive()
    }
}

/// The error that makes the connection abort. Otherwise the connection would send a truncated body as if
/// it were complete.
#[derive(Debug)]
enum ReadError {
    TakenOver,
    Panicked,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TakenOver => "this attempt is over: the request body belongs to the next one",
            Self::Panicked => "the request body panicked in an earlier read",
        })
    }
}

impl std::error::Error for ReadError {}
