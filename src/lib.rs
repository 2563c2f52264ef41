//! Tower middleware for HTTP clients of the Rev.io billing API. It turns error responses into typed
//! errors and retries the ones that are safe to retry. Unofficial; not affiliated with Rev.io.
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
//! | status | result | retried |
//! |---|---|---|
//! | 1xx, 2xx, 3xx | `Ok`: the inner service's response, untouched | |
//! | 503, 504 | [`Error::Status`] | yes, if the request is idempotent |
//! | all others from 400 to 999 | [`Error::Status`] | opt-in ([`StandardPolicy::retry_on`]) |
//! | no response | [`Error::Service`], with the inner service's error as its source | opt-in ([`StandardPolicy::retry_unsent`], [`StandardPolicy::retry_transient`]) |
//!
//! [`StandardPolicy`] is the default policy. A redirect is not a failure: if no layer above follows it, the
//! caller gets it as `Ok`.
//!
//! A [`StatusError`] has a [`StatusKind`], the response's [`message`](StatusError::message),
//! [`body`](StatusError::body) and [`headers`](StatusError::headers), the wait that the server asked for
//! ([`retry_after`](StatusError::retry_after)), and the [`StopReason`] of the retries.
//! [`StatusError::find`] finds a `StatusError` below the errors of other layers.
//!
//! # What is retried
//!
//! 503 and 504, if the request is idempotent: GET, HEAD, OPTIONS, TRACE, PUT, DELETE
//! ([RFC 9110 §9.2.2]), and requests that you mark with [`Idempotent`]. At most 3 attempts, never earlier
//! than `Retry-After`, within a [`Budget`] that all requests of a layer share. [`StopReason`] lists the
//! conditions in the order in which they are checked.
//!
//! By default a POST is sent once: after a 504 the payment may still have been posted.
//! [`Error::may_have_been_applied`] tells you whether to check before you send the request again.
//! [`guide::why_not_my_post`] lists the failures after which the layer may resend a POST.
//!
//! A 429 or 403 with `Retry-After` starts a [`Cooldown`]: until it ends, the layer sends no
//! request. [`guide::cool_down`] explains which requests are held, and which are refused.
//!
//! # Where to read on
//!
//! [`RevioStatusLayer`] lists all settings with their defaults, [`StandardPolicy`] the settings of the
//! retries. The [`guide`] explains the rest:
//!
//! - [`guide::stacks`]: the order of layers, a production client, reqwest, axum, any runtime.
//! - [`guide::why_not_my_post`]: which requests are resent after which failure.
//! - [`guide::errors`]: what to do about each error, and how to match it above other layers.
//! - [`guide::choosing`]: retry settings. [`guide::cool_down`]: what a 429 does to its account.
//! - [`guide::processes`]: several processes that share one account.
//! - [`guide::observing`]: logs, traces and metrics. [`guide::testing`]: tests that do not wait.
//! - [`guide::cost`], [`guide::compile_errors`], and how other crates [compare](guide::compared).
//!
//! # Features
//!
//! - `tokio` (default): `RevioStatusLayer::new`, on tokio's clock. Without it,
//!   [`RevioStatusLayer::with_timer`] takes any [`hyper::rt::Timer`].
//! - `hyper-util` (default): recognises connect errors of hyper-util's client, also inside reqwest's
//!   errors, as "request not sent".
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
// Nothing that comes over a wire or in a request may panic. Settings are refused by `assert!`.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable
    )
)]

mod body;
mod failure;
pub mod guide;
mod layer;
#[cfg(all(test, revio_loom))]
mod models;
mod policy;
mod request;
mod service;
mod settings;
mod shared;

#[cfg(feature = "tower-http")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower-http")))]
pub use self::failure::classify;
pub use self::{
    body::ReplayBody,
    failure::{
        BoxError, Error, PreviousAttempt, ServiceError, StatusError, StatusKind, StopReason,
    },
    layer::RevioStatusLayer,
    policy::{
        Attempt, Backoff, Deadline, Decision, Event, Idempotent, MaxAttempts, NeverRetry, PolicyFn,
        Resend, ResendCount, RetryPolicy, StandardPolicy, TimeLimit, policy_fn,
    },
    request::ResponseFuture,
    service::RevioStatus,
    shared::{Budget, Cooldown},
};
