//! One cool-down for all processes of an account.
//!
//! A cool-down that starts in one process goes to Redis as a key that expires with it, for processes that
//! start later, and as a message, for those that run. They read the key's remaining time and extend
//! their own cool-down. No clocks are compared except Redis' with itself. `extend_until` is not
//! reported to `on_event`, so nothing goes round in circles.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use http::StatusCode;
use redis::{aio::MultiplexedConnection, cmd};
use revio_status::{Cooldown, Event};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::account::{Account, CONNECT, Cause};

/// How long Redis may take, and the time until a process looks for it again.
const ANSWER: Duration = CONNECT;

/// How often the key is read without a message: a message can be lost with its connection.
const CHECK: Duration = Duration::from_secs(5);

/// Milliseconds: a cool-down from Redis is at most 5 min, whatever Redis says.
const LONGEST: u64 = 300_000;

/// The layer's clock.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Extends the key: its end, on Redis' clock in milliseconds, is clamped to 5 min from now. A key without
/// an end, with a longer one, or with another value than a status is not ours, and hides nothing.
const WRITE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = math.min(tonumber(ARGV[2]) - now, 300000)
local old = string.match(redis.call('GET', KEYS[1]) or '', '^[4-9]%d%d$') and redis.call('PTTL', KEYS[1])
if left > 0 and (not old or left > old or old > 300000) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', left)
  redis.call('PUBLISH', KEYS[1], '')
end
";

/// Returns the status and the remaining milliseconds, clamped to 5 min from the first reading on.
const READ: &str = "
local left = redis.call('PTTL', KEYS[1])
if left == -1 or left > 300000 then
  redis.call('PEXPIRE', KEYS[1], 300000)
  left = 300000
end
return {redis.call('GET', KEYS[1]) or '', left}
";

/// Passes a cool-down that starts in one process on to all other processes of the account.
///
/// The cool-down is clamped to 5 minutes. While Redis is absent, each process obeys the cool-downs that
/// it started itself, and says so once at WARN. When Redis is back, what still lasts is passed on.
///
/// A clone is the same. The task that listens ends when the last clone is dropped.
///
/// ```no_run
/// # use revio_status::{Cooldown, RevioStatusLayer};
/// # use revio_status_limit::{Account, CooldownSync};
/// # async fn example(account: Account) {
/// let cooldown = Cooldown::default();
/// let sync = CooldownSync::new(&account, &cooldown);
/// let layer = RevioStatusLayer::new()
///     .cooldown(cooldown)
///     .on_event(move |event| sync.on_event(event));
/// # }
/// ```
#[derive(Clone)]
pub struct CooldownSync {
    cooldown: Cooldown,
    started: Arc<watch::Sender<Started>>,
    written: watch::Receiver<Option<Instant>>,
}

/// The latest end that this process reported, and its status.
type Started = Option<(StatusCode, Instant)>;

impl CooldownSync {
    /// Creates the synchronisation of this cool-down, and its task.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(account: &Account, cooldown: &Cooldown) -> Self {
        let (sender, started) = watch::channel(None);
        let (writer, written) = watch::channel(None);
        let listener = Listener {
            account: account.clone(),
            key: account.cooldown_key(),
            cooldown: cooldown.clone(),
            started,
            written: writer,
            was_reported: false,
        };
        tokio::spawn(listener.run());
        Self {
            cooldown: cooldown.clone(),
            started: Arc::new(sender),
            written,
        }
    }

    /// Passes on that the cool-down started or was extended. For `RevioStatusLayer::on_event`.
    ///
    /// Never waits. Events of another `Cooldown`, such as a request's own, are ignored.
    pub fn on_event(&self, event: &Event<'_>) {
        let Event::CooldownStarted {
            cooldown,
            status,
            until,
            ..
        } = event
        else {
            return;
        };
        if **cooldown != self.cooldown {
            return;
        }
        self.started.send_if_modified(|started| {
            let is_later = started.is_none_or(|(_, end)| end < *until);
            if is_later {
                *started = Some((*status, *until));
            }
            is_later
        });
    }

    /// Waits until what was passed on has reached Redis, for at most a second. For programs that exit.
    pub async fn flush(&self) {
        let Some((_, end)) = *self.started.borrow() else {
            return;
        };
        let mut written = self.written.clone();
        let reached = written.wait_for(|written| *written >= Some(end));
        let _ = timeout(Duration::from_secs(1), reached).await;
    }
}

/// Shows no account and no address.
impl fmt::Debug for CooldownSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CooldownSync")
            .field("cooldown", &self.cooldown)
            .finish_non_exhaustive()
    }
}

struct Listener {
    account: Account,
    /// The channel has the same name.
    key: String,
    cooldown: Cooldown,
    started: watch::Receiver<Started>,
    written: watch::Sender<Option<Instant>>,
    was_reported: bool,
}

impl Listener {
    async fn run(mut self) {
        while let Err(Cause(cause)) = self.listen().await {
            if !std::mem::replace(&mut self.was_reported, true) {
                tracing::warn!(cause, "no Redis: cool-downs stay within this process");
            }
            if self.started.has_changed().is_err() {
                return; // the last clone was dropped
            }
            sleep(ANSWER).await;
        }
    }

    /// Returns when the last clone is dropped.
    async fn listen(&mut self) -> Result<(), Cause> {
        let mut commands = self.account.connection().await?;
        let mut channel = timeout(ANSWER, self.account.client().get_async_pubsub()).await??;
        timeout(ANSWER, channel.subscribe(&self.key)).await??;
        let mut messages = channel.into_on_message();
        let listened = self.follow(&mut commands, &mut messages).await;
        if listened.is_err() {
            self.account.disconnect();
        }
        listened
    }

    async fn follow(
        &mut self,
        commands: &mut MultiplexedConnection,
        messages: &mut (impl StreamExt + Unpin),
    ) -> Result<(), Cause> {
        self.read(commands).await?;
        self.write(commands).await?;
        if std::mem::take(&mut self.was_reported) {
            tracing::info!("Redis is back: cool-downs are shared again");
        }
        loop {
            tokio::select! {
                message = messages.next() => {
                    message.ok_or_else(|| Cause("connection lost".into()))?;
                    self.read(commands).await?;
                }
                () = sleep(CHECK) => self.read(commands).await?,
                change = self.started.changed() => match change {
                    Ok(()) => self.write(commands).await?,
                    Err(_) => return Ok(()),
                }
            }
        }
    }

    /// Reads the key, and extends this process's cool-down.
    async fn read(&self, commands: &mut MultiplexedConnection) -> Result<(), Cause> {
        let mut read = cmd("EVAL");
        read.arg(READ).arg(1).arg(&self.key);
        let (status, left): (String, i64) = timeout(ANSWER, read.query_async(commands)).await??;
        let status = status.parse().ok();
        let status = status.filter(|status: &StatusCode| status.as_u16() >= 400);
        if let (Some(status), Ok(left @ 1..)) = (status, u64::try_from(left)) {
            let end = now() + Duration::from_millis(left.min(LONGEST));
            self.cooldown.extend_until(status, end);
        }
        Ok(())
    }

    /// Writes the end that this process reported last, if it is not over.
    async fn write(&mut self, commands: &mut MultiplexedConnection) -> Result<(), Cause> {
        let Some((status, until)) = *self.started.borrow_and_update() else {
            return Ok(());
        };
        let left = until.saturating_duration_since(now());
        if !left.is_zero() {
            let time = cmd("TIME");
            let (seconds, micros): (u64, u64) =
                timeout(ANSWER, time.query_async(commands)).await??;
            let now = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
            let end = now.saturating_add(left).as_micros().div_ceil(1_000);
            let mut write = cmd("EVAL");
            write.arg(WRITE).arg(1).arg(&self.key);
            write.arg(status.as_str()).arg(end.to_string());
            timeout(ANSWER, write.query_async::<()>(commands)).await??;
        }
        self.written.send_replace(Some(until));
        Ok(())
    }
}
