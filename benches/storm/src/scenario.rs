//! The scenarios: the shape of the fleet, and the seven causes of failure.

use std::ops::Range;

use super::events::{MINUTE, Nanos, SECOND};

/// A fleet and its server. The server is as large as the fleet needs it, so that fleets of any size
/// can be compared.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub clients: u32,
    /// The number of processes. Each has one layer, and so one budget.
    pub processes: u32,
    pub minutes: u32,
    pub seed: u64,
}

impl World {
    /// Clients that share an account, and its limit.
    const CLIENTS_PER_ACCOUNT: u32 = 250;
    /// The part of the server's capacity that is in use on a good day.
    const LOAD: f64 = 0.8;
    /// The mean work of one request.
    const WORK: f64 = 0.1;
    /// The longest queue, in seconds of the server's work.
    const QUEUE: f64 = 6.0;
    /// The gateway's timeout. It is shorter than the queue, as such settings are rarely coordinated.
    pub const PATIENCE: Nanos = 5 * SECOND;
    /// From the client to the gateway and back.
    pub const ROUND_TRIP: Nanos = SECOND / 25;
    /// Calls that the gateway lets an account make in a minute.
    pub const LIMIT: u32 = 500;

    /// For half an hour, with a process for each account.
    pub fn new(clients: u32) -> Self {
        let mut world = Self {
            clients,
            processes: 0,
            minutes: 30,
            seed: 1,
        };
        world.processes = world.accounts();
        world
    }

    pub fn accounts(&self) -> u32 {
        self.clients.div_ceil(Self::CLIENTS_PER_ACCOUNT)
    }

    /// Each client asks once a minute.
    pub fn asks_per_second(&self) -> f64 {
        f64::from(self.clients) / 60.0
    }

    /// Returns the requests that the server can serve in a second.
    pub fn capacity(&self) -> f64 {
        self.asks_per_second() / Self::LOAD
    }

    pub fn workers(&self) -> u32 {
        (self.capacity() * Self::WORK).ceil() as u32
    }

    pub fn queue_room(&self) -> usize {
        (self.capacity() * Self::QUEUE) as usize
    }

    pub fn end(&self) -> Nanos {
        u64::from(self.minutes) * MINUTE
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cause {
    Nothing,
    /// Clients ask for this many times what the server can do.
    Overload(f64),
    /// The server crashes, and is away.
    Outage,
    /// The server finishes its work, and returns 503 with `Retry-After` to new calls, in seconds.
    Maintenance(u32),
    /// One of this many back ends always returns 503 with `Retry-After`, in seconds.
    BadBackend(u32, u32),
    /// All work takes this many times as long.
    Slowness(f64),
    /// This part of all attempts fails. Half of them lose the response after the work.
    Faults(f64),
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub title: &'static str,
    pub cause: Cause,
    pub window: Range<Nanos>,
}

impl Scenario {
    const fn new(name: &'static str, title: &'static str, cause: Cause, seconds: u64) -> Self {
        Self {
            name,
            title,
            cause,
            window: 5 * MINUTE..5 * MINUTE + seconds * SECOND,
        }
    }

    /// Returns `true` if the cause ends before the run.
    pub fn ends(&self, world: &World) -> bool {
        self.window.end < world.end()
    }
}

const FOR_GOOD: u64 = 24 * 3600;

pub const NOTHING: Scenario = Scenario::new("nothing", "Nothing goes wrong", Cause::Nothing, 0);

pub const OVERLOAD: Scenario = Scenario::new(
    "overload",
    "Overload: for 1 minute, 1.2 times what the server can do",
    Cause::Overload(1.2),
    60,
);

pub const OUTAGE: Scenario =
    Scenario::new("outage", "Outage: 2 minutes of 503", Cause::Outage, 120);

pub const MAINTENANCE: Scenario = Scenario::new(
    "maintenance",
    "Maintenance: 2 minutes of 503 with Retry-After: 60",
    Cause::Maintenance(60),
    120,
);

pub const SLOW: Scenario = Scenario::new(
    "slow",
    "Slow server: for 2 minutes all work takes 3 times as long",
    Cause::Slowness(3.0),
    120,
);

pub const RESTART: Scenario =
    Scenario::new("restart", "Restart: 3 seconds of 503", Cause::Outage, 3);

pub const FAULTS: Scenario = Scenario::new(
    "faults",
    "Faults: 1 % of attempts fail, half of them after the work",
    Cause::Faults(0.01),
    FOR_GOOD,
);

pub const BACKEND: Scenario = Scenario::new(
    "backend",
    "Bad back end: one of ten answers 503 with Retry-After: 10",
    Cause::BadBackend(10, 10),
    FOR_GOOD,
);

/// The table has them in this order.
pub const ALL: [Scenario; 7] = [
    OVERLOAD,
    OUTAGE,
    MAINTENANCE,
    SLOW,
    RESTART,
    FAULTS,
    BACKEND,
];

/// Not in the table, as they do not end: more than the server can do, and half of it failing.
pub const LASTING: [Scenario; 2] = [
    Scenario::new(
        "lasting overload",
        "Lasting overload: 1.2 times what the server can do",
        Cause::Overload(1.2),
        FOR_GOOD,
    ),
    Scenario::new(
        "brownout",
        "Brownout: half of all attempts fail",
        Cause::Faults(0.5),
        FOR_GOOD,
    ),
];
