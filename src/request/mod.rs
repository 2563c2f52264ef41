//! One request on its way: which step comes next, whether it goes on or stops, and what is told of
//! it.
//!
//! - `future`: the order of the steps, and nothing else.
//! - `kept`: what is kept of a request, and how it ends.
//! - `session`: a request that may be sent again: go or stop.
//! - `head`: method, URI and headers, as they are kept and sent again.
//! - `trace`: what is told to `tracing`.

mod future;
mod head;
mod kept;
mod session;
mod trace;

pub use self::future::ResponseFuture;
pub(crate) use self::kept::Kept;
