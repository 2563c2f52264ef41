//! The extensions of requests and responses.

use std::time::{Duration, Instant};

/// Per-request override: whether the request is idempotent.
///
/// Put it into the request's extensions. `Idempotent(true)` lets a POST be resent after any retryable
/// failure; `Idempotent(false)` makes a PUT like a POST.
///
/// Rev.io documents no header that makes a POST safe to resend, such as `Idempotency-Key`. Use `true`
/// only if you have made a second POST harmless yourself.
///
/// A layer above that follows redirects may drop this and the other extensions of this crate
/// ([`guide::stacks`](crate::guide::stacks#redirects)).
///
/// ```
/// use revio_status::Idempotent;
///
/// let request = http::Request::post("http://localhost/v1/Search")
///     .extension(Idempotent(true))
///     .body(())?;
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Idempotent(pub bool);

/// Per-request override of the maximum number of attempts, the first included.
///
/// Put it into the request's extensions. 1: the request is not retried. 0 counts as 1.
///
/// ```
/// use revio_status::MaxAttempts;
///
/// let request = http::Request::get("http://localhost/v1/Customers/1001")
///     .extension(MaxAttempts(5))
///     .body(())?;
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MaxAttempts(pub u32);

impl MaxAttempts {
    pub(crate) fn get(extensions: &http::Extensions) -> Option<u32> {
        extensions.get().map(|Self(attempts)| (*attempts).max(1))
    }
}

/// Per-request override of the layer's [`time_limit`](crate::RevioStatusLayer::time_limit), counted from
/// `call`.
///
/// Put it into the request's extensions.
///
/// ```
/// use std::time::Duration;
/// use revio_status::TimeLimit;
///
/// let request = http::Request::get("http://localhost/v1/Customers/1001")
///     .extension(TimeLimit(Duration::from_secs(5)))
///     .body(())?;
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeLimit(pub Duration);

/// The instant when the request's time limit ends, on the layer's clock.
///
/// The layer sets it in the extensions of every attempt of a request that has a time limit, so that
/// layers below, such as a limit or a timeout, can read it. If the request already carries an earlier
/// `Deadline`, the earlier one stays. Without a time limit the layer sets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

/// The number of resends: 1 on the first resend. OpenTelemetry calls it `http.request.resend_count`.
///
/// The layer sets it in the extensions of every resent request, and of the final response if there was
/// a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResendCount(pub u32);
