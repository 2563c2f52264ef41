//! Models for loom: every interleaving of threads at the budget, the cool-down and the tape.
//!
//! ```console
//! $ RUSTFLAGS="--cfg revio_loom" cargo test --release --lib models
//! ```

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::atomic::Ordering::{Acquire, Release},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame};
use loom::{
    future::{AtomicWaker, block_on},
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use crate::{
    body::{Reader, Tape},
    shared::{Budget, Cooldown},
};

/// Promise (load): The budget is exact, also across threads.
#[test]
fn last_retry_is_granted_once() {
    loom::model(|| {
        let budget = Budget::new(1, 0.0);
        let other = budget.clone();
        let thread = thread::spawn(move || other.withdraw());
        let granted = u32::from(budget.withdraw()) + u32::from(thread.join().expect("no panic"));
        assert_eq!((granted, budget.available()), (1, 0));
    });
}

/// Promise (load): The budget is exact, also across threads.
#[test]
fn concurrent_deposit_and_return_both_count() {
    loom::model(|| {
        let budget = Budget::new(3, 0.5);
        assert!(budget.withdraw() && budget.withdraw());
        let [depositor, canceller] = [budget.clone(), budget.clone()];
        let threads = [
            thread::spawn(move || depositor.deposit()),
            thread::spawn(move || drop(canceller.hold())),
        ];
        budget.deposit();
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(budget.available(), 2);
    });
}

/// Promise (load): The longer of two cool-downs holds, and no thread sees it shortened.
#[test]
fn concurrent_extensions_keep_the_longer_time() {
    loom::model(|| {
        let cooldown = Cooldown::default();
        let start = Instant::now();
        let [short, long] = [1, 9].map(|seconds| start + Duration::from_secs(seconds));
        let others = [(cooldown.clone(), short), (cooldown.clone(), long)];
        let threads = others.map(|(cooldown, until)| {
            thread::spawn(move || {
                cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until);
                assert!(cooldown.until() >= Some(until));
            })
        });
        let (before, after) = (cooldown.until(), cooldown.until());
        assert!(after >= before);
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert!(cooldown.until() >= Some(long));
    });
}

/// Two responses start the cool-down: the later end is reported, the earlier one may be.
#[test]
fn concurrent_starts_report_the_later_end() {
    loom::model(|| {
        let cooldown = Cooldown::default();
        let now = Instant::now();
        let [short, long] = [5, 9].map(Duration::from_secs);
        let [one, two] = [cooldown.clone(), cooldown.clone()];
        let start = move |cooldown: &Cooldown, wait| {
            cooldown.start(StatusCode::TOO_MANY_REQUESTS, now, wait).1
        };
        let thread = thread::spawn(move || start(&one, short));
        let other = thread::spawn(move || start(&two, long));
        let seen = cooldown.active().map(|active| active.remaining(now));
        assert!(seen.is_none_or(|seen| seen == short || seen == long));
        thread.join().expect("no panic");
        assert!(other.join().expect("no panic"), "the later end is reported");
        let active = cooldown.active().expect("started");
        assert_eq!(active.remaining(now), long);
        let (before, after) = (now + long / 2, now + 2 * long);
        assert!(!active.wait(before).is_zero() && active.wait(after).is_zero());
    });
}

/// Two responses with the same end cause one event.
#[test]
fn concurrent_starts_with_one_end_report_once() {
    loom::model(|| {
        let cooldown = Cooldown::default();
        let (now, wait) = (Instant::now(), Duration::from_secs(5));
        let threads = [cooldown.clone(), cooldown].map(|cooldown| {
            thread::spawn(move || cooldown.start(StatusCode::TOO_MANY_REQUESTS, now, wait).1)
        });
        let reports = threads.map(|thread| thread.join().expect("no panic"));
        assert_eq!(
            reports.iter().filter(|is_reported| **is_reported).count(),
            1
        );
    });
}

#[test]
fn clear_keeps_later_starts() {
    loom::model(|| {
        let cooldown = Cooldown::default();
        let until = Instant::now() + Duration::from_secs(9);
        let other = cooldown.clone();
        let thread = thread::spawn(move || {
            other.clear();
            other.extend_until(StatusCode::TOO_MANY_REQUESTS, until);
        });
        cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until);
        thread.join().expect("no panic");
        assert!(cooldown.until() >= Some(until));
        cooldown.clear();
        assert_eq!(cooldown.until(), None);
    });
}

#[test]
fn deposits_stop_at_the_reserve() {
    loom::model(|| {
        let budget = Budget::new(2, 0.75);
        assert!(budget.withdraw());
        let other = budget.clone();
        let thread = thread::spawn(move || other.deposit());
        budget.deposit();
        thread.join().expect("no panic");
        assert_eq!(budget.available(), 2);
        assert!(budget.withdraw() && budget.withdraw() && !budget.withdraw());
    });
}

/// A body of two chunks. The second waits until the gate opens.
struct Chunks {
    chunks: VecDeque<&'static str>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_open: AtomicBool,
    waker: AtomicWaker,
}

impl Gate {
    fn open(&self) {
        self.is_open.store(true, Release);
        self.waker.wake();
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.chunks.len() == 1 {
            self.gate.waker.register_by_ref(cx.waker());
            if !self.gate.is_open.load(Acquire) {
                return Poll::Pending;
            }
        }
        let chunk = self.chunks.pop_front();
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk.into()))))
    }
}

fn chunks(gate: &Arc<Gate>) -> Chunks {
    Chunks {
        chunks: ["one ", "two"].into(),
        gate: gate.clone(),
    }
}

/// Returns the text that an attempt could read, and `true` if it reached the end.
fn read(mut reader: Reader<Chunks>) -> (String, bool) {
    block_on(async move {
        let mut text = String::new();
        loop {
            match poll_fn(|cx| reader.poll_frame(cx)).await {
                Some(Ok(frame)) => {
                    let data = frame.into_data().expect("no trailers");
                    text.push_str(std::str::from_utf8(&data).expect("text"));
                }
                Some(Err(_)) => return (text, false),
                None => return (text, true),
            }
        }
    })
}

/// Promise (once): The request body belongs to one attempt at a time; an attempt that loses it is
/// woken with an error.
///
/// After an early response, one thread reads the body while another hands it over.
#[test]
fn next_attempt_reads_body_after_hand_over() {
    loom::model(|| {
        let gate = Arc::default();
        let first = Reader::record(chunks(&gate), 64);
        let tape = first.tape().clone();
        gate.open();
        let upload = thread::spawn(move || read(first));
        let second = Tape::hand_over(&tape).expect("short enough");
        drop(tape);
        assert_eq!(read(second), ("one two".into(), true));
        let (text, is_whole) = upload.join().expect("no panic");
        assert!("one two".starts_with(&text) && (!is_whole || text == "one two"));
    });
}

/// Promise (once): The request body belongs to one attempt at a time; an attempt that loses it is
/// woken with an error.
///
/// The gate stays closed: the hand-over itself must wake the waiting attempt.
#[test]
fn waiting_attempt_is_woken_by_hand_over() {
    loom::model(|| {
        let gate = Arc::default();
        let first = Reader::record(chunks(&gate), 64);
        let tape = first.tape().clone();
        let upload = thread::spawn(move || read(first));
        let second = Tape::hand_over(&tape).expect("short enough");
        let (text, is_whole) = upload.join().expect("no panic");
        assert!(["", "one "].contains(&&*text) && !is_whole);
        gate.open();
        assert_eq!(read(second), ("one two".into(), true));
    });
}

/// Promise (once): A body above the limit is sent once and whole.
///
/// The body exceeds the limit: the hand-over comes first or is refused.
#[test]
fn body_over_limit_is_never_handed_over_partly() {
    loom::model(|| {
        let gate = Arc::default();
        let first = Reader::record(chunks(&gate), 4);
        gate.open();
        let tape = first.tape().clone();
        let upload = thread::spawn(move || read(first));
        let second = Tape::hand_over(&tape).map(read);
        let (text, is_whole) = upload.join().expect("no panic");
        match second {
            Some(second) => assert_eq!(second, ("one two".into(), true)),
            None => assert_eq!((&*text, is_whole), ("one two", true)),
        }
    });
}
