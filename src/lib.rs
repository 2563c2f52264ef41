//! A tower middleware for clients of the Rev.io billing REST API.
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
