//! What travels in the extensions of requests and responses.

/// The caller's word on one request: whether sending it twice does its work only once.
///
/// Put it into the request's extensions. It overrides the method: `Idempotent(true)` lets a POST
/// be resent, `Idempotent(false)` keeps a PUT from it.
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

/// How often a request had been resent: 1 on the first resend.
///
/// It is in the extensions of every resent request, where layers below can read it (OpenTelemetry
/// calls it `http.request.resend_count`), and in those of the response when there was a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResendCount(pub u32);
