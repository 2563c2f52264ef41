//! `reqwest::Client` under the layer: [`Api`] is all it takes. Copy it.

use http::{Request, Response};
use reqwest::{Body, ClientBuilder, RequestBuilder, redirect::Policy};
use revio_status::{Error, RevioStatusLayer};
use tower::{BoxError, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

/// Make it once, so that all requests share one budget. A clone is cheap.
///
/// ```no_run
/// use reqwest::Client;
/// use reqwest_example::Api;
/// use revio_status::RevioStatusLayer;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let api = Api::new(RevioStatusLayer::new(), Client::builder())?;
/// let request = api.http.get("http://localhost:8080/v1/Customers/1001");
/// println!("{}", api.send(request).await?.text().await?);
/// # Ok(())
/// # }
/// ```
///
/// Errors without an answer have the [`reqwest::Error`] as their source, whose text shows the URL
/// with its query; put `.map_err(reqwest::Error::without_url)` below `filter` where that is a secret.
#[derive(Clone)]
pub struct Api {
    /// Its builders make the requests for [`send`](Self::send). What it sends itself is not retried.
    pub http: reqwest::Client,
    stack: BoxCloneSyncService<Request<Body>, Response<Body>, Error>,
}

impl Api {
    /// reqwest follows redirects below the layer, which sees the last answer alone: a POST that was
    /// accepted with 303, and whose following GET is refused with 401, would read as not applied. A
    /// redirected PUT would come back all the same, because a wrapped body is a stream. So each 3xx
    /// comes back as `Ok`.
    pub fn new(layer: RevioStatusLayer, builder: ClientBuilder) -> reqwest::Result<Self> {
        let http = builder.redirect(Policy::none()).build()?;
        let stack = ServiceBuilder::new()
            .layer(layer)
            .map_response(Response::from)
            .filter(|request: Request<_>| reqwest::Request::try_from(request.map(Body::wrap)))
            .service(http.clone());
        let stack = BoxCloneSyncService::new(stack);
        Ok(Self { http, stack })
    }

    pub async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, Error> {
        let request = request.build().map_err(BoxError::from)?;
        let request = Request::try_from(request).map_err(BoxError::from)?;
        let response = self.stack.clone().oneshot(request).await?;
        Ok(reqwest::Response::from(response))
    }
}
