//! `reqwest::Client` under the layer, as [`Api`], to be copied.

use http::{Request, Response};
use reqwest::{Body, ClientBuilder, RequestBuilder, redirect::Policy};
use revio_status::{Error, RevioStatusLayer};
use tower::{BoxError, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

/// A client whose requests go through the layer. Make it once, so that all requests share one budget
/// and one cool-down. A clone is cheap.
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
/// The source of an error without a response is a [`reqwest::Error`], whose text shows the URL with its
/// query. If the query is secret, put `.map_err(reqwest::Error::without_url)` below `filter`.
#[derive(Clone)]
pub struct Api {
    /// Makes requests for [`send`](Self::send). Requests that it sends itself bypass the layer.
    pub http: reqwest::Client,
    stack: BoxCloneSyncService<Request<Body>, Response<Body>, Error>,
}

impl Api {
    /// Builds the client with redirects off, so that each 3xx is returned as `Ok`. reqwest would follow
    /// redirects below the layer, which then sees only the last response: a POST accepted with 303,
    /// whose following GET gets a 401, would read as not applied.
    ///
    /// # Errors
    ///
    /// If reqwest cannot build its client.
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

    /// Sends a request through the layer.
    pub async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, Error> {
        let request = request.build().map_err(BoxError::from)?;
        let request = Request::try_from(request).map_err(BoxError::from)?;
        let response = self.stack.clone().oneshot(request).await?;
        Ok(reqwest::Response::from(response))
    }
}
