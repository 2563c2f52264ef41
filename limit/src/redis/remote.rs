//! Turns that many processes share: booked in Redis one by one, or the process's own share of them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};

use super::account::{Account, CONNECT, Cause};
use crate::{
    layer::{LimitLayer, Shared},
    queue::{Booking, Queue, Ticket, Turns},
    quota::Quota,
};

/// How often a process that keeps to its own share looks for Redis.
const LOOK: Duration = Duration::from_secs(1);

/// Reserves turns by the generic cell rate algorithm, on Redis' clock. Returns the microseconds until the
/// turn, or their negative if that is too long; then no turn is reserved.
///
/// The key holds the next turn and the time of the last booking. A booking later than now means that
/// Redis' clock was set back, and voids the key; one second is tolerated, for a clock that is adjusted.
/// A turn more than two days ahead is invalid: a wait and an interval are each at most a day.
const BOOK: &str = "
local interval, burst, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local turn, booked = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
turn = tonumber(turn)
if not turn or tonumber(booked) > now + 1000000 or turn > now + 2 * 86400e6 then turn = now end
turn = math.max(turn, now - burst)
local wait = math.max(turn - now, 0)
if wait > longest then return -wait end
turn = turn + interval
local left = math.ceil((turn + burst - now) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.0f %.0f', turn, now), 'PX', string.format('%.0f', left))
return wait
";

pub(crate) struct Remote {
    account: Account,
    key: String,
    quota: Quota,
    processes: u32,
    is_up: AtomicBool,
    state: Mutex<State>,
}

/// The process's knowledge of a Redis that is down.
struct State {
    look_at: Instant,
    is_looking: bool,
    was_reported: bool,
}

impl Remote {
    pub(crate) fn new(account: &Account, quota: Quota, processes: u32) -> Self {
        Self {
            account: account.clone(),
            key: account.limit_key(),
            quota,
            processes,
            is_up: AtomicBool::new(false),
            state: Mutex::new(State {
                look_at: Instant::now(),
                is_looking: false,
                was_reported: false,
            }),
        }
    }

    /// Returns the time between two calls of a process that keeps to its own share.
    pub(crate) fn own_interval(&self) -> Duration {
        self.quota.interval().saturating_mul(self.processes)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books a turn. `Ok(Err(wait))`: none within `longest`.
    async fn book(&self, longest: Duration) -> Result<Result<Duration, Duration>, Cause> {
        let mut connection = self.account.connection().await?;
        // Not by its hash: a server that has lost the script would cost more round trips.
        let mut book = redis::cmd("EVAL");
        book.arg(BOOK).arg(1).arg(&self.key);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        for time in [self.quota.interval(), self.quota.burst(), longest] {
            book.arg(micros(time));
        }
        let wait: i64 = book.query_async(&mut connection).await?;
        let time = Duration::from_micros(wait.unsigned_abs());
        Ok(if wait < 0 { Err(time) } else { Ok(time) })
    }

    /// Looks for Redis by booking the call that was sent last on the process's own share: otherwise the
    /// first calls of all processes would come on top of the quota.
    async fn look(&self) -> Result<(), Cause> {
        let look = self.book(Duration::MAX);
        timeout(CONNECT, look).await??.unwrap_or_default();
        Ok(())
    }

    fn report_down(&self, Cause(cause): &Cause) {
        let mut state = self.state();
        state.look_at = Instant::now() + LOOK;
        let was_reported = std::mem::replace(&mut state.was_reported, true);
        drop(state);
        self.is_up.store(false, Relaxed);
        self.account.disconnect();
        if !was_reported {
            tracing::warn!(
                cause,
                processes = self.processes,
                "no Redis: this process keeps to its own share of the account's quota"
            );
        }
    }

    fn report_up(&self) {
        self.is_up.store(true, Relaxed);
        if std::mem::take(&mut self.state().was_reported) {
            tracing::info!("Redis is back: the account's quota is shared again");
        }
    }

    /// Returns `true` if it is time to try Redis again.
    fn must_look(&self, now: Instant) -> bool {
        let mut state = self.state();
        let must_look = !state.is_looking && state.look_at <= now;
        state.is_looking |= must_look;
        must_look
    }
}

/// Books the next turn, or looks for Redis, if this request is the one to do so. Both run in the
/// background: a booking that outlives its request serves the next one.
pub(crate) fn prepare(
    layer: &LimitLayer,
    queue: &mut Queue,
    ticket: Ticket,
    now: Instant,
    limit: Instant,
) {
    let (Some(remote), Ok(runtime)) = (&layer.turns.remote, Handle::try_current()) else {
        return;
    };
    if queue.booking().is_none() {
        if remote.must_look(now) {
            runtime.spawn(look(layer.turns.clone()));
        }
        return;
    }
    if queue.has_turn_after(limit) {
        return; // this request is refused
    }
    if queue.must_book(ticket, now) {
        if let Some(booking) = queue.booking() {
            *booking = Booking::InFlight;
        }
        let longest = limit.saturating_duration_since(now);
        let timeout = layer.settings.redis_timeout;
        runtime.spawn(book(InFlight(Some(layer.turns.clone())), longest, timeout));
    }
}

/// A booking on its way. If its runtime ends, another request books.
/// `None` once the result is stored: another booking may be on its way then.
struct InFlight(Option<Arc<Shared>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(shared) = &self.0 else { return };
        let mut queue = shared.queue();
        match queue.booking() {
            Some(booking @ Booking::InFlight) => *booking = Booking::None,
            _ => return,
        }
        queue.wake_all();
    }
}

async fn book(mut in_flight: InFlight, longest: Duration, time: Duration) {
    let Some(shared) = in_flight.0.clone() else {
        return;
    };
    let Some(remote) = &shared.remote else { return };
    let booked = timeout(time, remote.book(longest)).await;
    let now = Instant::now();
    match booked.unwrap_or_else(|elapsed| Err(elapsed.into())) {
        Ok(booked) => {
            remote.report_up();
            let mut queue = shared.queue();
            in_flight.0 = None;
            if let Some(booking) = queue.booking() {
                *booking = match booked {
                    Ok(wait) => Booking::Turn(now + wait),
                    Err(wait) => Booking::TooLate(now + wait),
                };
            }
            queue.wake_all();
        }
        Err(cause) => {
            remote.report_down(&cause);
            // A turn of before may be used already: the first one is an interval away.
            let interval = remote.own_interval();
            let next = now + interval;
            let burst = Duration::ZERO;
            let turns = Turns::Paced { next, burst };
            shared.queue().set_turns(turns, interval);
        }
    }
}

/// A look for Redis. If its runtime ends, another request looks.
struct Looking(Arc<Shared>);

impl Drop for Looking {
    fn drop(&mut self) {
        if let Some(remote) = &self.0.remote {
            remote.state().is_looking = false;
        }
    }
}

async fn look(shared: Arc<Shared>) {
    let looking = Looking(shared);
    let Some(remote) = &looking.0.remote else {
        return;
    };
    match remote.look().await {
        Ok(()) => {
            remote.report_up();
            let turns = Turns::Booked(Booking::None);
            looking.0.queue().set_turns(turns, remote.quota.interval());
        }
        Err(cause) => remote.report_down(&cause),
    }
}
