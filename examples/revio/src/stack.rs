//! The stack for production, to be copied: credentials, the layer, the API's limit of calls, and a
//! timeout at each end.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{Request, Response, uri::Scheme};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector as Tcp},
    rt::{TokioExecutor, TokioTimer},
};
use revio_status::{BoxError, ReplayBody, ResendCount, RetryPolicy, RevioStatusLayer};
use tower::{
    ServiceBuilder,
    util::{BoxCloneSyncService, Either},
};
use tower_http::{
    auth::AddAuthorizationLayer,
    timeout::{ResponseBodyTimeoutLayer, TimeoutBody},
};

use super::account::{Account, SUBSCRIPTION_KEY};

pub type Body = BoxBody<Bytes, BoxError>;
pub type Answer = Response<TimeoutBody<Incoming>>;
pub type Client = BoxCloneSyncService<Request<Body>, Answer, BoxError>;

type Tls = HttpsConnector<Tcp>;
type HttpClient<C> = legacy::Client<C, ReplayBody<Body>>;

const MINUTE: Duration = Duration::from_secs(60);

pub struct Limits {
    /// Calls in a period, of all requests together. The API answers more of them with 429.
    pub calls: (u64, Duration),
    /// For each attempt, from connecting to the answer's head, the upload included.
    pub attempt: Duration,
    /// For each part of an answer's body: a long download may take its time, a dead one may not.
    pub silence: Duration,
    /// No retry is planned beyond this. Waiting for one's turn in the buffer is out of its sight:
    /// the timeout over all ends that.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: (500, MINUTE),
            attempt: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            deadline: Duration::from_secs(90),
        }
    }
}

impl Limits {
    /// Room for an attempt that is sent just before the deadline, and for its captured answer: the
    /// layer then has the last word, and its error says more than a timeout can.
    fn overall(&self) -> Duration {
        self.deadline + self.attempt + Duration::from_secs(5)
    }
}

/// The layered client. To be called inside a tokio runtime: the buffer has a task of its own.
///
/// # Errors
///
/// The account is to be reached over TLS, and this machine trusts nobody.
pub fn client<P>(
    account: &Account,
    layer: RevioStatusLayer<P>,
    limits: &Limits,
) -> io::Result<Client>
where
    P: RetryPolicy + Clone + Send + Sync + 'static,
{
    let key = account.subscription_key.clone();
    let stack = ServiceBuilder::new()
        .timeout(limits.overall())
        .layer(credentials(account))
        .map_request(move |mut request: Request<Body>| {
            request.headers_mut().insert(SUBSCRIPTION_KEY, key.clone());
            request
        })
        .layer(layer.deadline(limits.deadline))
        // Below the layer, so that resends count. `RateLimit` is not `Clone`; a buffer is, and all
        // its clones share the limit.
        .buffer(64)
        .rate_limit(limits.calls.0, limits.calls.1)
        // Below the limit: waiting for one's turn is not the server's fault.
        .map_request(tell_attempt)
        .map_response(tell_answer)
        .timeout(limits.attempt)
        .layer(ResponseBodyTimeoutLayer::new(limits.silence))
        .service(http_client(account)?);
    Ok(BoxCloneSyncService::new(stack))
}

/// Left out of every `Debug`, like the key.
pub fn credentials(account: &Account) -> AddAuthorizationLayer {
    AddAuthorizationLayer::basic(&account.username, &account.password).as_sensitive(true)
}

/// TLS trusts whom the operating system trusts, or the file that `SSL_CERT_FILE` names. Plain HTTP,
/// which an [`Account`] allows on this machine only, works without any roots.
fn http_client(account: &Account) -> io::Result<Either<HttpClient<Tls>, HttpClient<Tcp>>> {
    let mut tcp = Tcp::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_secs(10)));
    let mut client = legacy::Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new());
    if account.scheme == Scheme::HTTP {
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

/// Of a URI the path alone: queries can be personal.
fn tell_attempt<B>(request: Request<B>) -> Request<B> {
    let resends = request.extensions().get().map(|ResendCount(n)| *n);
    tracing::event!(
        target: "revio",
        tracing::Level::DEBUG,
        http.request.method = request.method().as_str(),
        server.address = request.uri().host(),
        url.path = request.uri().path(),
        http.request.resend_count = resends,
        "sending"
    );
    request
}

fn tell_answer<B>(response: Response<B>) -> Response<B> {
    tracing::event!(
        target: "revio",
        tracing::Level::DEBUG,
        http.response.status_code = response.status().as_u16(),
        network.protocol.version = ?response.version(),
        "answered"
    );
    response
}
