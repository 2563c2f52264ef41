//! The requests and the servers' misbehavior, as pure functions of the seed.

use std::{fmt, time::Duration};

use bytes::Bytes;
use fastrand::Rng;
use http::Method;

use super::{
    accounts::{ACCOUNTS, CooldownUse},
    setting::Setting,
    wait::Wait,
};

/// The default `replay_body_limit`.
pub const REPLAY_LIMIT: usize = 64 * 1024;

/// The number of HTTP/2 servers: a failed connection must not end all requests.
pub const TWOS: usize = 8;

/// All planned requests and acts, independent of the scheduler.
#[derive(Clone)]
pub struct Plan {
    seed: u64,
    /// Random bytes. Uploads are slices of them, so that any lost, repeated or swapped part is visible.
    noise: Bytes,
}

/// A request's server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Door {
    /// HTTP/1.1.
    One,
    /// One of several HTTP/2 servers.
    Two(usize),
    /// Accepts connections and resets them.
    Slammed,
    /// Refuses connections.
    Shut,
}

/// One planned request.
#[derive(Debug)]
pub struct Order {
    pub id: usize,
    pub method: Method,
    pub door: Door,
    pub upload: Upload,
    /// The caller drops the request after this time.
    pub patience: Option<Duration>,
    pub setting: Setting,
    /// The account whose cool-down it obeys.
    pub account: Option<usize>,
}

/// A request's body.
#[derive(Clone, Default)]
pub struct Upload {
    pub bytes: Bytes,
    pub chunk: usize,
    pub has_length: bool,
    pub has_trailers: bool,
    /// Fails before its last chunk.
    pub breaks: bool,
    /// Pauses for a millisecond in its middle.
    pub pauses: bool,
}

/// The server's planned treatment of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    pub when: When,
    /// `true` if the request is applied, which needs a complete request.
    pub executes: bool,
    pub status: u16,
    pub wait: Wait,
    pub manner: Manner,
}

/// The part of the upload that the server reads before it acts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// After this many bytes; then it discards the remaining upload, read or unread.
    Early {
        after: usize,
        drains: bool,
    },
    Late,
}

/// The kind of response, or of its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    Plain,
    /// The body in frames of one byte.
    Drip,
    /// `Connection: close`, or a graceful GOAWAY.
    Farewell,
    /// 200 at once; the body follows after the upload is read and executed.
    Gradual,
    /// An error body that stalls.
    Hang,
    /// An endless error body.
    Endless,
    /// No response.
    Stall,
    /// The handler fails: RST_STREAM, or a closed connection.
    Fail,
    /// From here on, raw bytes replace hyper, and the connection ends.
    Close,
    Reset,
    CutHead,
    CutBody,
    ResetBody,
    ShortLength,
    Garbage,
    Oversized,
    /// The whole response byte by byte, including its head.
    RawDrip,
    /// A GOAWAY that ends the connection at once.
    GoAway,
}

/// Weights. Slow acts are rare, to keep the test short.
const MANNERS_ONE: [(u32, Manner); 17] = [
    (716, Manner::Plain),
    (30, Manner::Drip),
    (30, Manner::Farewell),
    (30, Manner::Gradual),
    (3, Manner::Hang),
    (10, Manner::Endless),
    (3, Manner::Stall),
    (15, Manner::Fail),
    (20, Manner::Close),
    (20, Manner::Reset),
    (20, Manner::CutHead),
    (20, Manner::CutBody),
    (20, Manner::ResetBody),
    (15, Manner::ShortLength),
    (20, Manner::Garbage),
    (4, Manner::Oversized),
    (24, Manner::RawDrip),
];

/// Acts that end a connection are rarer here: other requests share it.
const MANNERS_TWO: [(u32, Manner); 12] = [
    (800, Manner::Plain),
    (40, Manner::Drip),
    (20, Manner::Farewell),
    (40, Manner::Gradual),
    (3, Manner::Hang),
    (10, Manner::Endless),
    (3, Manner::Stall),
    (60, Manner::Fail),
    (6, Manner::Close),
    (6, Manner::Reset),
    (6, Manner::Garbage),
    (6, Manner::GoAway),
];

const STATUSES: [(u32, u16); 15] = [
    (500, 200),
    (20, 201),
    (230, 503),
    (90, 504),
    (40, 500),
    (10, 501),
    (10, 502),
    (20, 400),
    (10, 401),
    (20, 403),
    (20, 404),
    (10, 408),
    (60, 429),
    (5, 599),
    (5, 999),
];

impl Plan {
    /// Makes the plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut noise = vec![0; 512 * 1024];
        Rng::with_seed(seed).fill(&mut noise);
        let noise = noise.into();
        Self { seed, noise }
    }

    /// Returns separate random numbers for each purpose.
    fn rng(&self, id: usize, purpose: u64) -> Rng {
        let mut rng = Rng::with_seed(self.seed ^ (id as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Rng::with_seed(rng.u64(..) ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    /// Returns the request of this number.
    pub fn order(&self, id: usize) -> Order {
        let rng = &mut self.rng(id, 0);
        let methods = [(4, Method::GET), (3, Method::POST), (3, Method::PUT)];
        let method = pick(rng, &methods);
        let two = Door::Two(rng.usize(..TWOS));
        let setting = Setting::draw(&mut self.rng(id, 1 << 63));
        Order {
            id,
            door: pick(
                rng,
                &[
                    (690, Door::One),
                    (300, two),
                    (5, Door::Slammed),
                    (5, Door::Shut),
                ],
            ),
            upload: match method {
                Method::GET => Upload::default(),
                _ => self.upload(rng),
            },
            method,
            patience: chance(rng, 2).then(|| Duration::from_millis(rng.u64(..8))),
            account: match setting.cooldown_use {
                CooldownUse::Off => None,
                CooldownUse::Shared => Some(0),
                CooldownUse::Own | CooldownUse::Impatient => Some(rng.usize(..ACCOUNTS)),
            },
            setting,
        }
    }

    /// Most uploads are small, some are above the replay limit.
    fn upload(&self, rng: &mut Rng) -> Upload {
        let sizes = [
            (5, 0..1),
            (60, 1..600),
            (25, 600..8000),
            (7, 8000..REPLAY_LIMIT),
            (3, REPLAY_LIMIT + 1..2 * REPLAY_LIMIT),
        ];
        let sizes = pick(rng, &sizes);
        let length = rng.usize(sizes);
        let start = rng.usize(..self.noise.len() - length);
        let has_length = rng.bool();
        let chunk = length / rng.usize(1..=48) + 1;
        Upload {
            bytes: self.noise.slice(start..start + length),
            chunk,
            has_length,
            has_trailers: !has_length && chance(rng, 20),
            breaks: length > 0 && chance(rng, 2),
            pauses: chance(rng, 10),
        }
    }

    /// Returns `true` if this attempt's connection is refused.
    pub fn is_refused(&self, order: &Order, attempt: u32) -> bool {
        let rng = &mut self.rng(order.id, u64::from(attempt) << 32);
        order.door == Door::Shut || chance(rng, 8)
    }

    /// Returns the server's act for this attempt.
    pub fn act(&self, order: &Order, attempt: u32) -> Act {
        let rng = &mut self.rng(order.id, attempt.into());
        let manner = match order.door {
            Door::Two(_) => pick(rng, &MANNERS_TWO),
            _ => pick(rng, &MANNERS_ONE),
        };
        let status = match manner {
            Manner::Gradual => 200,
            Manner::Hang | Manner::Endless => pick(rng, &STATUSES[2..]),
            _ => pick(rng, &STATUSES),
        };
        let is_early = status >= 400 && chance(rng, 25) || manner == Manner::Gradual;
        let when = if is_early {
            When::Early {
                after: rng.usize(..=order.upload.bytes.len()),
                drains: rng.bool(),
            }
        } else {
            When::Late
        };
        Act {
            when,
            // A success was applied, a rejection was not; other statuses leave it open.
            executes: when == When::Late && may_execute(status) && (status < 400 || rng.bool()),
            status,
            wait: Wait::draw(rng, status),
            manner,
        }
    }
}

/// Returns `true` if a request with this status may have been applied: all statuses except 501 and 4xx
/// other than 408.
pub fn may_execute(status: u16) -> bool {
    status == 408 || !(400..500).contains(&status) && status != 501
}

/// Returns `true` in this percentage of calls.
pub fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

/// Returns a random value by weight.
pub fn pick<T: Clone>(rng: &mut Rng, table: &[(u32, T)]) -> T {
    let sum: u32 = table.iter().map(|(weight, _)| weight).sum();
    let mut left = rng.u32(..sum);
    for (weight, value) in table {
        match left.checked_sub(*weight) {
            Some(remaining) => left = remaining,
            None => return value.clone(),
        }
    }
    unreachable!("the weights add up")
}

/// Omits the random bytes.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({})", self.seed)
    }
}

/// Omits the bytes.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, breaks) = (self.bytes.len(), self.breaks);
        write!(f, "Upload({length} bytes, breaks: {breaks})")
    }
}
