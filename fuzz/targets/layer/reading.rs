//! Checks what attempts read of the request body: the same bytes, none read ahead, one owner.

use bytes::Bytes;

use super::{scene::Job, settings::Settings, world::Step};

pub struct Reading {
    content: Vec<u8>,
    has_trailers: bool,
    limit: usize,
    /// The bytes that the caller's body has given so far.
    given: usize,
    is_broken: bool,
    /// The last frame of the caller's body: the attempt that asked for it must report it next.
    asked: Option<Step>,
    attempts: Vec<Attempt>,
    /// The attempts up to this one have lost the body to the next.
    taken_over: u32,
}

#[derive(Default)]
struct Attempt {
    read: usize,
    has_trailers: bool,
}

impl Reading {
    pub fn new(settings: &Settings, job: &Job) -> Self {
        let (content, has_trailers) = Job::content(&job.body);
        Self {
            content,
            has_trailers,
            limit: settings.replay_body_limit.into(),
            given: 0,
            is_broken: false,
            asked: None,
            attempts: Vec::new(),
            taken_over: 0,
        }
    }

    pub fn is_replayable(&self) -> bool {
        self.given <= self.limit && !self.is_broken
    }

    pub fn begin(&mut self) {
        self.attempts.push(Attempt::default());
    }

    /// From the decision to resend, the body belongs to the resend.
    pub fn take_over(&mut self) {
        self.taken_over = self.attempts.len() as u32;
    }

    /// An attempt that has lost the body must be woken.
    pub fn waiting(&self, attempts: &[u32]) {
        let lost = attempts.iter().find(|number| **number <= self.taken_over);
        assert!(
            lost.is_none(),
            "attempt {lost:?} waits for a body that it has lost"
        );
    }

    pub fn given(&mut self, step: &Step) {
        match step {
            Step::Data(data) => self.given += data.len(),
            Step::Fail => self.is_broken = true,
            _ => {}
        }
        self.asked = Some(step.clone());
    }

    /// Checks that nothing is read ahead: an attempt asked for each frame.
    pub fn nothing_is_kept_back(&self) {
        assert!(self.asked.is_none(), "{:?} went nowhere", self.asked);
    }

    pub fn read(&mut self, number: u32, step: &Step) {
        let is_over = number <= self.taken_over;
        if let Some(asked) = self.asked.take() {
            assert!(
                !is_over,
                "attempt {number} drew {asked:?} from a body that it has lost"
            );
            assert_eq!(asked, *step, "attempt {number}");
        }
        let attempt = &mut self.attempts[number as usize - 1];
        let is_whole =
            attempt.read == self.content.len() && attempt.has_trailers == self.has_trailers;
        match step {
            Step::Data(data) => {
                assert!(
                    !is_over && !attempt.has_trailers,
                    "attempt {number} reads on"
                );
                attempt.read = follow(&self.content, attempt.read, data);
            }
            Step::Trailers => {
                assert!(!is_over && self.has_trailers && !attempt.has_trailers);
                assert_eq!(attempt.read, self.content.len(), "trailers before the end");
                attempt.has_trailers = true;
            }
            Step::Pending => assert!(!is_over, "attempt {number} waits for what it has lost"),
            Step::Fail => assert!(
                is_over || self.is_broken,
                "attempt {number} breaks of itself"
            ),
            Step::Done => assert!(is_whole && !self.is_broken, "attempt {number} is cut short"),
        }
    }
}

/// Returns the number of bytes read, this chunk included.
fn follow(content: &[u8], read: usize, data: &Bytes) -> usize {
    let rest = &content[read..];
    assert!(
        rest.starts_with(data),
        "{} other bytes at {read}",
        data.len()
    );
    read + data.len()
}
