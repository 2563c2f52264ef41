//! Keeps the body of a failed response, within bounds.

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

/// Empty frames cost time but no bytes; more of them than this is no honest body.
const MAX_EMPTY_FRAMES: u32 = 1024;

pin_project! {
    /// Reads a body to its end if it can, so that the connection below can be used again.
    pub(crate) struct Capture<R> {
        #[pin]
        body: R,
        // Copied out: a small chunk may be a view of a large buffer, and nobody can tell.
        bytes: Vec<u8>,
        empty_frames: u32,
        sleep: Option<Pin<Box<dyn Sleep>>>,
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

    /// Reads up to `limit` bytes. Should it have to wait, `timeout` says how long in all.
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
                // No timer is made for a body that is already here.
                if this.sleep.is_none() {
                    *this.sleep = match timeout() {
                        Duration::ZERO => break true,
                        time => Some(timer.sleep(time)),
                    };
                }
                match this.sleep.as_mut().map(|sleep| sleep.as_mut().poll(cx)) {
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
            // Without what the vector has to spare.
            body: std::mem::take(this.bytes).into_boxed_slice().into(),
            is_truncated,
        })
    }
}
