//! Bodies: a request's body is recorded for a resend while it streams; an error body is read and kept.
//!
//! - `replay`: the request body that the inner service receives.
//! - `tape`: the recording, and which attempt may read it.
//! - `capture`: reads an error body, within its limits.

mod capture;
mod replay;
mod tape;

pub use self::replay::ReplayBody;
pub(crate) use self::{
    capture::{Capture, Captured},
    tape::{Reader, Tape},
};
