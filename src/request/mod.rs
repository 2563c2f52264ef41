//! One request on its way: which step comes next, whether it goes on or stops, and what is told of
//! it.
//!
//! - `future`: the order of the steps, and nothing else.
//! - `session`: what is kept of a request; go or stop.
//! - `head`: method, URI and headers, as they are kept and sent again.
//! - `trace`: the events.

mod future;
mod head;
mod session;
mod trace;

pub use self::future::ResponseFuture;
pub(crate) use self::session::Kept;
