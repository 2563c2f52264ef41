//! Who asks for what, and how the server misbehaves: pure functions of the seed.

use std::{fmt, time::Duration};

use bytes::Bytes;
use fastrand::Rng;
use http::Method;

use super::{
    accounts::{ACCOUNTS, Quiet},
    setting::Setting,
    wait::Wait,
};

/// More than the layer keeps of an upload by default.
pub const REPLAY_LIMIT: usize = 64 * 1024;

/// How many servers speak HTTP/2: the death of a connection is not to take all requests with it.
pub const TWOS: usize = 8;

/// Everything that is going to happen, whatever the scheduler does.
#[derive(Clone)]
pub struct Plan {
    seed: u64,
    /// Uploads are stretches of it: nothing can be missing, twice or in another's place unseen.
    noise: Bytes,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Door {
    /// HTTP/1.1.
    One,
    /// HTTP/2, at one of several servers.
    Two(usize),
    /// Accepts connections and resets them.
    Slammed,
    /// Refuses connections.
    Shut,
}

/// One request, as its caller wants it.
#[derive(Debug)]
pub struct Order {
    pub id: usize,
    pub method: Method,
    pub door: Door,
    pub upload: Upload,
    /// The caller drops the request after this time.
    pub patience: Option<Duration>,
    pub setting: Setting,
    /// Whose cool-down it listens to.
    pub account: Option<usize>,
}

/// A request's body.
#[derive(Clone, Default)]
pub struct Upload {
    pub bytes: Bytes,
    pub chunk: usize,
    pub tells_length: bool,
    pub has_trailers: bool,
    /// Fails before its last chunk.
    pub breaks: bool,
    /// Takes a millisecond's rest in its middle.
    pub rests: bool,
}

/// What the server does with one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    pub when: When,
    /// Whether the request has its effect. It never has before it was read whole.
    pub executes: bool,
    pub status: u16,
    pub wait: Wait,
    pub manner: Manner,
}

/// How much of the upload the server reads before it acts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// So many bytes; then it reads on and forgets, or drops the rest.
    Early {
        after: usize,
        drains: bool,
    },
    Late,
}

/// How the server answers, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    Plain,
    /// The body byte by byte, in frames.
    Drip,
    /// `Connection: close`, or a GOAWAY that lets the others end.
    Farewell,
    /// 200 at once; the body comes when the upload has been read and executed.
    Gradual,
    /// A failed body that never goes on.
    Hang,
    /// A failed body without an end.
    Endless,
    /// No answer at all.
    Stall,
    /// The handler fails: RST_STREAM, or the connection ends.
    Fail,
    /// From here on the connection is taken from hyper and does not survive.
    Close,
    Reset,
    CutHead,
    CutBody,
    ResetBody,
    ShortLength,
    Garbage,
    Oversized,
    /// All of the answer byte by byte, head included.
    RawDrip,
    /// HTTP/2's way to say: no more of this, and now.
    GoAway,
}

/// How often things happen. The slow ones are rare, for the sake of the test's duration.
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

/// What kills a connection is rarer here: others are on it.
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
    /// The same for the same seed.
    pub fn new(seed: u64) -> Self {
        let mut noise = vec![0; 512 * 1024];
        Rng::with_seed(seed).fill(&mut noise);
        let noise = noise.into();
        Self { seed, noise }
    }

    /// Its own random numbers for each purpose.
    fn rng(&self, id: usize, purpose: u64) -> Rng {
        let mut rng = Rng::with_seed(self.seed ^ (id as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Rng::with_seed(rng.u64(..) ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    /// The request of this number.
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
            account: match setting.quiet {
                Quiet::Off => None,
                Quiet::Shared => Some(0),
                Quiet::Own | Quiet::Impatient => Some(rng.usize(..ACCOUNTS)),
            },
            setting,
        }
    }

    /// Most are small, some too large to be kept for a resend.
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
        let tells_length = rng.bool();
        let chunk = length / rng.usize(1..=48) + 1;
        Upload {
            bytes: self.noise.slice(start..start + length),
            chunk,
            tells_length,
            has_trailers: !tells_length && chance(rng, 20),
            breaks: length > 0 && chance(rng, 2),
            rests: chance(rng, 10),
        }
    }

    /// Whether nobody listens where this attempt of it goes.
    pub fn is_refused(&self, order: &Order, attempt: u32) -> bool {
        let rng = &mut self.rng(order.id, u64::from(attempt) << 32);
        order.door == Door::Shut || chance(rng, 8)
    }

    /// What the server does with this attempt of it.
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
            // A server that says yes did it, one that says no did not, and of the others nobody
            // knows.
            executes: when == When::Late && may_execute(status) && (status < 400 || rng.bool()),
            status,
            wait: Wait::draw(rng, status),
            manner,
        }
    }
}

/// Whether this status leaves it open that the request was executed: all but 501 and 4xx, and of
/// these 408.
pub fn may_execute(status: u16) -> bool {
    status == 408 || !(400..500).contains(&status) && status != 501
}

/// True in so many cases of a hundred.
pub fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

/// One of the values, as often as its weight says.
pub fn pick<T: Clone>(rng: &mut Rng, table: &[(u32, T)]) -> T {
    let sum: u32 = table.iter().map(|(weight, _)| weight).sum();
    let mut left = rng.u32(..sum);
    for (weight, value) in table {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return value.clone(),
        }
    }
    unreachable!("the weights add up")
}

/// Not with all its noise.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({})", self.seed)
    }
}

/// Not with all its bytes.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, breaks) = (self.bytes.len(), self.breaks);
        write!(f, "Upload({length} bytes, breaks: {breaks})")
    }
}
