//! Error types: a failed response, or no response.
//!
//! - `status`: the table of statuses and their kinds.
//! - `status_error`: a failed response.
//! - `fields`: the header fields of a failed response, as kept and as served.
//! - `service_error`: no response.
//! - `outcome`: attempts, stop reason and history, shared by both errors.
//! - `error`: either of the two; finds a `StatusError` below other errors.
//! - `chain`: the source chain of an error.
//! - `unsent`: errors of unsent attempts, and transient errors.
//! - `message`: the server's message in an error body.
//! - `retry_after`: the wait that the server asked for.
//! - `stop_reason`: why a request was not sent again.
//! - `classify`: the classifier for tower-http's middleware.

mod chain;
#[cfg(feature = "tower-http")]
pub mod classify;
mod error;
mod fields;
mod message;
mod outcome;
mod retry_after;
mod service_error;
mod status;
mod status_error;
mod stop_reason;
mod unsent;

pub use self::{
    error::{BoxError, Error},
    outcome::PreviousAttempt,
    service_error::ServiceError,
    status::StatusKind,
    status_error::StatusError,
    stop_reason::StopReason,
};
pub(crate) use self::{
    outcome::History,
    retry_after::retry_after,
    status::may_be_applied,
    unsent::{BodyError, is_transient, is_unsent},
};
