//! Middleware that turns failed answers of the Rev.io billing REST API into typed errors and
//! retries those that may be retried.
//!
//! [`RevioStatusLayer`] wraps any `tower::Service` that takes an [`http::Request`] and returns an
//! [`http::Response`].
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn example() -> Result<(), revio_status::BoxError> {
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use revio_status::{Error, RevioStatusLayer, StatusKind};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! let client = ServiceBuilder::new()
//!     .layer(RevioStatusLayer::new())
//!     .service(Client::builder(TokioExecutor::new()).build_http());
//!
//! let request = Request::get("http://localhost:8080/v1/Customers/1001");
//! match client.oneshot(request.body(Full::<Bytes>::default())?).await {
//!     Ok(response) => println!("found: {}", response.status()),
//!     Err(Error::Status(e)) if e.kind() == StatusKind::NotFound => println!("no such customer"),
//!     Err(e) => return Err(e.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What happens to each status
//!
//! 1xx, 2xx and 3xx pass untouched. 400 and above become [`Error::Status`] with a [`StatusKind`],
//! what the server said, and why the request was not sent again ([`StopReason`]). Where no answer
//! came, the error is [`Error::Service`].
//!
//! # What is retried
//!
//! 503 and 504, if the request may reach the server twice: GET, HEAD, OPTIONS, TRACE, PUT, DELETE
//! ([RFC 9110 §9.2.2]), and what you mark with [`Idempotent`]. At most 3 attempts, never earlier
//! than `Retry-After` asks for, within a [`Budget`] that all requests of a layer share.
//!
//! A POST is sent once. A 504 does not say that its work was not done; look at
//! [`Error::may_have_been_applied`] before you send it again.
//!
//! # Tuning
//!
//! [`RevioStatusLayer`] lists all settings with their defaults, [`StandardPolicy`] those of the
//! retries. For decisions of your own there are [`RetryPolicy`] and [`policy_fn`].
//!
//! # Order of layers
//!
//! Below this layer goes what belongs to each attempt (timeouts, limits, spans, decompression),
//! above it what belongs to the request as a whole. The inner service must be `Clone`, and sees
//! [`ReplayBody`] as the request's body and [`ResendCount`] in the extensions of each resend.
//!
//! # Cost
//!
//! Of a request that may not be sent twice nothing is kept. Of any other a copy of the head, a
//! clone of the inner service, and up to 64 KiB of the body as it streams. No timer is made unless
//! a request fails.
//!
//! # Features
//!
//! - `tokio` (default): `RevioStatusLayer::new`, on tokio's clock. Without it,
//!   [`RevioStatusLayer::with_timer`] takes any [`hyper::rt::Timer`].
//! - `json` (default): messages from JSON bodies, and `StatusError::json`.
//! - `tower-http`: `classify::StatusClassifier`, for tower-http's `TraceLayer`.
//!
//! [RFC 9110 §9.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::dbg_macro,
    clippy::todo,
    clippy::unwrap_used
)]

mod attempt;
mod backoff;
mod budget;
mod capture;
#[cfg(feature = "tower-http")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower-http")))]
pub mod classify;
mod error;
mod extensions;
mod future;
mod layer;
mod message;
mod policy;
mod replay;
mod retry_after;
mod service;
mod session;
mod settings;
mod status;
mod status_error;
mod stop_reason;
mod tape;
mod trace;

pub use self::{
    attempt::Attempt,
    backoff::Backoff,
    budget::Budget,
    error::{BoxError, Error},
    extensions::{Idempotent, ResendCount},
    future::ResponseFuture,
    layer::RevioStatusLayer,
    policy::{Decision, NeverRetry, PolicyFn, RetryPolicy, StandardPolicy, policy_fn},
    replay::ReplayBody,
    service::RevioStatus,
    status::StatusKind,
    status_error::StatusError,
    stop_reason::StopReason,
};

/// Compiles what the README shows.
#[cfg(all(doctest, feature = "tokio", feature = "json"))]
#[doc = include_str!("../README.md")]
struct Readme;
