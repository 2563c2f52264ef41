//! Shows the layer inside an axum service that calls the API for users of its own: bodies stream
//! both ways, credentials stay here, and a failure becomes an answer that its users can act on.
//!
//! ```console
//! $ export REVIO_USERNAME=… REVIO_CLIENT_CODE=… REVIO_PASSWORD=… REVIO_SUBSCRIPTION_KEY=…
//! $ REVIO_BASE_URL=http://localhost:8080 cargo run -p axum_gateway
//! ```

pub mod prometheus;

use std::{
    borrow::Cow, error::Error as StdError, fmt, io, iter, net::IpAddr, sync::Arc, time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        RETRY_AFTER, TRANSFER_ENCODING,
    },
    uri::Scheme,
};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector as Tcp},
    rt::TokioExecutor,
};
use revio_status::{
    BoxError, Error, PreviousAttempt, ReplayBody, RetryPolicy, RevioStatusLayer, StatusError,
    StatusKind, StopReason,
};
use serde_json::json;
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

use self::prometheus::Page;

type Answer = http::Response<TimeoutBody<Incoming>>;

/// The whole stack behind one short name: what a `State` holds must be `Clone`, `Send` and `Sync`.
type Client = BoxCloneSyncService<Request<Body>, Answer, Error>;

type HttpClient<C> = legacy::Client<C, ReplayBody<Body>>;
type Tls = HttpsConnector<Tcp>;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// For a user whom the API did not tell when to come back.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(30);

/// What users get to see of a good answer's headers. A list of what may pass, not of what may not:
/// the API's cookies, its own URLs in `Location`, and all that belongs to one connection stay here.
const PASSED_ON: [HeaderName; 5] = [
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LENGTH, // a body with a timeout does not tell its length itself
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

#[derive(Clone)]
pub struct Upstream {
    client: Client,
    base: Arc<str>,
}

impl Upstream {
    /// The layered client adds the credentials itself, so that no handler can forget to. And the URL
    /// is looked at now: a typing mistake should not wait for the first user.
    pub fn new<P>(layer: RevioStatusLayer<P>, account: &Account) -> Result<Self, BoxError>
    where
        P: RetryPolicy + Clone + Send + Sync + 'static,
    {
        let scheme = check_base(&account.base_url)?;
        // Sensitive values are left out of every `Debug`, and of HTTP/2's compression tables.
        let mut key = HeaderValue::try_from(&account.subscription_key)?;
        key.set_sensitive(true);
        let basic = AddAuthorizationLayer::basic(&account.username, &account.password);
        let stack = ServiceBuilder::new()
            .layer(basic.as_sensitive(true))
            .map_request(move |mut request: Request<Body>| {
                let headers = request.headers_mut();
                headers.insert("ocp-apim-subscription-key", key.clone());
                request
            })
            .layer(layer)
            .map_request(prometheus::attempt)
            .timeout(Duration::from_secs(10)) // for each attempt, up to the head of its answer
            // For each part of a body: a long download may take its time, a dead one may not.
            .layer(ResponseBodyTimeoutLayer::new(Duration::from_secs(30)))
            .service(http_client(scheme)?);
        Ok(Self {
            client: BoxCloneSyncService::new(stack),
            base: account.base_url.trim_end_matches('/').into(),
        })
    }

    async fn send(self, request: http::request::Builder, body: Body) -> Result<Response, Problem> {
        let unsent = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, OURS, false);
        let request = request.body(body).map_err(unsent)?;
        let call = (request.method().clone(), request.uri().path().to_owned());
        let is_safe = call.0.is_safe();
        match self.client.oneshot(request).await {
            Ok(response) if response.status().is_success() => Ok(passed_on(response)),
            // The layer lets redirects pass; where they lead is nothing for users.
            Ok(response) => {
                log(&call, &format_args!("unexpected {}", response.status()));
                Err(Problem::new(StatusCode::BAD_GATEWAY, UNUSABLE, !is_safe))
            }
            Err(error) => {
                log(&call, &causes(&error));
                Err(Problem::of(&error, is_safe))
            }
        }
    }
}

/// A failure's one line in the log: which call, what came of it, and how often it was tried.
fn log((method, path): &(Method, String), failure: &dyn fmt::Display) {
    tracing::warn!(%method, path, %failure, "call of the API failed");
}

/// What the log gets. The layer tells at WARN which requests it gives up; [`Upstream`] tells of
/// these and of all other failures, so the layer's word would be the second one on the same call.
pub fn log_filter() -> Targets {
    Targets::new()
        .with_default(Level::INFO)
        .with_target("revio_status", Level::ERROR)
}

/// Each error's own words, from the outermost in, and the last answer before it.
fn causes(error: &Error) -> String {
    let chain = iter::successors(Some(error as &dyn StdError), |error| (*error).source());
    let words: Vec<String> = chain.map(ToString::to_string).collect();
    let earlier = error.previous_attempts().iter().rev();
    match earlier.filter_map(PreviousAttempt::status).next() {
        Some(status) => format!("{}; before that {status}", words.join(": ")),
        None => words.join(": "),
    }
}

/// TLS trusts whom the operating system trusts. Plain HTTP works without any roots.
fn http_client(scheme: Scheme) -> io::Result<Either<HttpClient<Tls>, HttpClient<Tcp>>> {
    let mut tcp = Tcp::new();
    // Sooner than the attempt's timeout, which cannot tell that nothing was sent.
    tcp.set_connect_timeout(Some(Duration::from_secs(5)));
    let client = legacy::Client::builder(TokioExecutor::new());
    if scheme == Scheme::HTTP {
        return Ok(Either::Right(client.build(tcp)));
    }
    tcp.enforce_http(false); // of schemes; the TLS around it looks at them
    let tls = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_only()
        .enable_all_versions()
        .wrap_connector(tcp);
    Ok(Either::Left(client.build(tls)))
}

/// Passwords go through the open net only inside TLS. And paths are appended: after a `?` or a `#`
/// they would not be paths.
pub fn check_base(base: &str) -> Result<Scheme, BoxError> {
    let uri: Uri = base.parse()?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let scheme = match uri.scheme_str() {
        Some("https") => Scheme::HTTPS,
        Some("http") if is_local => Scheme::HTTP,
        _ => return Err("the base URL must be https://, or http:// on this machine".into()),
    };
    if base.contains(['?', '#', '@']) {
        return Err("the base URL cannot have a query, a fragment or credentials".into());
    }
    Ok(scheme)
}

pub fn gateway(upstream: Upstream) -> Router {
    Router::new()
        .route("/customers/{id}", get(customer))
        .route("/notes", post(create_note))
        .with_state(upstream)
}

/// For the inside only: who must not see it must not reach the port that it is served on.
pub fn metrics_page(page: Page) -> Router {
    Router::new().route("/metrics", get(async move || page.answer()))
}

/// As a number the id needs no encoding: none can leave its segment of the path.
async fn customer(
    State(upstream): State<Upstream>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<Response, Problem> {
    let Ok(Path(id)) = id else {
        return Err(Problem::new(StatusCode::NOT_FOUND, UNKNOWN, false));
    };
    let request = Request::get(format!("{}/v1/Customers/{id}", upstream.base));
    upstream.send(request, Body::empty()).await
}

/// A new request, not the user's with another URI: their cookies and tokens are not for the API.
async fn create_note(
    State(upstream): State<Upstream>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut request = Request::post(format!("{}/v1/Notes", upstream.base));
    if let Some(value) = headers.get(CONTENT_TYPE) {
        request = request.header(CONTENT_TYPE, value);
    }
    upstream.send(request, body).await
}

/// The body as it arrives.
fn passed_on(upstream: Answer) -> Response {
    let (mut head, body) = upstream.into_parts();
    if head.headers.contains_key(TRANSFER_ENCODING) {
        head.headers.remove(CONTENT_LENGTH); // not how long this body is
    }
    let mut response = (head.status, Body::new(body)).into_response();
    for name in PASSED_ON {
        if let Some(value) = head.headers.remove(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

const UNKNOWN: &str = "The billing system knows no such record.";
const BUSY: &str = "The billing system cannot answer now.";
const OURS: &str = "The request could not be passed on.";
const UNUSABLE: &str = "The billing system gave no answer that we could use.";
const REFUSED: &str = "The billing system does not accept what you sent.";
const APPLIED: &str = "It may have been saved nevertheless: look before you send it again.";

/// A failure in the words of [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).
struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    may_have_been_applied: bool,
}

impl Problem {
    fn new(status: StatusCode, detail: &'static str, may_have_been_applied: bool) -> Self {
        Self {
            status,
            detail: detail.into(),
            may_have_been_applied,
            retry_after: None,
        }
    }

    fn of(error: &Error, is_safe: bool) -> Self {
        use StatusKind as Kind;
        let (status, detail) = match error.kind() {
            // The account is to be quiet, whoever said so.
            _ if error.stop_reason() == StopReason::CoolingDown => {
                (StatusCode::SERVICE_UNAVAILABLE, BUSY)
            }
            Some(Kind::NotFound) => (StatusCode::NOT_FOUND, UNKNOWN),
            // Of a GET we wrote every part ourselves.
            Some(Kind::BadRequest) if !is_safe => (StatusCode::BAD_REQUEST, REFUSED),
            Some(Kind::TooManyRequests | Kind::QuotaExceeded)
            | Some(Kind::ServiceUnavailable | Kind::GatewayTimeout) => {
                (StatusCode::SERVICE_UNAVAILABLE, BUSY)
            }
            // The rest is between us and the API: a 401 here would make users doubt their own
            // password, and its body could tell them about ours.
            _ => (StatusCode::BAD_GATEWAY, UNUSABLE),
        };
        // Only of a request whose body was the user's own: it tells them what to correct.
        let said = error.status_error().and_then(StatusError::message);
        let detail = match said {
            Some(said) if status == StatusCode::BAD_REQUEST => format!("{detail} {said}").into(),
            _ => detail.into(),
        };
        let asked = error.status_error().and_then(StatusError::retry_after);
        let is_temporary = status == StatusCode::SERVICE_UNAVAILABLE;
        Self {
            status,
            detail,
            retry_after: is_temporary.then_some(asked.unwrap_or(DEFAULT_RETRY_AFTER)),
            may_have_been_applied: !is_safe && error.may_have_been_applied(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut problem = json!({
            "type": "about:blank", // the status says it all
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if self.may_have_been_applied {
            problem["type"] = "tag:example.com,2026:unknown-outcome".into(); // use your own domain
            problem["title"] = "Unknown outcome".into();
            problem["detail"] = format!("{} {APPLIED}", self.detail).into();
            problem["may_have_been_applied"] = true.into();
        }
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        // With an unknown outcome too: it says when to look, and invites to nothing. Who repeats
        // a POST at every 503 would do so without it, only sooner.
        if let Some(wait) = self.retry_after {
            let rounded_up = u64::from(wait.subsec_nanos() > 0).saturating_add(wait.as_secs());
            headers.insert(RETRY_AFTER, rounded_up.into());
        }
        response
    }
}
