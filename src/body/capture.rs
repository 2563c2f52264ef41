//! Reads and keeps an error body, within its limits.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use http_body::Body;
use hyper::rt::Sleep;
use pin_project_lite::pin_project;

use crate::settings::Timer;

/// Empty frames cost time but no bytes: more than this is treated as an attack.
const MAX_EMPTY_FRAMES: u32 = 1024;

pin_project! {
    /// A reader of an error body: to its end if possible, so that the connection returns to its pool.
    pub(crate) struct Capture<R> {
        #[pin]
        body: R,
        // A copy: a small chunk may pin a large buffer.
        bytes: Vec<u8>,
        empty_frames: u32,
        // Boxed twice: every request's future has room for the pointer, and few error bodies are slow.
        sleep: Option<Box<Pin<Box<dyn Sleep>>>>,
    }
}

pub(crate) struct Captured {
    pub(crate) body: Bytes,
    pub(crate) is_truncated: bool,
}

impl<R: Body> Capture<R> {
    pub(crate) fn new(body: R) -> Self {
        Self {
            body,
            bytes: Vec::new(),
            empty_frames: 0,
            sleep: None,
        }
    }

    /// Reads up to `limit` bytes. `timeout` is called on the first wait, and limits all waits together.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        limit: usize,
        timer: &Timer,
        timeout: impl Fn() -> Duration,
    ) -> Poll<Captured> {
        let mut this = self.project();
        let is_truncated = loop {
            if this.body.is_end_stream() {
                break false;
            }
            let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) else {
                // A body that has already arrived needs no timer.
                if this.sleep.is_none() {
                    *this.sleep = match timeout() {
                        Duration::ZERO => break true,
                        time => Some(Box::new(timer.sleep(time))),
                    };
                }
                match this
                    .sleep
                    .as_deref_mut()
                    .map(|sleep| sleep.as_mut().poll(cx))
                {
                    Some(Poll::Pending) => return Poll::Pending,
                    _ => break true,
                }
            };
            let data = match frame {
                None => break false,
                Some(Err(_)) => break true,
                Some(Ok(frame)) => frame.into_data().ok(),
            };
            match data {
                Some(data) if data.has_remaining() => {
                    let room = limit.saturating_sub(this.bytes.len());
                    let more = data.remaining() > room;
                    if this.bytes.is_empty() {
                        *this.bytes = Vec::with_capacity(data.remaining().min(room));
                    }
                    this.bytes.put(data.take(room));
                    if more {
                        break true;
                    }
                }
                _ => {
                    *this.empty_frames = this.empty_frames.saturating_add(1);
                    if *this.empty_frames > MAX_EMPTY_FRAMES {
                        break true;
                    }
                }
            }
        };
        Poll::Ready(Captured {
            // Frees the vector's spare capacity.
            body: std::mem::take(this.bytes).into_boxed_slice().into(),
            is_truncated,
        })
    }
}
