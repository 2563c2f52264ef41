//! The layer: all settings.

use std::{sync::Arc, time::Duration};

use tower::Layer;

use crate::{
    policy::{Event, NeverRetry, Observer, RetryPolicy, StandardPolicy},
    service::RevioStatus,
    settings::{Settings, Timer},
    shared::{Budget, Cooldown},
};

/// A layer that turns error responses into typed errors and retries the ones that are safe to retry.
///
/// The defaults:
///
/// | setting | default |
/// |---|---|
/// | [`policy`](Self::policy) | [`StandardPolicy`]: 3 attempts for 503 and 504; jitter plus `Retry-After`, up to 30 s |
/// | [`budget`](Self::budget) | [`Budget`]: a reserve of 100 retries; ten requests earn one |
/// | [`cooldown`](Self::cooldown) | [`Cooldown`]: started by a 429 or 403 with `Retry-After`, for at most 5 min at a time; holds a request for up to 60 s |
/// | [`time_limit`](Self::time_limit) | none |
/// | [`on_event`](Self::on_event) | none |
/// | [`error_body_limit`](Self::error_body_limit), [`error_body_timeout`](Self::error_body_timeout) | 64 KiB, 5 s |
/// | [`replay_body_limit`](Self::replay_body_limit) | 64 KiB |
///
/// A clone is cheap, and shares the budget and the cool-down.
///
/// ```no_run
/// # #[cfg(feature = "tokio")]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use revio_status::{Error, RevioStatusLayer, StatusKind};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// let client = ServiceBuilder::new()
///     .layer(RevioStatusLayer::new().time_limit(Duration::from_secs(30)))
///     .service(Client::builder(TokioExecutor::new()).build_http());
///
/// let request = Request::get("http://localhost:8080/v1/Customers/1001");
/// match client.oneshot(request.body(Full::<Bytes>::default())?).await {
///     Ok(response) => println!("{}", response.status()),
///     Err(Error::Status(e)) if e.kind() == StatusKind::NotFound => println!("no such customer"),
///     Err(e) => return Err(e.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RevioStatusLayer<P = StandardPolicy>(Settings<P>);

impl RevioStatusLayer {
    /// Creates a layer with the defaults, on tokio's clock.
    ///
    /// Requests must be sent within a tokio runtime whose time driver is enabled. Without one, tokio
    /// panics when a request first has to wait: for a retry, for a cool-down, or for an error body.
    ///
    /// ```
    /// use revio_status::RevioStatusLayer;
    ///
    /// let layer = RevioStatusLayer::new();
    /// ```
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub fn new() -> Self {
        Self::with_timer(hyper_util::rt::TokioTimer::new())
    }

    /// Creates a layer with the defaults, on any clock.
    ///
    /// The timer's `now` and `sleep` must follow the same clock: override
    /// [`now`](hyper::rt::Timer::now) if the timer does not follow the system's clock. If a sleep ends a
    /// little early by that clock, the layer sleeps for the remaining time too.
    ///
    /// ```
    /// use revio_status::RevioStatusLayer;
    ///
    /// fn layer(timer: impl hyper::rt::Timer + Send + Sync + 'static) -> RevioStatusLayer {
    ///     RevioStatusLayer::with_timer(timer)
    /// }
    /// ```
    pub fn with_timer(timer: impl hyper::rt::Timer + Send + Sync + 'static) -> Self {
        Self(Settings::new(StandardPolicy::default(), Timer::new(timer)))
    }
}

#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
impl Default for RevioStatusLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> RevioStatusLayer<P> {
    /// Sets the retry policy. Default: [`StandardPolicy`].
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use revio_status::{RevioStatusLayer, StandardPolicy};
    ///
    /// let policy = StandardPolicy::default().retry_unsent();
    /// let layer = RevioStatusLayer::new().policy(policy);
    /// # }
    /// ```
    pub fn policy<Q: RetryPolicy + Clone>(self, policy: Q) -> RevioStatusLayer<Q> {
        RevioStatusLayer(self.0.with_policy(policy))
    }

    /// Switches to typed errors only: no retry, no request held by a cool-down, no cool-down started.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use revio_status::RevioStatusLayer;
    ///
    /// let layer = RevioStatusLayer::new().never_retry();
    /// # }
    /// ```
    pub fn never_retry(self) -> RevioStatusLayer<NeverRetry> {
        self.policy(NeverRetry)
    }

    /// Sets the retry budget. Default: [`Budget::default`], shared by all clones of the layer.
    ///
    /// A retry that waits as long as a cool-down's response asked for is free, once per request.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use revio_status::{Budget, RevioStatusLayer};
    ///
    /// let layer = RevioStatusLayer::new().budget(Budget::new(20, 0.1));
    /// # }
    /// ```
    pub fn budget(mut self, budget: Budget) -> Self {
        self.0.budget = Some(budget);
        self
    }

    /// Disables the retry budget.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use revio_status::RevioStatusLayer;
    ///
    /// let layer = RevioStatusLayer::new().no_budget();
    /// # }
    /// ```
    pub fn no_budget(mut self) -> Self {
        self.0.budget = None;
        self
    }

    /// Sets the cool-down that a 429 or 403 with `Retry-After` starts for all requests. Default:
    /// [`Cooldown::default`], shared by all clones of the layer.
    ///
    /// A [`Cooldown`] in a request's extensions overrides it for that request.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use std::time::Duration;
    /// use revio_status::{Cooldown, RevioStatusLayer};
    ///
    /// let account = Cooldown::new(Duration::from_secs(60));
    /// let customers = RevioStatusLayer::new().cooldown(account.clone());
    /// let payments = RevioStatusLayer::new().cooldown(account);
    /// # }
    /// ```
    pub fn cooldown(mut self, cooldown: Cooldown) -> Self {
        self.0.cooldown = Some(cooldown);
        self
    }

    /// Disables the cool-down. A [`Cooldown`] in a request's extensions still works.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use revio_status::RevioStatusLayer;
    ///
    /// let layer = RevioStatusLayer::new().no_cooldown();
    /// # }
    /// ```
    pub fn no_cooldown(mut self) -> Self {
        self.0.cooldown = None;
        self
    }

    /// Sets a callback for each [`Event`], for metrics. Default: none.
    ///
    /// The callback runs while a request is polled, when `tracing` gets the same event, and must not
    /// block. A second callback replaces the first.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}};
    /// use revio_status::{Event, RevioStatusLayer};
    ///
    /// let retries = Arc::new(AtomicU64::new(0));
    /// let counter = retries.clone();
    /// let layer = RevioStatusLayer::new().on_event(move |event| {
    ///     if let Event::RetryScheduled { .. } = event {
    ///         counter.fetch_add(1, Relaxed);
    ///     }
    /// });
    /// # }
    /// ```
    pub fn on_event(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.0.observer = Some(Observer::new(observer));
        self
    }

    /// Sets how long a request may take, retries and waits included, counted from `call`. Default: no
    /// limit. [`TimeLimit`](crate::TimeLimit) in a request's extensions overrides it for that request.
    ///
    /// The deadline is the instant when the limit ends. No wait starts that would end at or after the
    /// deadline, no attempt starts after it, and an error body is read no longer. If a failed response
    /// arrives after the deadline, only the part of its body already received is kept, so that its message
    /// may be missing.
    ///
    /// An attempt in flight is not cancelled: put a timeout layer below this one for each attempt, or above
    /// for all. Every attempt carries the [`Deadline`](crate::Deadline) extension for layers below.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use std::time::Duration;
    /// use revio_status::RevioStatusLayer;
    ///
    /// let layer = RevioStatusLayer::new().time_limit(Duration::from_secs(30));
    /// # }
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.0.time_limit = Some(limit);
        self
    }

    /// Sets how many bytes of an error body are read and kept. Default: 64 KiB.
    ///
    /// The bytes are copied: the error does not pin the buffers that they arrived in.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use revio_status::RevioStatusLayer;
    ///
    /// let layer = RevioStatusLayer::new().error_body_limit(8 * 1024);
    /// # }
    /// ```
    pub fn error_body_limit(mut self, bytes: usize) -> Self {
        self.0.error_body_limit = bytes;
        self
    }

    /// Sets how long an error body is read, per response. Default: 5 s.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use std::time::Duration;
    /// use revio_status::RevioStatusLayer;
    ///
    /// let layer = RevioStatusLayer::new().error_body_timeout(Duration::from_secs(1));
    /// # }
    /// ```
    pub fn error_body_timeout(mut self, timeout: Duration) -> Self {
        self.0.error_body_timeout = timeout;
        self
    }

    /// Sets how many bytes of a request body are recorded for a resend. Default: 64 KiB.
    ///
    /// A request with a longer body is sent unchanged, and is not resent.
    ///
    /// The bytes are shared, not copied. A chunk pins its whole buffer: 16 bytes of an 8 MiB buffer pin
    /// 8 MiB while the request may be resent. If you send small parts of large buffers, copy them first.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use revio_status::RevioStatusLayer;
    ///
    /// let layer = RevioStatusLayer::new().replay_body_limit(1024 * 1024);
    /// # }
    /// ```
    pub fn replay_body_limit(mut self, bytes: usize) -> Self {
        self.0.replay_body_limit = bytes;
        self
    }
}

/// The inner service must be `Clone`, because a resend uses a clone of it. Put a `buffer` above a service
/// that is not `Clone`, such as tower's `RateLimit`.
///
/// ```compile_fail,E0599
/// use std::time::Duration;
/// use revio_status::RevioStatusLayer;
/// use tower::ServiceBuilder;
///
/// # fn client<S>(client: S) {
/// let client = ServiceBuilder::new()
///     .layer(RevioStatusLayer::new()) // `RateLimit<S>: Clone` is not satisfied
///     .rate_limit(500, Duration::from_secs(60)) // `.buffer(64)` above this line fixes it
///     .service(client);
/// # }
/// ```
impl<S: Clone, P: Clone> Layer<S> for RevioStatusLayer<P> {
    type Service = RevioStatus<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        RevioStatus::new(inner, Arc::new(self.0.clone()))
    }
}
