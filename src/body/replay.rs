//! The request body that the inner service receives: passed through, or recorded for a resend.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::tape::{Reader, Tape};
use crate::{
    failure::{BodyError, BoxError},
    shared::sync::Arc,
};

pin_project! {
    /// The request body that the inner service of a [`RevioStatus`](crate::RevioStatus) receives.
    ///
    /// The body of a request that will not be resent passes through. Any other body is recorded while the
    /// inner service reads it, never ahead of it, up to the layer's
    /// [`replay_body_limit`](crate::RevioStatusLayer::replay_body_limit). A resend carries the same bytes
    /// and trailers. An empty body costs nothing.
    ///
    /// Up to 32 chunks are shared with the caller, and pin their buffers. Further chunks are copied
    /// together.
    ///
    /// # Errors
    ///
    /// - An error of the caller's body, as the source of an error that says "the request body failed".
    /// - An error for an attempt that still reads the body when the request is resent, after an early
    ///   response. The body then belongs to the resend.
    pub struct ReplayBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Empty,
        Once { #[pin] body: B },
        Recorded { reader: Reader<B> },
    }
}

impl<B> ReplayBody<B> {
    pub(crate) fn empty() -> Self {
        Self { kind: Kind::Empty }
    }

    pub(crate) fn once(body: B) -> Self {
        Self {
            kind: Kind::Once { body },
        }
    }

    pub(crate) fn recorded(reader: Reader<B>) -> Self {
        Self {
            kind: Kind::Recorded { reader },
        }
    }
}

impl<B: Body> ReplayBody<B> {
    /// Returns a body that can be sent again, and its tape. An empty body needs no tape.
    pub(crate) fn record(body: B, limit: usize) -> (Self, Option<Arc<Tape<B>>>) {
        if body.is_end_stream() {
            return (Self::empty(), None);
        }
        let reader = Reader::record(body, limit);
        let tape = reader.tape().clone();
        (Self::recorded(reader), Some(tape))
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().kind.project() {
            KindProj::Empty => Poll::Ready(None),
            KindProj::Once { body } => body.poll_frame(cx).map(|frame| {
                Some(match frame? {
                    Ok(frame) => {
                        Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                    }
                    Err(error) => Err(BodyError::mark(error)),
                })
            }),
            KindProj::Recorded { reader } => reader.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Once { body } => body.is_end_stream(),
            Kind::Recorded { reader } => reader.is_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Once { body } => body.size_hint(),
            Kind::Recorded { reader } => reader.size_hint(),
        }
    }
}

/// Shows no byte of the body.
impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind: &dyn fmt::Debug = match &self.kind {
            Kind::Empty => &"Empty",
            Kind::Once { .. } => &"Once",
            Kind::Recorded { reader } => reader,
        };
        f.debug_tuple("ReplayBody").field(kind).finish()
    }
}
