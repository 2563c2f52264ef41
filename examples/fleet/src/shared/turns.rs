//! When a process may send its next call: turns booked in Redis, or its own share of them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout},
};

use super::{
    Settings,
    account::{Account, Cause},
};

/// How often a process that has fallen back looks for Redis. Each look takes no longer.
const LOOK: Duration = Duration::from_secs(1);

/// Books a turn by the generic cell rate algorithm. Returns the microseconds until then; negative: too
/// long, and not booked.
///
/// The key holds the next turn and when one was last booked. Booked later than now: Redis' clock was
/// set back, and what was booked is void. A second is let pass, for a clock that is put right. Nobody
/// waits longer than a day, nor is there more between two turns: what is further ahead is no turn.
const BOOK: &str = "
local interval, burst, longest, calls =
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local turn, booked = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
turn = tonumber(turn)
if not turn or tonumber(booked) > now + 1000000 or turn > now + 2 * 86400e6 then turn = now end
turn = math.max(turn, now - burst)
local wait = math.max(turn - now, 0)
if wait > longest then return -wait end
turn = turn + calls * interval
local rest = math.ceil((turn + burst - now) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.0f %.0f', turn, now), 'PX', string.format('%.0f', rest))
return wait
";

pub(super) struct Turns {
    settings: Settings,
    redis: Option<Arc<Redis>>,
    link: Mutex<Link>,
}

struct Redis {
    account: Account,
    key: String,
}

enum Link {
    Up(MultiplexedConnection),
    /// On its own, with its next turn.
    Down {
        turn: Instant,
        look_at: Instant,
    },
}

/// The queue of a process: who has it waits for the next turn, which is kept there until it is used.
pub(super) type Queue = OwnedMutexGuard<Option<Instant>>;

/// No turn within the time that there is; how long it would take.
pub(super) struct TooLong(pub(super) Duration);

impl Turns {
    pub(super) fn own(settings: Settings) -> Self {
        Self::new(settings, None)
    }

    pub(super) async fn shared(settings: Settings, account: &Account) -> Self {
        let redis = Redis {
            account: account.clone(),
            key: account.limit_key(),
        };
        let turns = Self::new(settings, Some(Arc::new(redis)));
        if let Err(cause) = turns.look().await {
            turns.warn(&cause);
        }
        turns
    }

    fn new(settings: Settings, redis: Option<Arc<Redis>>) -> Self {
        let now = Instant::now();
        Self {
            settings,
            redis,
            link: Mutex::new(Link::Down {
                turn: now,
                look_at: now + LOOK,
            }),
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        matches!(*self.link(), Link::Up(_))
    }

    /// Books the next turn into the queue, if it comes within this time. Once Redis is asked, the queue
    /// is kept until it answers or is too slow, also if the request goes away: its turn is then the
    /// next one's, and a silent Redis is found out by whoever has little time.
    pub(super) async fn book(
        self: &Arc<Self>,
        mut queue: Queue,
        longest: Duration,
    ) -> Result<Queue, TooLong> {
        let Some((redis, connection)) = self.connection() else {
            *queue = Some(self.book_own(longest)?);
            return Ok(queue);
        };
        let turns = self.clone();
        let booking = tokio::spawn(async move {
            *queue = Some(turns.book_in(&redis, connection, longest).await?);
            Ok(queue)
        });
        booking.await.unwrap_or(Err(TooLong(longest))) // or the runtime ends
    }

    async fn book_in(
        &self,
        redis: &Redis,
        mut connection: MultiplexedConnection,
        longest: Duration,
    ) -> Result<Instant, TooLong> {
        match redis
            .book(&mut connection, &self.settings, 1, longest)
            .await
        {
            Ok(booked) => booked.map(|wait| Instant::now() + wait),
            Err(cause) => {
                self.fall_back(&cause);
                self.book_own(longest)
            }
        }
    }

    /// A turn of before may be used already: the first one is an interval away.
    fn fall_back(&self, cause: &Cause) {
        let now = Instant::now();
        *self.link() = Link::Down {
            turn: now + self.settings.own_interval(),
            look_at: now + LOOK,
        };
        self.warn(cause);
    }

    fn book_own(&self, longest: Duration) -> Result<Instant, TooLong> {
        let now = Instant::now();
        match &mut *self.link() {
            Link::Up(_) => Ok(now), // it has just returned
            Link::Down { turn, .. } => {
                let booked = now.max(*turn);
                if booked - now > longest {
                    return Err(TooLong(booked - now));
                }
                *turn = booked + self.settings.own_interval();
                Ok(booked)
            }
        }
    }

    /// If there is none it is looked for, now and then, and nobody waits for that.
    fn connection(self: &Arc<Self>) -> Option<(Arc<Redis>, MultiplexedConnection)> {
        let redis = self.redis.clone()?;
        match &mut *self.link() {
            Link::Up(connection) => Some((redis, connection.clone())),
            Link::Down { look_at, .. } => {
                if *look_at <= Instant::now() {
                    *look_at = Instant::now() + LOOK;
                    tokio::spawn(self.clone().return_to_redis());
                }
                None
            }
        }
    }

    async fn return_to_redis(self: Arc<Self>) {
        match self.look().await {
            Ok(()) => tracing::info!("the account's limit of calls is shared again"),
            Err(Cause(cause)) => tracing::debug!(cause, "still no Redis"),
        }
    }

    /// Looks for Redis by booking nothing, which writes: a server that cannot is no help.
    async fn look(&self) -> Result<(), Cause> {
        let Some(redis) = &self.redis else {
            return Ok(());
        };
        let look = async {
            let mut connection = redis.account.connect().await?;
            let any = Duration::MAX;
            let _ = redis.book(&mut connection, &self.settings, 0, any).await?;
            Ok::<_, Cause>(connection)
        };
        let connection = timeout(LOOK, look).await??;
        *self.link() = Link::Up(connection);
        Ok(())
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn(&self, Cause(cause): &Cause) {
        tracing::warn!(
            cause,
            processes = self.settings.processes,
            "no Redis: this process keeps to its own share of the account's limit of calls"
        );
    }
}

impl Redis {
    async fn book(
        &self,
        connection: &mut MultiplexedConnection,
        settings: &Settings,
        calls: u32,
        longest: Duration,
    ) -> Result<Result<Duration, TooLong>, Cause> {
        // Not by its hash: a server that has lost the script would cost more round trips.
        let mut book = redis::cmd("EVAL");
        book.arg(BOOK).arg(1).arg(&self.key);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        for time in [settings.interval(), settings.burst(), longest] {
            book.arg(micros(time));
        }
        book.arg(calls);
        let wait: i64 = timeout(settings.answer, book.query_async(connection)).await??;
        let time = Duration::from_micros(wait.unsigned_abs());
        Ok(if wait < 0 {
            Err(TooLong(time))
        } else {
            Ok(time)
        })
    }
}
