//! The events in virtual time: an agenda that only goes forward.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

/// Nanoseconds since the simulation began.
pub type Nanos = u64;

pub const SECOND: Nanos = 1_000_000_000;
pub const MINUTE: Nanos = 60 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A client makes a request.
    Ask,
    /// The cause of all trouble begins.
    Begin,
    /// The cause has gone.
    End,
    /// A request's delay or hold is over.
    Wake { slot: u32 },
    /// The server has done the work of one attempt.
    Done { slot: u32, ticket: u32, boot: u32 },
    /// The gateway waited long enough for one attempt.
    Late { slot: u32, ticket: u32 },
}

/// Events by time; those of the same instant in the order in which they were noted.
#[derive(Default)]
pub struct Agenda {
    now: Nanos,
    noted: u64,
    heap: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    /// Events that were noted in the order in which they are due: most, and no heap need sort them.
    lane: VecDeque<(Nanos, u64, Event)>,
}

impl Agenda {
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// # Panics
    ///
    /// If `time` has passed.
    pub fn note(&mut self, time: Nanos, event: Event) {
        assert!(time >= self.now, "{event:?} would be in the past");
        self.noted += 1;
        self.heap.push(Reverse((time, self.noted, event)));
    }

    /// The same for events with one common delay.
    ///
    /// # Panics
    ///
    /// If `time` has passed, or comes before that of an event noted so earlier.
    pub fn note_in_order(&mut self, time: Nanos, event: Event) {
        let last = self.lane.back().map_or(self.now, |entry| entry.0);
        assert!(time >= last, "{event:?} would be out of order");
        self.noted += 1;
        self.lane.push_back((time, self.noted, event));
    }
}

/// Goes to the next event, and to its time.
impl Iterator for Agenda {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let from_heap = self.heap.peek().map(|Reverse(entry)| entry);
        let is_lane = match (from_heap, self.lane.front()) {
            (Some(heap), Some(lane)) => lane < heap,
            (heap, _) => heap.is_none(),
        };
        let (time, _, event) = if is_lane {
            self.lane.pop_front()?
        } else {
            self.heap.pop()?.0
        };
        self.now = time;
        Some(event)
    }
}
