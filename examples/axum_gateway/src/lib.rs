//! An axum service that calls the Rev.io API for its own users: bodies stream both ways, credentials
//! stay here, and each failure becomes a response that users can act on.

mod problem;

use std::{error::Error as StdError, io, iter, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        TRANSFER_ENCODING,
    },
    uri::Scheme,
};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector as Tcp},
    rt::TokioExecutor,
};
use metrics_example::Page;
use revio_status::{BoxError, Error, ReplayBody, RetryPolicy, RevioStatusLayer};
use tokio::sync::oneshot;
use tower::{
    ServiceBuilder, ServiceExt,
    util::{BoxCloneSyncService, Either},
};
use tower_http::{
    auth::AddAuthorizationLayer,
    timeout::{ResponseBodyTimeoutLayer, TimeoutBody},
};
use tracing::Level;
use tracing_subscriber::filter::Targets;

use self::problem::Problem;

type Upload = Request<Body>;
type Download = http::Response<TimeoutBody<Incoming>>;
type HttpClient<C> = legacy::Client<C, ReplayBody<Body>>;

/// The response headers that users receive. An allowlist: cookies, `Location` and the headers of one
/// connection stay here.
const PASSED_ON: [HeaderName; 5] = [
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
];

pub struct Account {
    /// `https://`, or `http://` for a server on this machine.
    pub base_url: String,
    /// `user@client_code`
    pub username: String,
    pub password: String,
    pub subscription_key: String,
}

/// The API, with credentials. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    client: BoxCloneSyncService<Upload, Download, Error>,
    base: Arc<str>,
}

impl Upstream {
    /// # Errors
    ///
    /// If the base URL or the key is invalid, or the machine trusts no TLS roots.
    pub fn new<P>(layer: RevioStatusLayer<P>, account: &Account) -> Result<Self, BoxError>
    where
        P: RetryPolicy + Clone + Send + Sync + 'static,
    {
        let scheme = check_base(&account.base_url)?;
        let mut key = HeaderValue::try_from(&account.subscription_key)?;
        key.set_sensitive(true); // not in `Debug`, not in HTTP/2's compression tables
        let basic = AddAuthorizationLayer::basic(&account.username, &account.password);
        let stack = ServiceBuilder::new()
            .layer(basic.as_sensitive(true))
            .map_request(move |mut request: Upload| {
                let headers = request.headers_mut();
                headers.insert("ocp-apim-subscription-key", key.clone());
                request
            })
            .layer(layer)
            .map_request(metrics_example::attempt)
            .timeout(Duration::from_secs(10)) // per attempt, until the response's head
            // Per frame of a body: a long download may take its time, a dead one may not.
            .layer(ResponseBodyTimeoutLayer::new(Duration::from_secs(30)))
            .service(http_client(scheme)?);
        Ok(Self {
            client: BoxCloneSyncService::new(stack),
            base: account.base_url.trim_end_matches('/').into(),
        })
    }

    /// Sends a request, and logs a failure in one line.
    async fn send(self, request: Upload) -> Result<Response, Problem> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (failure, problem) = match self.client.oneshot(request).await {
            Ok(response) if response.status().is_success() => return Ok(passed_on(response)),
            // The layer returns redirects; users have no use for where they lead.
            Ok(response) => {
                let failure = format!("unexpected {}", response.status());
                (failure, Problem::unusable(!method.is_safe()))
            }
            Err(error) => (causes(&error), Problem::of(&error, method.is_safe())),
        };
        tracing::warn!(%method, path, %failure, "call of the API failed");
        Err(problem)
    }

    /// Sends a request to its end, even if the user hangs up and axum drops the handler. The log then
    /// shows the outcome that the user missed.
    async fn send_to_the_end(self, request: Upload) -> Result<Response, Problem> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            if let Err(missed) = sender.send(self.send(request).await) {
                let status = missed.into_response().status().as_u16();
                tracing::warn!(%method, path, status, "the user hung up before the response");
            }
        });
        let panicked = |_| Err(Problem::unusable(true));
        receiver.await.unwrap_or_else(panicked)
    }
}

/// Returns the log filter. The layer's own WARN would be a second line for the same failure.
pub fn log_filter() -> Targets {
    Targets::new()
        .with_default(Level::INFO)
        .with_target("revio_status", Level::ERROR)
}

/// Returns the texts of the source chain, outermost first.
fn causes(error: &Error) -> String {
    let chain = iter::successors(Some(error as &dyn StdError), |error| (*error).source());
    chain
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Builds a client that trusts the system's roots. Plain HTTP needs no roots.
fn http_client(
    scheme: Scheme,
) -> io::Result<Either<HttpClient<HttpsConnector<Tcp>>, HttpClient<Tcp>>> {
    let mut tcp = Tcp::new();
    // Below the attempt's timeout, which cannot tell that nothing was sent.
    tcp.set_connect_timeout(Some(Duration::from_secs(5)));
    let client = legacy::Client::builder(TokioExecutor::new());
    if scheme == Scheme::HTTP {
        return Ok(Either::Right(client.build(tcp)));
    }
    tcp.enforce_http(false); // the TLS connector checks the scheme
    let tls = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_only()
        .enable_all_versions()
        .wrap_connector(tcp);
    Ok(Either::Left(client.build(tls)))
}

/// Checks a base URL: credentials leave this machine only inside TLS.
fn check_base(base: &str) -> Result<Scheme, BoxError> {
    let uri: Uri = base.parse()?;
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), _) => Ok(Scheme::HTTPS),
        (Some("http"), Some("localhost" | "127.0.0.1" | "[::1]")) => Ok(Scheme::HTTP),
        _ => Err("the base URL must be https://, or http:// on this machine".into()),
    }
}

pub fn gateway(upstream: Upstream) -> Router {
    Router::new()
        .route("/customers/{id}", get(customer))
        .route("/notes", post(create_note))
        .with_state(upstream)
}

/// Serves the metrics, to anybody who reaches the port.
pub fn metrics_page(page: Page) -> Router {
    Router::new().route("/metrics", get(async move || page.response()))
}

/// A numeric id cannot leave its path segment.
async fn customer(
    State(upstream): State<Upstream>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let request = Request::get(format!("{}/v1/Customers/{id}", upstream.base));
    let request = request.body(Body::empty());
    upstream.send(request.map_err(Problem::unsent)?).await
}

/// Builds a new request: users' cookies and tokens are not for the API.
async fn create_note(
    State(upstream): State<Upstream>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut request = Request::post(format!("{}/v1/Notes", upstream.base));
    if let Some(value) = headers.get(CONTENT_TYPE) {
        request = request.header(CONTENT_TYPE, value);
    }
    let request = request.body(body).map_err(Problem::unsent)?;
    upstream.send_to_the_end(request).await
}

/// Passes on the status, the body as it streams, and the allowed headers.
fn passed_on(upstream: Download) -> Response {
    let (mut head, body) = upstream.into_parts();
    if head.headers.contains_key(TRANSFER_ENCODING) {
        head.headers.remove(CONTENT_LENGTH); // void beside Transfer-Encoding (RFC 9112 §6.3)
    }
    let mut response = (head.status, Body::new(body)).into_response();
    for name in PASSED_ON {
        if let Some(value) = head.headers.remove(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
