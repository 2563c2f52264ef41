//! The server: some workers, a queue, and a gateway in front that counts calls and times out.

use std::collections::VecDeque;

use fastrand::Rng;

use super::{
    account::{Account, Refusals},
    events::{MINUTE, Nanos, SECOND},
    scenario::{Cause, World},
};

/// The gateway's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200
    Done,
    /// 503
    Unavailable,
    /// 503 with `Retry-After`, in seconds
    Maintenance(u32),
    /// 504
    Late,
    /// 429 with `Retry-After`, in seconds
    OverLimit(u32),
}

/// One attempt, as far as the server knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub slot: u32,
    pub ticket: u32,
}

/// Work that a worker has begun.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub call: Call,
    pub takes: Nanos,
    pub boot: u32,
}

pub enum Reception {
    Refused(Answer),
    Queued,
    Begun(Work),
}

pub struct Server {
    idle: u32,
    workers: u32,
    queue: VecDeque<Call>,
    room: usize,
    mean: f64,
    accounts: Vec<Account>,
    /// The active cause.
    cause: Cause,
    /// Counts crashes: work begun before one is lost.
    boot: u32,
    rng: Rng,
}

impl Server {
    pub fn new(world: &World) -> Self {
        let accounts = world.accounts();
        let workers = world.workers();
        Self {
            idle: workers,
            workers,
            queue: VecDeque::new(),
            room: world.queue_room(),
            mean: f64::from(workers) / world.capacity(),
            // Their minutes do not begin together.
            accounts: (0..accounts)
                .map(|id| {
                    let minute_ends = MINUTE * u64::from(id) / u64::from(accounts);
                    Account::new(minute_ends, Refusals::AreFree)
                })
                .collect(),
            cause: Cause::Nothing,
            boot: 0,
            rng: Rng::with_seed(world.seed ^ 0x5e7e),
        }
    }

    /// The cause begins. A crash gives back what it throws away.
    pub fn begin(&mut self, cause: Cause) -> VecDeque<Call> {
        self.cause = cause;
        if cause != Cause::Outage {
            return VecDeque::new();
        }
        self.boot += 1;
        self.idle = self.workers;
        std::mem::take(&mut self.queue)
    }

    pub fn end(&mut self) {
        self.cause = Cause::Nothing;
    }

    pub fn receive(&mut self, now: Nanos, account: u32, call: Call) -> Reception {
        let account = account as usize % self.accounts.len();
        if let Err(seconds) = self.accounts[account].count(now) {
            return Reception::Refused(Answer::OverLimit(seconds));
        }
        match self.cause {
            Cause::Outage => return Reception::Refused(Answer::Unavailable),
            Cause::Maintenance(seconds) => {
                return Reception::Refused(Answer::Maintenance(seconds));
            }
            Cause::BadBackend(count, seconds) if self.rng.u32(..count) == 0 => {
                return Reception::Refused(Answer::Maintenance(seconds));
            }
            Cause::Faults(share) if self.rng.f64() < share / 2.0 => {
                return Reception::Refused(Answer::Unavailable);
            }
            _ => {}
        }
        if self.idle > 0 {
            Reception::Begun(self.work(call))
        } else if self.queue.len() < self.room {
            self.queue.push_back(call);
            Reception::Queued
        } else {
            Reception::Refused(Answer::Unavailable)
        }
    }

    /// Gives a free worker the next call, even if its client no longer waits.
    pub fn proceed(&mut self) -> Option<Work> {
        self.idle += 1;
        let call = self.queue.pop_front()?;
        Some(self.work(call))
    }

    /// Returns `true` if the work began before the last crash.
    pub fn has_lost(&self, boot: u32) -> bool {
        boot != self.boot
    }

    /// Returns `true` if the response to finished work is lost.
    pub fn loses_answer(&mut self) -> bool {
        matches!(self.cause, Cause::Faults(share) if self.rng.f64() < share / 2.0)
    }

    fn work(&mut self, call: Call) -> Work {
        self.idle -= 1;
        let factor = match self.cause {
            Cause::Slowness(factor) => factor,
            _ => 1.0,
        };
        Work {
            call,
            takes: exponential(&mut self.rng, self.mean * factor),
            boot: self.boot,
        }
    }
}

/// A random time with this mean, in seconds, that has no memory.
pub fn exponential(rng: &mut Rng, mean: f64) -> Nanos {
    let uniform = 1.0 - rng.f64(); // never 0
    (-uniform.ln() * mean * SECOND as f64) as Nanos
}
