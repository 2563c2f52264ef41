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
//! | status | result | retried |
//! |---|---|---|
//! | 1xx, 2xx, 3xx | `Ok`: the inner service's response, untouched | |
//! | 503, 504 | [`Error::Status`] | yes, if the request may be sent twice |
//! | all others from 400 to 999 | [`Error::Status`] | where you name them ([`StandardPolicy::retry_on`]) |
//! | no answer | [`Error::Service`]: the inner service's error | no: that is its own business |
//!
//! A redirect is not a failure: where nothing above follows it, it comes back as `Ok`.
//!
//! A [`StatusError`] has a [`StatusKind`], what the server said
//! ([`message`](StatusError::message), [`body`](StatusError::body),
//! [`headers`](StatusError::headers)), when to come back
//! ([`retry_after`](StatusError::retry_after)), and why the request was not sent again
//! ([`StopReason`]). [`StatusError::find`] digs it out of the errors of other layers.
//!
//! # What is retried
//!
//! 503 and 504, if the request may reach the server twice: GET, HEAD, OPTIONS, TRACE, PUT, DELETE
//! ([RFC 9110 §9.2.2]), and what you mark with [`Idempotent`]. At most 3 attempts, never earlier
//! than `Retry-After` asks for, within a [`Budget`] that all requests of a layer share.
//! [`StopReason`] lists the questions in the order in which they are asked.
//!
//! # Why not my POST?
//!
//! A 504 says that a gateway grew tired of waiting, not that the work was not done: a payment may
//! have been posted. So a POST is sent once, and the error tells whether to look before sending it
//! again:
//!
//! ```
//! # use revio_status::Error;
//! fn is_safe_to_repeat(error: &Error) -> bool {
//!     !error.may_have_been_applied()
//! }
//! ```
//!
//! Where you know that repeating one does no harm, such as a search, say so:
//!
//! ```
//! # use http::Request;
//! # use revio_status::Idempotent;
//! let search = Request::post("http://localhost:8080/v1/Search").extension(Idempotent(true));
//! ```
//!
//! # How do I tune it?
//!
//! [`RevioStatusLayer`] lists all settings with their defaults, [`StandardPolicy`] those of the
//! retries. [`RevioStatusLayer::never_retry`] leaves just the typed errors. For decisions of your
//! own there are [`RetryPolicy`] and [`policy_fn`].
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # fn example() {
//! use std::time::Duration;
//! use http::StatusCode;
//! use revio_status::{RevioStatusLayer, StandardPolicy};
//!
//! let policy = StandardPolicy::default()
//!     .max_attempts(5)
//!     .retry_on(StatusCode::TOO_MANY_REQUESTS);
//! let layer = RevioStatusLayer::new()
//!     .policy(policy)
//!     .deadline(Duration::from_secs(90));
//! # }
//! ```
//!
//! # In what order do I stack?
//!
//! Above this layer goes what belongs to a request as a whole, below it what belongs to each
//! attempt:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # fn example<S>(client: S) -> impl tower::Service<
//! #     http::Request<String>, Response = http::Response<String>, Error = tower::BoxError,
//! # > where
//! #     S: tower::Service<
//! #         http::Request<revio_status::ReplayBody<String>>, Response = http::Response<String>,
//! #     > + Send + 'static,
//! #     S::Error: Into<tower::BoxError> + Send + Sync + 'static,
//! #     S::Future: Send + 'static,
//! # {
//! use std::time::Duration;
//! use revio_status::RevioStatusLayer;
//! use tower::ServiceBuilder;
//!
//! ServiceBuilder::new()
//!     .timeout(Duration::from_secs(60)) // over all attempts and waits
//!     .layer(RevioStatusLayer::new().deadline(Duration::from_secs(30)))
//!     .buffer(64) // makes what is below `Clone`
//!     .rate_limit(500, Duration::from_secs(60)) // the API's own limit: resends count
//!     .timeout(Duration::from_secs(20)) // for each attempt
//!     .service(client)
//! # }
//! ```
//!
//! - The inner service must be `Clone`: a resend uses a clone of it. Any limit below is free again
//!   while a request waits for its retry. A buffer is always ready: how long a request waits in it
//!   for its turn is not seen by the deadline, and the timeout over all ends it.
//! - The inner service sees [`ReplayBody`] as the request's body, and [`ResendCount`] in the
//!   extensions of each resend.
//! - Decompression belongs below, so that messages can be read; following redirects above.
//! - The body of a success is not read here: if it breaks off, that is its reader's to handle.
//! - One of these layers is enough. What reaches the outer of two is an error already, and errors
//!   are not retried.
//!
//! # What do I log?
//!
//! Any of the errors: no `Display` or `Debug` of this crate shows a credential, a header or a
//! query, and a server's message is made safe to print. With a `tracing` subscriber, target
//! `revio_status`, each retry is an event at DEBUG, each request given up one at WARN. For a span
//! per attempt put tower-http's `TraceLayer` below, with `classify::StatusClassifier` (feature
//! `tower-http`).
//!
//! # How do I test?
//!
//! A `tower::service_fn` can stand in for the API, and on tokio's paused clock the waits take no
//! time:
//!
//! ```
//! # #[cfg(feature = "tokio")] {
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use revio_status::{BoxError, ReplayBody, ResendCount, RevioStatusLayer};
//! use tower::{Layer, ServiceExt};
//!
//! // In a test: #[tokio::test(start_paused = true)]
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() -> Result<(), BoxError> {
//!     let api = tower::service_fn(|request: Request<ReplayBody<Full<Bytes>>>| {
//!         let is_resend = request.extensions().get::<ResendCount>().is_some();
//!         let status = if is_resend { 200 } else { 503 };
//!         async move { Response::builder().status(status).body(Full::<Bytes>::default()) }
//!     });
//!     let client = RevioStatusLayer::new().layer(api);
//!     let request = Request::get("http://localhost/v1/Bills").body(Full::default())?;
//!     assert_eq!(client.oneshot(request).await?.status(), 200);
//!     Ok(())
//! }
//! # main().unwrap() }
//! ```
//!
//! A policy of your own is a pure function: [`Attempt::new`] makes what it is asked about.
//!
//! # How much does it cost?
//!
//! Of a request that may not be sent twice nothing is kept: no allocation, no clone of the inner
//! service and, without a deadline, no look at the clock. Of any other a list of its headers, a
//! clone of the inner service, and up to 64 KiB of the body as it streams, shared and not copied:
//! two allocations, one more for each header's value or own name that was made for this request
//! alone, three for a body, and those of a clone of its extensions. No timer and no event is made
//! unless a request fails. Over hyper-util's client the future has 160 bytes. `cargo bench --bench
//! table` counts instructions beside those of other middleware.
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
    failure::{BoxError, Error, StatusError, StatusKind, StopReason},
    layer::RevioStatusLayer,
    policy::{
        Attempt, Backoff, Decision, Idempotent, NeverRetry, PolicyFn, ResendCount, RetryPolicy,
        StandardPolicy, policy_fn,
    },
    request::ResponseFuture,
    service::RevioStatus,
    shared::Budget,
};
