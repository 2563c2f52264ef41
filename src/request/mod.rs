//! One request on its way: which step comes next, whether it goes on or stops, and what is told of
//! it.
//!
//! - `future`: the order of the steps, and nothing else.
//! - `kept`: what is kept of a request, and how it ends.
//! - `session`: a request that may be sent again: go or stop.
//! - `held`: a request that was not sent yet, because its account is to be quiet.
//! - `quiet`: it arms the account's cool-down, and waits for it.
//! - `hold`: how long that lasts, or why the request is refused.
//! - `pause`: a delay or a hold.
//! - `head`: method, URI and headers, as they are kept and sent again.
//! - `trace`: what is told to `tracing`.

mod future;
mod head;
mod held;
mod hold;
mod kept;
mod pause;
mod quiet;
mod session;
mod trace;

pub use self::future::ResponseFuture;
pub(crate) use self::{held::Held, kept::Kept};

/// Every way here would be a mistake in this room, or a future polled after its end.
#[cfg_attr(
    not(test),
    expect(clippy::panic, reason = "as the standard library's futures do")
)]
fn completed() -> ! {
    panic!("ResponseFuture polled after completion")
}
