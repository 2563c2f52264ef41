//! What travels in the extensions of requests and responses.

use std::time::{Duration, Instant};

/// The caller's word on one request: whether sending it twice does its work only once.
///
/// Put it into the request's extensions. It overrides the method: `Idempotent(true)` lets a POST
/// be resent whatever came of it, `Idempotent(false)` takes that away from a PUT.
///
/// A layer above that follows redirects may drop it, as the others of this crate
/// ([`guide::stacks`](crate::guide::stacks#redirects)).
///
/// The Rev.io documentation names no header that makes a POST safe to repeat, `Idempotency-Key`
/// included. Say `true` only of requests whose repetition you have made harmless yourself.
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

/// The most attempts for one request, the first included, instead of the policy's number.
///
/// Put it into the request's extensions. 1 sends it once; 0 counts as 1.
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
    /// The number for this request, if its caller gave one.
    pub(crate) fn of(extensions: &http::Extensions) -> Option<u32> {
        extensions.get().map(|Self(attempts)| (*attempts).max(1))
    }
}

/// How long one request may go on being retried, counted from `call`, instead of the layer's
/// [`deadline`](crate::RevioStatusLayer::deadline).
///
/// Put it into the request's extensions.
///
/// ```
/// use std::time::{Duration, Instant};
/// use revio_status::TimeLimit;
///
/// let request = http::Request::get("http://localhost/v1/Customers/1001")
///     .extension(TimeLimit(Duration::from_secs(5)))
///     .body(())?;
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeLimit(pub Duration);

/// The instant at which the request's time limit ends, on the layer's clock.
///
/// The layer puts it into the extensions of every attempt of a request that has a time limit, so that
/// layers below, such as a limit or a timeout, can read it. An earlier `Deadline` that the request
/// already carries stays. A request without a time limit gets none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

/// How often a request had been resent: 1 on the first resend.
///
/// It is in the extensions of every resent request, where layers below can read it (OpenTelemetry
/// calls it `http.request.resend_count`), and in those of the response when there was a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResendCount(pub u32);
