//! What went wrong, in types: an answer that says no, or no answer at all.
//!
//! - `status`: the table of statuses and their kinds.
//! - `status_error`: a failed answer, with all that was learned about it.
//! - `fields`: the header fields of a failed answer, kept and served.
//! - `service_error`: no answer, with all that was learned about that.
//! - `outcome`: how the request ended, which both kinds of error tell.
//! - `error`: what a failed call returns, and how to find it below other errors.
//! - `chain`: the sources of an error, one after the other.
//! - `unsent`: errors that say that nothing was sent, or that an answer was lost.
//! - `message`: the line that a person would read in a failed body.
//! - `status_line`: the status in a message, which `Display` shows once.
//! - `retry_after`: how long the server asked to be left alone.
//! - `stop_reason`: why a request was not sent again.
//! - `classify`: the same verdicts for tower-http's middleware.

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
mod status_line;
mod stop_reason;
mod unsent;

pub use self::{
    error::{BoxError, Error},
    outcome::FailedAttempt,
    service_error::ServiceError,
    status::StatusKind,
    status_error::StatusError,
    stop_reason::StopReason,
};
pub(crate) use self::{
    outcome::History,
    retry_after::retry_after,
    status::may_be_applied,
    unsent::{BodyError, is_lost, is_unsent},
};
