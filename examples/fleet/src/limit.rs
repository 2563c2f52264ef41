//! An account's limit of calls, shared by all its processes over Redis. Copy it.
//!
//! A tower layer for the place **below** `RevioStatusLayer`, so that resends count. Each attempt waits
//! for its turn. Turns are handed out by a script in Redis, by Redis' clock: one at a time, evenly
//! spaced (the generic cell rate algorithm). A process books its next turn when it has used the last
//! one, so those that have something to send take turns, and those that have nothing cost nothing.
//!
//! # When Redis fails
//!
//! A process falls back to its own share of the limit, says so once at WARN, and asks Redis once a
//! second whether it is back. No request fails because Redis does, and none waits for it longer than
//! [`ANSWER`].

use std::{
    pin::Pin,
    sync::{
        Arc, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use redis::{AsyncConnectionConfig, Client, RedisError, Script, aio::MultiplexedConnection};
use revio_status::{BoxError, Cooldown, Deadline, StatusError, StopReason};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, error::Elapsed, sleep_until, timeout, timeout_at};
use tower::{Layer, Service, ServiceExt};

/// How long Redis may take for an answer. One request in each process pays this when Redis falls
/// silent; the next ones do not ask.
pub const ANSWER: Duration = Duration::from_millis(250);

/// How often a process that has fallen back looks whether Redis is there again. Each look takes no
/// longer.
pub const LOOK: Duration = Duration::from_secs(1);

/// Books a turn. Returns the microseconds until then; negative: too long, and not booked.
///
/// A booking more than a whole period ahead is none: Redis' clock was set back.
const BOOK: &str = "
local interval, burst, longest, calls, period =
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local turn = tonumber(redis.call('GET', KEYS[1]))
if not turn or turn > now + period then turn = now end
turn = math.max(turn, now - burst)
local wait = math.max(turn - now, 0)
if wait > longest then return -wait end
redis.call('SET', KEYS[1], string.format('%.0f', turn + calls * interval), 'PX', math.ceil(period / 500))
return wait
";

/// What all processes of an account agree on, and what one is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's limit: so many calls in each `per`. Two at least.
    pub calls: u32,
    pub per: Duration,
    /// How many processes share it. It counts only while Redis is not there.
    pub processes: u32,
    /// How long a request may wait for its turn, unless its [`Deadline`] is shorter.
    pub max_wait: Duration,
    /// The one of the layer above. While it lasts no turn is booked, and none is used.
    pub cooldown: Cooldown,
}

impl Settings {
    /// 500 calls a minute, and a wait of 30 s at most.
    pub fn new(processes: u32, cooldown: Cooldown) -> Self {
        Self {
            calls: 500,
            per: Duration::from_secs(60),
            processes,
            max_wait: Duration::from_secs(30),
            cooldown,
        }
    }

    /// Between two calls of the account. The gateway counts calls when they arrive, not when they are
    /// sent, in minutes that begin nobody knows when: 2 % of the limit are left for that.
    fn interval(&self) -> Duration {
        self.per / (self.calls - self.calls.div_ceil(50))
    }

    /// Turns that nobody took can be made up for, up to 1 % of the limit at once.
    fn burst(&self) -> Duration {
        self.interval() * (self.calls / 100)
    }

    /// Between two calls of a process that is on its own.
    fn own_interval(&self) -> Duration {
        self.interval() * self.processes
    }
}

/// The layer. A clone is the same limit.
#[derive(Clone)]
pub struct Limit(Arc<Inner>);

struct Inner {
    settings: Settings,
    redis: Option<Redis>,
    link: std::sync::Mutex<Link>,
    /// First come, first served; who has the lock waits for the process's next turn.
    queue: tokio::sync::Mutex<Queue>,
    waiting: AtomicU32,
}

struct Redis {
    client: Client,
    key: String,
    book: Script,
}

enum Link {
    Up(MultiplexedConnection),
    Down { look_at: Instant },
}

struct Queue {
    /// A turn that was booked and not used yet. If its request goes away the next one has it.
    booked: Option<Instant>,
    /// The next turn of a process that is on its own.
    own: Instant,
}

/// Why a request gets no turn, and for how long.
struct Refused(StopReason, Duration);

impl Limit {
    /// Without Redis: a fixed share for each process.
    pub fn own(settings: Settings) -> Self {
        Self::with(settings, None)
    }

    /// Over Redis. Processes that name the same account share its limit. Redis gets to see a hash of
    /// the name. If Redis is not there the limit begins with the process's own share.
    pub async fn shared(settings: Settings, client: Client, account: &str) -> Self {
        let key = format!("{}:limit", hash_tag(account));
        let book = Script::new(BOOK);
        let limit = Self::with(settings, Some(Redis { client, key, book }));
        if let Err(cause) = limit.0.look().await {
            warn(&cause, &limit.0.settings);
        }
        limit
    }

    fn with(settings: Settings, redis: Option<Redis>) -> Self {
        assert!(settings.calls > 1, "{} calls: two at least", settings.calls);
        assert!(settings.processes > 0, "a process is one of 1 at least");
        let now = Instant::now();
        Self(Arc::new(Inner {
            settings,
            redis,
            link: std::sync::Mutex::new(Link::Down { look_at: now }),
            queue: tokio::sync::Mutex::new(Queue {
                booked: None,
                own: now,
            }),
            waiting: AtomicU32::new(0),
        }))
    }

    /// Whether Redis answers. If not, this process keeps to its own share.
    pub fn is_shared(&self) -> bool {
        matches!(*self.0.link(), Link::Up(_))
    }
}

impl Inner {
    async fn turn(self: &Arc<Self>, longest: Duration) -> Result<(), Refused> {
        let place = Place::behind(&self.waiting);
        let at_best = self.settings.interval() * place.ahead;
        if at_best > longest {
            return Err(Refused(StopReason::DeadlineExceeded, at_best));
        }
        let end = Instant::now() + longest;
        timeout_at(end, self.wait(end))
            .await
            .unwrap_or(Err(Refused(StopReason::DeadlineExceeded, at_best)))
    }

    async fn wait(self: &Arc<Self>, end: Instant) -> Result<(), Refused> {
        let mut queue = self.queue.lock().await;
        loop {
            if let Some(until) = self.quiet_until() {
                if until > end {
                    let rest = until - Instant::now();
                    return Err(Refused(StopReason::CoolingDown, rest));
                }
                sleep_until(until).await;
                continue;
            }
            let stale = Instant::now().checked_sub(self.settings.interval());
            let turn = match queue.booked.take() {
                Some(turn) if Some(turn) > stale => turn,
                _ => self.book(&mut queue, end).await?,
            };
            queue.booked = Some(turn);
            if turn > Instant::now() {
                sleep_until(turn).await;
            }
            queue.booked = None;
            if self.quiet_until().is_none() {
                return Ok(());
            }
        }
    }

    fn quiet_until(&self) -> Option<Instant> {
        let until = self.settings.cooldown.until()?.into();
        (until > Instant::now()).then_some(until)
    }

    async fn book(self: &Arc<Self>, queue: &mut Queue, end: Instant) -> Result<Instant, Refused> {
        let longest = end.saturating_duration_since(Instant::now());
        if let Some((redis, mut connection)) = self.connection() {
            match redis
                .book(&mut connection, &self.settings, 1, longest)
                .await
            {
                Ok(Ok(wait)) => return Ok(Instant::now() + wait),
                Ok(Err(wait)) => return Err(Refused(StopReason::DeadlineExceeded, wait)),
                Err(cause) => {
                    let look_at = Instant::now() + LOOK;
                    *self.link() = Link::Down { look_at };
                    warn(&cause, &self.settings);
                    // Its share of now may be used already.
                    queue.own = Instant::now() + self.settings.own_interval();
                }
            }
        }
        let now = Instant::now();
        let turn = queue.own.max(now);
        if turn > end {
            return Err(Refused(StopReason::DeadlineExceeded, turn - now));
        }
        queue.own = turn + self.settings.own_interval();
        Ok(turn)
    }

    /// If there is none it is time, now and then, to look for one, and nobody waits for that.
    fn connection(self: &Arc<Self>) -> Option<(&Redis, MultiplexedConnection)> {
        let redis = self.redis.as_ref()?;
        match &mut *self.link() {
            Link::Up(connection) => return Some((redis, connection.clone())),
            Link::Down { look_at } if *look_at <= Instant::now() => {
                *look_at = Instant::now() + LOOK;
                let this = self.clone();
                tokio::spawn(async move {
                    if this.look().await.is_ok() {
                        tracing::info!("the account's limit of calls is shared again");
                    }
                });
            }
            Link::Down { .. } => {}
        }
        None
    }

    /// Looks for Redis by booking nothing, which writes: a server that cannot is no help.
    async fn look(&self) -> Result<(), Cause> {
        let Some(redis) = &self.redis else {
            return Ok(());
        };
        let connection = timeout(LOOK, async {
            let settings = AsyncConnectionConfig::new().set_response_timeout(None);
            let client = &redis.client;
            let mut connection = client
                .get_multiplexed_async_connection_with_config(&settings)
                .await?;
            let all = Duration::MAX;
            let _ = redis.book(&mut connection, &self.settings, 0, all).await?;
            Ok::<_, Cause>(connection)
        });
        *self.link() = Link::Up(connection.await??);
        Ok(())
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Redis {
    /// The wait until the turn; `Err`: it is longer than that, and not booked.
    async fn book(
        &self,
        connection: &mut MultiplexedConnection,
        settings: &Settings,
        calls: u32,
        longest: Duration,
    ) -> Result<Result<Duration, Duration>, Cause> {
        let mut book = self.book.key(&self.key);
        for time in [settings.interval(), settings.burst(), longest] {
            book.arg(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
        book.arg(calls).arg(settings.per.as_micros() as u64);
        // Sends the script itself where Redis does not have it.
        let wait: i64 = timeout(ANSWER, book.invoke_async(connection)).await??;
        let micros = Duration::from_micros(wait.unsigned_abs());
        Ok(if wait < 0 { Err(micros) } else { Ok(micros) })
    }
}

/// A request in the queue of its process.
struct Place<'a> {
    waiting: &'a AtomicU32,
    ahead: u32,
}

impl<'a> Place<'a> {
    fn behind(waiting: &'a AtomicU32) -> Self {
        let ahead = waiting.fetch_add(1, Relaxed);
        Self { waiting, ahead }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}

/// Redis' word for what is wrong, such as `OOM` or `READONLY`; never its text, nor an address.
struct Cause(String);

impl From<Elapsed> for Cause {
    fn from(_: Elapsed) -> Self {
        Self("timed out".into())
    }
}

impl From<RedisError> for Cause {
    fn from(error: RedisError) -> Self {
        Self(error.code().unwrap_or(error.category()).to_owned())
    }
}

fn warn(Cause(cause): &Cause, settings: &Settings) {
    tracing::warn!(
        cause,
        processes = settings.processes,
        "no Redis: this process keeps to its own share of the account's limit of calls"
    );
}

/// All keys of an account have this in front, and the braces bring them to one slot of a cluster.
pub fn hash_tag(account: &str) -> String {
    let hash = Sha256::digest(format!("revio-status {account}"));
    let hash: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("revio:{{{hash}}}")
}

impl<S> Layer<S> for Limit {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            limit: self.clone(),
            inner,
        }
    }
}

/// Always ready, as a buffer is. A request waits first for its turn and then for the service below.
#[derive(Clone)]
pub struct Limited<S> {
    limit: Limit,
    inner: S,
}

impl<S, B> Service<Request<B>> for Limited<S>
where
    S: Service<Request<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let limit = self.limit.0.clone();
        let service = self.inner.clone();
        Box::pin(async move {
            let own = request.extensions().get::<Deadline>();
            let longest = own.map_or(Duration::MAX, |deadline| deadline.0);
            let longest = longest.min(limit.settings.max_wait);
            if let Err(refused) = limit.turn(longest).await {
                return Err(refused.error().into());
            }
            service.oneshot(request).await.map_err(Into::into)
        })
    }
}

impl Refused {
    /// As the gateway would say it, and never sent: 0 attempts. The layer above passes it on.
    fn error(self) -> StatusError {
        let Self(reason, rest) = self;
        let seconds = rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
        let mut response = Response::new(Bytes::from_static(
            br#"{"message": "Not sent: no turn in time within the account's limit of calls."}"#,
        ));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, seconds.max(1).into());
        headers.insert(
            CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        );
        let error = StatusError::from_response(response).expect("429 is a failure");
        error.with_attempts(0).with_stop_reason(reason)
    }
}
