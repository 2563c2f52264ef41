//! What one process is told by 429 or the quota's 403, told to all processes of its account.
//!
//! The layer's `on_event` tells when a cool-down begins. That goes to Redis: as a key that expires with
//! it, for processes that start later, and as a message, for those that run. They read the key's rest
//! and begin their own cool-down for so long. No clock is compared but Redis' with itself. What came
//! from Redis is not told through `on_event`, so nothing goes round in circles.
//!
//! # When Redis fails
//!
//! Each process then knows what it was told itself, as without this file; that is said once at WARN.
//! It looks for Redis once a second. What is not over by then is told late.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use http::StatusCode;
use redis::{aio::MultiplexedConnection, pipe};
use revio_status::{Cooldown, Event};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    account::{Account, Cause},
    limit::DAY,
};

/// How long Redis may take for an answer, and a process waits until it looks for it again.
const ANSWER: Duration = Duration::from_secs(1);

/// How often the key is read although no message came: a message can be lost with its connection.
const CHECK: Duration = Duration::from_secs(5);

/// Whatever Redis says, a cool-down from there is no longer.
const LONGEST: Duration = Duration::from_secs(300);

/// Only ever extends. The end is by Redis' clock, so that this is right also when it comes late.
const TELL: &str = "
local time = redis.call('TIME')
local rest = ARGV[2] - time[1] * 1000 - math.floor(time[2] / 1000)
if rest > 0 and rest > redis.call('PTTL', KEYS[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', rest)
  redis.call('PUBLISH', KEYS[1], '')
end
";

type Told = Option<(StatusCode, Instant)>;

/// Tells and listens until it is dropped.
pub struct Quiet(watch::Sender<Told>);

impl Quiet {
    /// To be called inside a tokio runtime. Whatever stands in Redis, it silences for five minutes at
    /// most.
    pub fn shared(account: &Account, cooldown: Cooldown) -> Self {
        Self::shared_for(account, cooldown, LONGEST)
    }

    /// With another bound than five minutes: a day at most.
    pub fn shared_for(account: &Account, cooldown: Cooldown, longest: Duration) -> Self {
        assert!(longest <= DAY, "a quiet of {longest:?}: a day at most");
        let (sender, told) = watch::channel(None);
        let listener = Listener {
            account: account.clone(),
            key: account.quiet_key(),
            cooldown,
            longest,
            cut: None,
        };
        tokio::spawn(listener.run(told));
        Self(sender)
    }

    /// For the layer's `on_event`. It does not wait.
    pub fn tell(&self, event: &Event<'_>) {
        if let Event::CooldownStarted { status, until, .. } = event {
            self.0.send_modify(|told| {
                if told.is_none_or(|(_, longest)| longest < *until) {
                    *told = Some((*status, *until));
                }
            });
        }
    }
}

struct Listener {
    account: Account,
    /// The channel has the same name.
    key: String,
    cooldown: Cooldown,
    longest: Duration,
    cut: Option<Cut>,
}

/// What was longer than it may be. Else each look at the same key would be so long anew.
struct Cut {
    key: (StatusCode, Duration),
    read: Instant,
    end: Instant,
}

impl Cut {
    /// Whether the key that is read now is still the same: it ends when that one does.
    fn is_of(&self, (status, rest): (StatusCode, Duration), now: Instant) -> bool {
        let expected = self.key.1.saturating_sub(now - self.read);
        status == self.key.0 && rest.abs_diff(expected) <= 2 * ANSWER
    }
}

impl Listener {
    async fn run(mut self, mut told: watch::Receiver<Told>) {
        let mut is_known = false;
        while let Err(Cause(cause)) = self.listen(&mut told, &mut is_known).await {
            if !is_known {
                is_known = true;
                tracing::warn!(cause, "no Redis: this process alone hears what it is told");
            }
            if told.has_changed().is_err() {
                return; // nobody is left
            }
            sleep(ANSWER).await;
        }
    }

    /// Returns when nobody is left who could tell anything.
    async fn listen(
        &mut self,
        told: &mut watch::Receiver<Told>,
        is_known: &mut bool,
    ) -> Result<(), Cause> {
        let mut redis = timeout(ANSWER, self.account.connect()).await??;
        let mut channel = timeout(ANSWER, self.account.client.get_async_pubsub()).await??;
        timeout(ANSWER, channel.subscribe(&self.key)).await??;
        let mut messages = channel.into_on_message();
        self.heed(&mut redis).await?;
        self.pass_on(&mut redis, told).await?;
        *is_known = false;
        loop {
            tokio::select! {
                message = messages.next() => {
                    message.ok_or_else(|| Cause("connection lost".into()))?;
                    self.heed(&mut redis).await?;
                }
                () = sleep(CHECK) => self.heed(&mut redis).await?,
                change = told.changed() => match change {
                    Ok(()) => self.pass_on(&mut redis, told).await?,
                    Err(_) => return Ok(()),
                }
            }
        }
    }

    /// Reads the key, and does as it says.
    async fn heed(&mut self, redis: &mut MultiplexedConnection) -> Result<(), Cause> {
        let mut read = pipe();
        read.get(&self.key).pttl(&self.key);
        let (status, rest): (Option<String>, i64) =
            timeout(ANSWER, read.query_async(redis)).await??;
        let status = status.and_then(|status| status.parse().ok());
        let status = status.filter(|status: &StatusCode| status.as_u16() >= 400);
        let (Some(status), Ok(rest @ 1..)) = (status, u64::try_from(rest)) else {
            self.cut = None;
            return Ok(());
        };
        let now = Instant::now();
        let key = (status, Duration::from_millis(rest));
        self.cut = self.cut.take().filter(|cut| cut.is_of(key, now));
        let end = match &self.cut {
            Some(cut) => cut.end,
            None => now + key.1.min(self.longest),
        };
        if self.cut.is_none() && key.1 > self.longest {
            self.cut = Some(Cut {
                key,
                read: now,
                end,
            });
        }
        if end > now {
            self.cooldown.extend_until(status, end);
        }
        Ok(())
    }

    /// Tells the others what this process was told, if it is not over.
    async fn pass_on(
        &self,
        redis: &mut MultiplexedConnection,
        told: &mut watch::Receiver<Told>,
    ) -> Result<(), Cause> {
        let Some((status, until)) = *told.borrow_and_update() else {
            return Ok(());
        };
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(());
        }
        let time = redis::cmd("TIME");
        let (seconds, micros): (u64, u64) = timeout(ANSWER, time.query_async(redis)).await??;
        let until = seconds * 1000 + micros.div_ceil(1000) + rest.as_millis() as u64 + 1;
        let mut tell = redis::cmd("EVAL");
        tell.arg(TELL).arg(1).arg(&self.key);
        tell.arg(status.as_str()).arg(until);
        timeout(ANSWER, tell.query_async::<()>(redis)).await??;
        Ok(())
    }
}
