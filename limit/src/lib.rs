//! An account's limit of calls, as a tower layer below [`revio_status::RevioStatusLayer`]: in one
//! process, or in many over Redis.
//!
//! ```
//! # fn client<S: Clone>(client: S) -> impl Clone {
//! use revio_status::{Cooldown, RevioStatusLayer};
//! use revio_status_limit::{LimitLayer, Quota};
//! use tower::ServiceBuilder;
//!
//! let cooldown = Cooldown::default();
//! ServiceBuilder::new()
//!     .layer(RevioStatusLayer::new().cooldown(cooldown.clone()))
//!     .layer(LimitLayer::new(Quota::per_minute(500)).cooldown(cooldown))
//!     .service(client)
//! # }
//! ```
//!
//! - The limit belongs below `RevioStatusLayer`, so that resends count. Both layers need the same
//!   [`Cooldown`](revio_status::Cooldown): requests that wait for a turn must not be sent inside it.
//! - Calls are spaced evenly, at 98 % of the quota. There is no task and no queue to size, and no
//!   runtime is needed until a request has to wait, on tokio's clock.
//! - A request waits at most [`max_wait`](LimitLayer::max_wait), and not beyond its deadline. If its turn
//!   would come later, the request is refused at once: a 429 that says when to come back, not sent and not
//!   applied.
//! - A concurrency limit belongs above this layer.
//!
//! # Many processes (feature `redis`)
//!
//! `LimitLayer::shared` lets a script in Redis hand out the turns, by Redis' clock. `CooldownSync` passes
//! a cool-down on to the other processes. Without Redis, each process keeps to its own share.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod layer;
mod queue;
mod quota;
#[cfg(feature = "redis")]
mod redis;
mod service;
mod wait;

#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::redis::{Account, CooldownSync};
pub use self::{
    layer::LimitLayer,
    quota::Quota,
    service::{Limit, ResponseFuture},
};
