//! A failed response: its body is read up to the limit, for the timeout, and not beyond its end.

use std::time::Duration;

use http::StatusCode;

use super::{
    verdict::Verdict,
    world::{Step, early},
};

#[derive(Debug)]
pub struct Failure {
    pub status: StatusCode,
    pub body: Vec<u8>,
    pub is_truncated: bool,
    /// The body has ended, or exceeded the limit.
    is_over: bool,
    is_pending: bool,
    /// The earliest and the latest time at which the timer ends the reading.
    timer: Option<(Duration, Duration)>,
    /// The decision, once the body is read.
    pub verdict: Option<Verdict>,
    /// The policy was asked about this failure.
    pub is_asked: bool,
}

impl Failure {
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            body: Vec::new(),
            is_truncated: false,
            is_over: false,
            is_pending: false,
            timer: None,
            verdict: None,
            is_asked: false,
        }
    }

    pub fn step(&mut self, step: &Step, limit: usize) {
        assert!(
            !self.is_over && self.verdict.is_none(),
            "read after the end"
        );
        self.is_pending = *step == Step::Pending;
        match step {
            Step::Data(data) => self.body.extend(data),
            Step::Fail => (self.is_over, self.is_truncated) = (true, true),
            Step::Done => self.is_over = true,
            Step::Pending | Step::Trailers => {}
        }
        if self.body.len() > limit {
            self.body.truncate(limit);
            (self.is_over, self.is_truncated) = (true, true);
        }
    }

    /// `is_end_stream` returned `true`.
    pub fn announced_end(&mut self) {
        if self.verdict.is_none() {
            self.is_over = true;
        }
    }

    pub fn begin_timer(&mut self, now: Duration, time: Duration, slop: Duration) {
        assert!(self.is_pending && self.timer.is_none(), "a needless timer");
        self.timer = Some((now + time - early(slop, time), now + time));
    }

    /// Returns `false` if the body must still be awaited.
    pub fn is_read(&mut self, now: Duration, patience: Duration) -> bool {
        if self.is_over {
            return true;
        }
        assert!(self.is_pending, "a body left unread");
        match self.timer {
            Some((due, _)) => assert!(now >= due, "given up too early"),
            None if patience.is_zero() => {}
            None => return false,
        }
        self.is_truncated = true;
        true
    }

    /// Checks that a pending future may still wait for the body.
    pub fn is_awaited(&self, now: Duration) {
        let (_, due) = self
            .timer
            .expect("a failed body is waited for by the clock");
        assert!(
            self.is_pending && now < due,
            "a failed body is read for too long"
        );
    }
}
