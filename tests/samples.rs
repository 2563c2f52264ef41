//! Compiles the samples of the README, and of those pages of the guide that need more than the root
//! package's dev-dependencies.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../src/guide/stacks.md")]
struct Stacks;

#[cfg(doctest)]
#[doc = include_str!("../src/guide/processes.md")]
struct Processes;

#[cfg(doctest)]
#[doc = include_str!("../src/guide/compile_errors.md")]
struct CompileErrors;

/// Above the layer redirects can be followed, below it they cannot.
///
/// ```
/// # use bytes::Bytes;
/// # use http_body_util::Full;
/// # use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// # use revio_status::RevioStatusLayer;
/// # use tower::{ServiceBuilder, ServiceExt};
/// # use tower_http::follow_redirect::FollowRedirectLayer;
/// # let client = Client::builder(TokioExecutor::new()).build_http();
/// let stack = ServiceBuilder::new()
///     .layer(FollowRedirectLayer::new())
///     .layer(RevioStatusLayer::new());
/// drop(stack.service(client).oneshot(http::Request::new(Full::<Bytes>::default())));
/// ```
///
/// ```compile_fail
/// # use bytes::Bytes;
/// # use http_body_util::Full;
/// # use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// # use revio_status::RevioStatusLayer;
/// # use tower::{ServiceBuilder, ServiceExt};
/// # use tower_http::follow_redirect::FollowRedirectLayer;
/// # let client = Client::builder(TokioExecutor::new()).build_http();
/// let stack = ServiceBuilder::new()
///     .layer(RevioStatusLayer::new())
///     .layer(FollowRedirectLayer::new());
/// drop(stack.service(client).oneshot(http::Request::new(Full::<Bytes>::default())));
/// ```
#[cfg(doctest)]
struct Redirects;
