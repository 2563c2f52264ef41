//! One request: the order of its steps, what is kept of it, and how it ends.
//!
//! From the top down; a file uses only files below it:
//!
//! - `future`: the order of the steps. It decides nothing.
//! - `call`: what is known of any request; what follows a response, an error, or a stop.
//! - `resend`: what is kept to send a request again, and whether it is sent again.
//! - `hold`: waiting for a cool-down, or refusing to.
//! - `head`: method, URI and headers, as kept.
//! - `report`: each event in one place, to `tracing` and to `on_event`.

mod call;
mod future;
mod head;
mod hold;
mod report;
mod resend;

pub(crate) use self::call::Call;
pub use self::future::ResponseFuture;

/// Unreachable, unless the future is polled after completion.
#[cfg_attr(
    not(test),
    expect(clippy::panic, reason = "as the standard library's futures do")
)]
fn completed() -> ! {
    panic!("ResponseFuture polled after completion")
}
