//! `reqwest::Client` under the layer: [`over_reqwest`] is all it takes.

use http::{Request, Response};
use reqwest::Body;
use revio_status::{BoxError, Error, RevioStatusLayer};
use tower::{Service, ServiceBuilder};

/// The recipe: a line for the requests and one for the responses. Where a client is used in the
/// function that makes it, these lines need no type written down.
///
/// A client takes one type of body, `Full<Bytes>` for instance. It must be `Sync`, because
/// `Body::wrap` asks for it. [`reqwest::Body`] itself can be anything: text, bytes, and by
/// `Body::wrap_stream` streams that are not `Sync`.
///
/// Errors without an answer are a boxed [`reqwest::Error`], whose text shows the URL with its
/// query; put `.map_err(reqwest::Error::without_url)` below `filter` where that is a secret.
pub fn over_reqwest<B>(
    layer: RevioStatusLayer,
    client: reqwest::Client,
) -> impl Service<Request<B>, Response = Response<Body>, Error = Error, Future: Send> + Clone
where
    B: http_body::Body<Error: Into<BoxError>> + Send + Sync + 'static,
{
    ServiceBuilder::new()
        .layer(layer)
        .map_response(Response::from)
        .filter(|request: Request<_>| reqwest::Request::try_from(request.map(Body::wrap)))
        .service(client)
}
