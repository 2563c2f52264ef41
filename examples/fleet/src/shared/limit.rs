//! An account's limit of calls, shared by all its processes over Redis.
//!
//! A tower layer for the place **below** `RevioStatusLayer`, so that resends count. Each attempt waits
//! for its turn. Turns are handed out by a script in Redis, by Redis' clock: one at a time, evenly
//! spaced (the generic cell rate algorithm). A process books its next turn when it has used the last
//! one, so those that have something to send take turns, and those that have nothing cost nothing.
//!
//! # When Redis fails
//!
//! A process falls back to its own share of the limit, says so once at WARN, and looks for Redis
//! once a second while it has something to send. No request fails because Redis does, and none waits
//! for it longer than [`Settings::answer`].

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use revio_status::{BoxError, Cooldown, ResendCount, StatusError, StopReason, TimeLimit};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout_at},
};
use tower::{Layer, Service, ServiceExt};

use super::{
    Account,
    turns::{TooLong, Turns},
};

pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// What all processes of an account agree on, and what one is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's limit: so many calls in each `per`. Two at least.
    pub calls: u32,
    pub per: Duration,
    /// The most processes that ever share it at once. It counts only while Redis is not there: with
    /// more of them their own shares are more than the limit.
    pub processes: u32,
    /// How long an attempt may wait for its turn. Its request's deadline may come before: see [`due_in`].
    pub max_wait: Duration,
    /// How long Redis may take. A process waits for so long, once, when Redis falls silent; then it does
    /// not ask.
    pub answer: Duration,
    /// The one of the layer above. While it lasts no turn is booked, and none is used.
    pub cooldown: Cooldown,
}

impl Settings {
    /// 500 calls a minute, waits of 30 s at most, and 250 ms for Redis.
    pub fn new(processes: u32, cooldown: Cooldown) -> Self {
        Self {
            calls: 500,
            per: Duration::from_secs(60),
            processes,
            max_wait: Duration::from_secs(30),
            answer: Duration::from_millis(250),
            cooldown,
        }
    }

    fn check(&self) {
        let Self {
            calls,
            per,
            processes,
            max_wait,
            answer,
            ..
        } = self;
        assert!(*calls > 1, "{calls} calls: two at least");
        assert!(*per <= DAY, "calls per {per:?}: a day at most");
        let interval = self.interval();
        assert!(
            interval >= Duration::from_micros(1),
            "{calls} calls per {per:?}, one in {interval:?}: one in a microsecond at most"
        );
        assert!(!answer.is_zero(), "an answer in {answer:?}: more than that");
        assert!(*processes > 0, "{processes} processes: one at least");
        assert!(*max_wait <= DAY, "a wait of {max_wait:?}: a day at most");
    }

    /// Between two calls of the account. The gateway counts calls when they arrive, not when they are
    /// sent, in minutes that begin nobody knows when: 2 % of the limit are left for that.
    pub(super) fn interval(&self) -> Duration {
        self.per / (self.calls - self.calls.div_ceil(50))
    }

    /// Turns that nobody took can be made up for, up to 1 % of the limit at once.
    pub(super) fn burst(&self) -> Duration {
        self.interval() * (self.calls / 100)
    }

    /// Between two calls of a process that is on its own.
    pub(super) fn own_interval(&self) -> Duration {
        self.interval() * self.processes
    }
}

/// The layer. A clone is the same limit.
#[derive(Clone)]
pub struct Limit(Arc<Inner>);

struct Inner {
    settings: Settings,
    turns: Arc<Turns>,
    /// First come, first served. If a request goes away the next one has its turn.
    queue: Arc<Mutex<Option<Instant>>>,
    waiting: AtomicU32,
}

impl Limit {
    /// Without Redis: a fixed share for each process.
    pub fn own(settings: Settings) -> Self {
        settings.check();
        Self::new(Turns::own(settings.clone()), settings)
    }

    /// Over Redis. If it is not there the limit begins with the process's own share.
    pub async fn shared(settings: Settings, account: &Account) -> Self {
        settings.check();
        Self::new(Turns::shared(settings.clone(), account).await, settings)
    }

    fn new(turns: Turns, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            turns: Arc::new(turns),
            queue: Arc::default(),
            waiting: AtomicU32::new(0),
        }))
    }

    /// Whether Redis answers. If not, this process keeps to its own share.
    pub fn is_shared(&self) -> bool {
        self.0.turns.is_shared()
    }
}

impl Inner {
    /// Waits for a turn, if there is one until then.
    async fn turn(&self, end: Instant) -> Result<(), Refused> {
        self.refuse_if_quiet_beyond(end)?;
        let place = Place::behind(&self.waiting);
        let at_best = self.settings.interval() * place.ahead;
        if Instant::now() + at_best > end {
            return Err(Refused::late(at_best));
        }
        timeout_at(end, self.wait(end))
            .await
            .unwrap_or(Err(Refused::late(at_best)))
    }

    async fn wait(&self, end: Instant) -> Result<(), Refused> {
        let mut queue = self.queue.clone().lock_owned().await;
        loop {
            self.refuse_if_quiet_beyond(end)?;
            if let Some(until) = self.quiet_until() {
                sleep_until(until).await;
                continue;
            }
            let now = Instant::now();
            let is_over = |turn: Instant| turn + self.settings.interval() <= now;
            if queue.is_none_or(is_over) {
                let longest = end.saturating_duration_since(now);
                queue = self.turns.book(queue, longest).await?;
            }
            if let Some(turn) = queue.filter(|turn| *turn > Instant::now()) {
                if turn > end {
                    return Err(Refused::late(turn.saturating_duration_since(now))); // left, or slow
                }
                sleep_until(turn).await;
            }
            *queue = None;
            if self.quiet_until().is_none() {
                return Ok(());
            }
        }
    }

    fn refuse_if_quiet_beyond(&self, end: Instant) -> Result<(), Refused> {
        match self.quiet_until() {
            Some(until) if until > end => {
                let rest = until.saturating_duration_since(Instant::now());
                Err(Refused(StopReason::CoolingDown, rest))
            }
            _ => Ok(()),
        }
    }

    fn quiet_until(&self) -> Option<Instant> {
        let until = self.settings.cooldown.until()?.into();
        (until > Instant::now()).then_some(until)
    }
}

/// When a request's deadline is over.
#[derive(Clone, Copy)]
struct Due(Instant);

/// For `map_request` **above** `RevioStatusLayer`, with the deadline that is set there. A request's
/// [`TimeLimit`], or else that one, becomes an instant, and a resend waits for its turn no longer than
/// until then. Without this it counts anew for each resend, and the one set there does not count.
pub fn due_in<B>(deadline: Duration) -> impl Fn(Request<B>) -> Request<B> + Clone {
    move |mut request| {
        let extensions = request.extensions_mut();
        let deadline = extensions.get().map_or(deadline, |TimeLimit(own)| *own);
        let due = Instant::now().checked_add(deadline).map(Due);
        due.map(|due| extensions.insert(due));
        request
    }
}

fn due<B>(request: &Request<B>) -> Option<Instant> {
    let extensions = request.extensions();
    match extensions.get() {
        Some(Due(due)) => Some(*due),
        None => Instant::now().checked_add(extensions.get::<TimeLimit>()?.0),
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

/// Why a request gets no turn, and for how long.
struct Refused(StopReason, Duration);

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
            let end = Instant::now() + limit.settings.max_wait;
            let end = due(&request).map_or(end, |due| due.min(end));
            let sent = request.extensions().get().map_or(0, |ResendCount(n)| *n);
            if let Err(refused) = limit.turn(end).await {
                return Err(refused.error().with_attempts(sent).into());
            }
            service.oneshot(request).await.map_err(Into::into)
        })
    }
}

impl From<TooLong> for Refused {
    fn from(TooLong(time): TooLong) -> Self {
        Self::late(time)
    }
}

impl Refused {
    fn late(time: Duration) -> Self {
        Self(StopReason::DeadlineExceeded, time)
    }

    /// As the gateway would say it. The layer above passes it on.
    fn error(self) -> StatusError {
        let Self(reason, rest) = self;
        let seconds = rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
        let mut response = Response::new(Bytes::from_static(
            br#"{"message": "Not sent: no turn in time within the account's limit of calls."}"#,
        ));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, seconds.max(1).into());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let error = StatusError::from_response(response).expect("429 is a failure");
        error.with_stop_reason(reason)
    }
}
