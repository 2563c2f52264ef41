//! What went wrong, in types: an answer that says no, or no answer at all.
//!
//! - `status`: the table of statuses and their kinds.
//! - `status_error`: a failed answer, with all that was learned about it.
//! - `error`: what a failed call returns, and how to find it below other errors.
//! - `message`: the line that a person would read in a failed body.
//! - `retry_after`: how long the server asked to be left alone.
//! - `stop_reason`: why a request was not sent again.
//! - `classify`: the same verdicts for tower-http's middleware.

#[cfg(feature = "tower-http")]
pub mod classify;
mod error;
mod message;
mod retry_after;
mod status;
mod status_error;
mod stop_reason;

pub(crate) use self::retry_after::retry_after;
pub use self::{
    error::{BoxError, Error},
    status::StatusKind,
    status_error::StatusError,
    stop_reason::StopReason,
};
