//! The layer: a quota, and what else a user sets.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use revio_status::Cooldown;
use tokio::time::Instant;
use tower::Layer;

#[cfg(feature = "redis")]
use crate::redis::{Account, Remote};
use crate::{
    queue::{Queue, Turns},
    quota::{DAY, Quota},
    service::Limit,
};

/// Limits the calls of an account: each attempt waits for its turn.
///
/// The layer belongs **below** `RevioStatusLayer`, so that resends count. A concurrency limit belongs
/// above this layer: the inner service is polled for readiness after the turn, and a permit that is
/// taken then would not be waited for.
///
/// | setting | default |
/// |---|---|
/// | [`cooldown`](Self::cooldown) | none |
/// | [`max_wait`](Self::max_wait) | 30 s |
#[cfg_attr(feature = "redis", doc = "| [`shared`](Self::shared) | one process |")]
#[cfg_attr(
    feature = "redis",
    doc = "| [`redis_timeout`](Self::redis_timeout) | 250 ms |"
)]
///
/// A clone shares the turns. A setting holds for the handle on which it was made, and for its later
/// clones.
///
/// ```
/// # use std::convert::Infallible;
/// # use http::{Request, Response};
/// use revio_status::{Cooldown, RevioStatusLayer};
/// use revio_status_limit::{LimitLayer, Quota};
/// use tower::ServiceBuilder;
///
/// # fn client<S>(client: S) -> impl Clone
/// # where S: Clone {
/// let cooldown = Cooldown::default();
/// ServiceBuilder::new()
///     .layer(RevioStatusLayer::new().cooldown(cooldown.clone()))
///     .layer(LimitLayer::new(Quota::per_minute(500)).cooldown(cooldown)) // the same one
///     .service(client)
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct LimitLayer {
    pub(crate) turns: Arc<Shared>,
    pub(crate) settings: Settings,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) quota: Quota,
    pub(crate) cooldown: Option<Cooldown>,
    pub(crate) max_wait: Duration,
    #[cfg(feature = "redis")]
    pub(crate) redis_timeout: Duration,
}

/// State that all clones of a layer share.
pub(crate) struct Shared {
    queue: Mutex<Queue>,
    #[cfg(feature = "redis")]
    pub(crate) remote: Option<Remote>,
}

impl Shared {
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds the lock, except a caller's waker.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LimitLayer {
    /// Creates a limit for one process.
    ///
    /// Calls are spaced evenly. 2 % of the quota stays unused, because the gateway counts calls when
    /// they arrive, in windows whose start is unknown. Up to 1 % of the quota may be made up at once.
    pub fn new(quota: Quota) -> Self {
        let turns = Turns::Paced {
            next: Instant::now(),
            burst: quota.burst(),
        };
        Self {
            turns: Arc::new(Shared {
                queue: Mutex::new(Queue::new(turns, quota.interval())),
                #[cfg(feature = "redis")]
                remote: None,
            }),
            settings: Settings {
                quota,
                cooldown: None,
                max_wait: Duration::from_secs(30),
                #[cfg(feature = "redis")]
                redis_timeout: Duration::from_millis(250),
            },
        }
    }

    /// Sets the cool-down that ends turns: that of the layer above. Default: none.
    ///
    /// While the cool-down lasts, no turn is used. A `Cooldown` in a request's extensions counts
    /// instead. Without this, requests that wait for a turn are sent inside a cool-down that started
    /// meanwhile.
    pub fn cooldown(mut self, cooldown: Cooldown) -> Self {
        self.settings.cooldown = Some(cooldown);
        self
    }

    /// Sets how long an attempt may wait for its turn. Default: 30 s.
    ///
    /// An attempt never waits beyond the `Deadline` in its extensions, which `RevioStatusLayer` sets.
    /// If its turn would come later, the attempt is refused at once. Over Redis, the wait includes the
    /// time until Redis responds: a time of zero refuses every attempt that has to ask.
    ///
    /// # Panics
    ///
    /// If `time` is above a day.
    pub fn max_wait(mut self, time: Duration) -> Self {
        assert!(time <= DAY, "max_wait is {time:?}: at most a day");
        self.settings.max_wait = time;
        self
    }

    /// Shares the turns with other processes over Redis.
    ///
    /// Redis hands out the turns, by its own clock. While Redis is absent, silent, slow or failing,
    /// and until the first connection stands, this process keeps to its own share: the quota divided
    /// by `processes`, the largest number of processes that share the account at once. The layer says
    /// so at WARN, and at INFO when Redis is back. No request waits longer than
    /// [`redis_timeout`](Self::redis_timeout) because of Redis.
    ///
    /// Building never fails and never waits: the connection is made in the background, when the first
    /// request comes. What a process sends until then counts against the quota.
    ///
    /// # Panics
    ///
    /// If `processes` is zero.
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    pub fn shared(mut self, account: &Account, processes: u32) -> Self {
        assert!(processes > 0, "0 processes: at least one");
        let remote = Remote::new(account, self.settings.quota, processes);
        let turns = Turns::Paced {
            next: Instant::now(),
            burst: Duration::ZERO,
        };
        self.turns = Arc::new(Shared {
            queue: Mutex::new(Queue::new(turns, remote.own_interval())),
            remote: Some(remote),
        });
        self
    }

    /// Sets how long Redis may take to book a turn. Default: 250 ms.
    ///
    /// # Panics
    ///
    /// If `time` is zero.
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    pub fn redis_timeout(mut self, time: Duration) -> Self {
        assert!(!time.is_zero(), "redis_timeout is {time:?}: above zero");
        self.settings.redis_timeout = time;
        self
    }

    /// Returns `true` if the last call to Redis succeeded; `false` before the first.
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    pub fn is_shared(&self) -> bool {
        self.turns.remote.as_ref().is_some_and(Remote::is_up)
    }
}

impl<S: Clone> Layer<S> for LimitLayer {
    type Service = Limit<S>;

    fn layer(&self, inner: S) -> Limit<S> {
        Limit::new(self.clone(), inner)
    }
}

/// Shows the settings, and no account or address.
impl fmt::Debug for LimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LimitLayer");
        debug
            .field("quota", &self.settings.quota)
            .field("cooldown", &self.settings.cooldown)
            .field("max_wait", &self.settings.max_wait);
        #[cfg(feature = "redis")]
        debug.field("is_shared", &self.is_shared());
        debug.finish_non_exhaustive()
    }
}
