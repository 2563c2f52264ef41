//! The layer: what a user sets, and where.

use std::{sync::Arc, time::Duration};

use tower::Layer;

use crate::{
    policy::{Event, NeverRetry, Observer, RetryPolicy, StandardPolicy},
    service::RevioStatus,
    settings::{Settings, Timer},
    shared::{Budget, Cooldown},
};

/// Turns failed statuses into typed errors and retries those that may be retried.
///
/// The defaults:
///
/// | setting | default |
/// |---|---|
/// | [`policy`](Self::policy) | [`StandardPolicy`]: 3 attempts; 503 and 504; `Retry-After` up to 30 s, plus jitter |
/// | [`budget`](Self::budget) | [`Budget`]: 100 retries in reserve, one earned by ten requests |
/// | [`cooldown`](Self::cooldown) | [`Cooldown`]: armed by 429 and the quota's 403 for at most 5 min at a time; requests are held for up to 60 s |
/// | [`deadline`](Self::deadline) | none |
/// | [`on_event`](Self::on_event) | none |
/// | [`error_body_limit`](Self::error_body_limit), [`error_body_timeout`](Self::error_body_timeout) | 64 KiB, 5 s |
/// | [`replay_body_limit`](Self::replay_body_limit) | 64 KiB |
///
/// A clone is cheap and shares the budget and the cool-down.
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
    /// A layer with the defaults, on tokio's clock.
    ///
    /// Requests must be sent within a tokio runtime whose time driver is enabled. Tokio panics
    /// where it is missing, but only when a request first has to wait: for a retry, or for the
    /// body of a failed response.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub fn new() -> Self {
        Self::with_timer(hyper_util::rt::TokioTimer::new())
    }

    /// A layer with the defaults, on any clock.
    ///
    /// The layer asks the timer for `now` and `sleep`. Both must tell the same time: override
    /// [`now`](hyper::rt::Timer::now) where the timer does not follow the system's clock. Where a
    /// sleep ends a little too early by that clock, the rest of it is slept as well.
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
    /// Sets who decides about retries. Default: [`StandardPolicy`].
    pub fn policy<Q: RetryPolicy + Clone>(self, policy: Q) -> RevioStatusLayer<Q> {
        RevioStatusLayer(self.0.with_policy(policy))
    }

    /// Sends every request once: typed errors alone. Nothing is kept, held or armed.
    pub fn never_retry(self) -> RevioStatusLayer<NeverRetry> {
        self.policy(NeverRetry)
    }

    /// Sets the allowance for retries. Default: [`Budget::default`], one for all clones of a layer.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.0.budget = Some(budget);
        self
    }

    /// Lets every request be retried as often as the policy says, whatever the others do.
    pub fn no_budget(mut self) -> Self {
        self.0.budget = None;
        self
    }

    /// Sets what one answer that asks for quiet arms for all requests. Default:
    /// [`Cooldown::default`], one for all clones of a layer.
    ///
    /// A [`Cooldown`] in a request's extensions takes its place for that request.
    pub fn cooldown(mut self, cooldown: Cooldown) -> Self {
        self.0.cooldown = Some(cooldown);
        self
    }

    /// Lets every request be sent whatever others were told.
    pub fn no_cooldown(mut self) -> Self {
        self.0.cooldown = None;
        self
    }

    /// Tells this closure what happens to requests, for metrics: see [`Event`]. Default: none.
    ///
    /// It runs while a request is polled, at the moments of the events that `tracing` gets, and must
    /// not block. A second closure replaces the first.
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

    /// Sets how long a request may go on being retried, counted from `call`. Default: no end.
    /// [`TimeLimit`](crate::TimeLimit) in a request's extensions says otherwise for that request.
    ///
    /// No wait begins that would end at the deadline or after it, a failed body is read no longer
    /// than to it, and no attempt starts after it. An attempt on its way is not cut off: put a
    /// timeout layer below this one for each attempt, or above it for all. Of a failure that
    /// arrives after the deadline only the body's part that is already here is kept, and so its
    /// message may be missing.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.0.time_limit = Some(limit);
        self
    }

    /// Sets how many bytes of a failed response's body are read. Default: 64 KiB.
    ///
    /// They are copied out: the error holds none of the buffers that they came in.
    pub fn error_body_limit(mut self, bytes: usize) -> Self {
        self.0.error_body_limit = bytes;
        self
    }

    /// Sets how long a failed response's body is read. Default: 5 s.
    pub fn error_body_timeout(mut self, timeout: Duration) -> Self {
        self.0.error_body_timeout = timeout;
        self
    }

    /// Sets how many bytes of a request's body are kept for a resend. Default: 64 KiB.
    ///
    /// A longer body is sent as it is, once.
    ///
    /// The bytes are shared with you, not copied. A chunk keeps the whole buffer that it is a part of,
    /// which `Bytes` cannot tell: 16 bytes cut from 8 MiB keep 8 MiB, as long as the request may be sent
    /// again. Where you send small parts of large buffers, copy them first.
    pub fn replay_body_limit(mut self, bytes: usize) -> Self {
        self.0.replay_body_limit = bytes;
        self
    }
}

/// The service must be `Clone`, because a resend uses a clone of it. What is not, such as tower's
/// `RateLimit`, goes below a `buffer`.
///
/// ```compile_fail,E0599
/// use std::time::Duration;
/// use revio_status::RevioStatusLayer;
/// use tower::ServiceBuilder;
///
/// # fn client<S>(client: S) {
/// let client = ServiceBuilder::new()
///     .layer(RevioStatusLayer::new()) // `RateLimit<S>: Clone` is not satisfied
///     .rate_limit(500, Duration::from_secs(60)) // `.buffer(64)` above this line mends it
///     .service(client);
/// # }
/// ```
impl<S: Clone, P: Clone> Layer<S> for RevioStatusLayer<P> {
    type Service = RevioStatus<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        RevioStatus::new(inner, Arc::new(self.0.clone()))
    }
}
