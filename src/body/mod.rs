//! Bodies: a request's is recorded while it streams, so that it can be sent again; a failed
//! response's is read and kept.
//!
//! - `replay`: the request body that the inner service receives.
//! - `tape`: the recording, and which attempt may read it.
//! - `capture`: the body of a failed response, within its limits.

mod capture;
mod replay;
mod tape;

pub use self::replay::ReplayBody;
pub(crate) use self::{
    capture::{Capture, Captured},
    tape::{Reader, Tape},
};
