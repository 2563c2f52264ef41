//! The queue of one process: the requests that wait for a turn, and when the turns come.
//!
//! There is no task. Each request computes its own turn from its place in the queue, and sleeps until
//! then. If a request leaves the queue, the requests behind it wake and compute anew. If a request is
//! not polled in time, the next one takes the turn, at most one interval later.

use std::{collections::VecDeque, task::Waker, time::Duration};

use tokio::time::Instant;

/// How late a request may be woken for a booked turn, however short the interval is.
#[cfg(feature = "redis")]
const SLACK: Duration = Duration::from_millis(50);

/// The source of the turns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turns {
    /// The process paces itself by the generic cell rate algorithm: `next` is the theoretical arrival
    /// time, and a call may come earlier by `burst`.
    Paced { next: Instant, burst: Duration },
    /// Each turn is booked in Redis.
    #[cfg(feature = "redis")]
    Booked(Booking),
}

#[cfg(feature = "redis")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Booking {
    None,
    InFlight,
    Turn(Instant),
    /// Not booked: the turn would have come too late for the request that asked.
    TooLate(Instant),
}

/// When a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    At(Instant),
    /// Not known yet, but no earlier than this.
    #[cfg(feature = "redis")]
    NotBefore(Instant),
}

/// The number of a request, which keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// Adds a time. A cool-down may end as late as the clock can express: then so does the turn.
fn later(instant: Instant, time: Duration) -> Instant {
    instant.checked_add(time).unwrap_or(instant)
}

#[derive(Debug)]
pub(crate) struct Queue {
    turns: Turns,
    interval: Duration,
    /// In the order of the tickets.
    waiting: VecDeque<(Ticket, Waker)>,
    last_ticket: Ticket,
    /// When the first request began to wait: turns before that are lost, except for the burst.
    since: Instant,
}

impl Queue {
    pub(crate) fn new(turns: Turns, interval: Duration) -> Self {
        Self {
            turns,
            interval,
            waiting: VecDeque::new(),
            last_ticket: Ticket(0),
            since: Instant::now(),
        }
    }

    /// Returns a ticket behind all others.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last_ticket.0 += 1;
        self.last_ticket
    }

    fn search(&self, ticket: Ticket) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&ticket, |(own, _)| *own)
    }

    fn place(&self, ticket: Ticket) -> usize {
        self.search(ticket).unwrap_or_else(|place| place)
    }

    /// Returns the turn of this request. No turn is used before `not_before`.
    pub(crate) fn turn(
        &mut self,
        ticket: Ticket,
        now: Instant,
        not_before: Option<Instant>,
    ) -> Turn {
        if self.waiting.is_empty() {
            self.since = now;
        }
        let ahead = u32::try_from(self.place(ticket)).unwrap_or(u32::MAX);
        let ahead = self.interval.saturating_mul(ahead);
        let floor = |turn: Instant| not_before.map_or(turn, |not_before| turn.max(not_before));
        match self.turns {
            Turns::Paced { next, burst } => {
                let start = floor(next.max(self.since));
                let first = start.checked_sub(burst).unwrap_or(start);
                Turn::At(floor(later(first, ahead)))
            }
            #[cfg(feature = "redis")]
            Turns::Booked(Booking::Turn(turn)) => Turn::At(floor(later(turn, ahead))),
            #[cfg(feature = "redis")]
            Turns::Booked(Booking::TooLate(turn)) => {
                Turn::NotBefore(later(floor(turn.max(now)), ahead))
            }
            #[cfg(feature = "redis")]
            Turns::Booked(Booking::None | Booking::InFlight) => {
                Turn::NotBefore(later(floor(now), ahead))
            }
        }
    }

    /// Uses the turn. Requests ahead missed theirs, and lose their places until they are polled.
    pub(crate) fn take(&mut self, ticket: Ticket, now: Instant) {
        match &mut self.turns {
            Turns::Paced { next, .. } => *next = (*next).max(now) + self.interval,
            #[cfg(feature = "redis")]
            Turns::Booked(booking) => *booking = Booking::None,
        }
        let is_first = self.place(ticket) == 0;
        self.drop_ahead(ticket);
        if self.search(ticket).is_ok() {
            self.waiting.pop_front();
        }
        let is_paced = matches!(self.turns, Turns::Paced { .. });
        if !(is_first && is_paced) {
            self.wake_all();
        }
    }

    /// Takes the places of the requests ahead of this one.
    pub(crate) fn drop_ahead(&mut self, ticket: Ticket) {
        let place = self.place(ticket);
        self.waiting.drain(..place);
    }

    /// Keeps the place of a request, which is woken if its turn moves.
    pub(crate) fn wait(&mut self, ticket: Ticket, waker: &Waker) {
        match self.search(ticket) {
            Ok(place) => {
                if let Some((_, own)) = self.waiting.get_mut(place) {
                    own.clone_from(waker);
                }
            }
            Err(place) => self.waiting.insert(place, (ticket, waker.clone())),
        }
    }

    /// Gives the place, and so the turn, to the next request.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        if let Ok(place) = self.search(ticket) {
            self.waiting.remove(place);
            self.waiting
                .range(place..)
                .for_each(|(_, waker)| waker.wake_by_ref());
        }
    }

    pub(crate) fn wake_all(&self) {
        self.waiting
            .iter()
            .for_each(|(_, waker)| waker.wake_by_ref());
    }
}

/// Turns that are booked one by one.
#[cfg(feature = "redis")]
impl Queue {
    pub(crate) fn booking(&mut self) -> Option<&mut Booking> {
        match &mut self.turns {
            Turns::Paced { .. } => None,
            Turns::Booked(booking) => Some(booking),
        }
    }

    /// Returns `true` if the turn comes too late for this request.
    pub(crate) fn has_turn_after(&mut self, limit: Instant) -> bool {
        match self.booking() {
            Some(Booking::Turn(turn)) => *turn > limit,
            Some(Booking::TooLate(turn)) if *turn > limit => true,
            // Too late for the request that asked, but not for this one, which asks anew.
            Some(booking @ Booking::TooLate(_)) => {
                *booking = Booking::None;
                false
            }
            _ => false,
        }
    }

    /// Returns `true` if this request is to book the next turn, for whichever request is the first
    /// then: the first one now may not be polled. A turn that was not used in time is void, and so are
    /// the places of those ahead.
    pub(crate) fn must_book(&mut self, ticket: Ticket, now: Instant) -> bool {
        let time = self.interval.max(SLACK);
        match self.booking() {
            Some(Booking::None) => true,
            Some(booking) if matches!(*booking, Booking::Turn(turn) if turn + time <= now) => {
                *booking = Booking::None;
                self.drop_ahead(ticket);
                true
            }
            _ => false,
        }
    }

    /// Changes the source of the turns.
    pub(crate) fn set_turns(&mut self, turns: Turns, interval: Duration) {
        (self.turns, self.interval) = (turns, interval);
        self.wake_all();
    }
}
