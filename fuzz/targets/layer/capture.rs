//! A failed response, whose body is read so far, so long, and not beyond its end.

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
    /// The body said the last that it had to say, or too much.
    is_over: bool,
    is_pending: bool,
    /// When the timer may end it, and when it must.
    timer: Option<(Duration, Duration)>,
    /// What follows, once the body is read.
    pub verdict: Option<Verdict>,
    /// The policy was.
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
            "read on after its end"
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

    /// It was asked whether it is at its end, and is.
    pub fn announced_end(&mut self) {
        if self.verdict.is_none() {
            self.is_over = true;
        }
    }

    pub fn begin_timer(&mut self, now: Duration, time: Duration, slop: Duration) {
        assert!(
            self.is_pending && self.timer.is_none(),
            "a timer for nothing"
        );
        self.timer = Some((now + time - early(slop, time), now + time));
    }

    /// False where it must be waited for at this time.
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

    /// The future is pending: the body is waited for, if the clock allows.
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
