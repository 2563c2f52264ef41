//! The comparison: one API in memory, the requests, and the stacks between them.

pub mod allocations;
pub mod failures;
pub mod loopback;
mod peers;
pub mod threads;

use std::{
    convert::Infallible,
    future::{Ready, poll_fn, ready},
    hint::black_box,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use revio_status::{Backoff, Budget, Idempotent, RevioStatusLayer, StandardPolicy};
use tower::{Layer, Service};

pub type Sent = Request<Full<Bytes>>;
pub type Received = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONG: HeaderName = HeaderName::from_static("x-long");
const SUBSCRIPTION_KEY: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scenario {
    /// GET → 200
    Get,
    /// POST with 1 KiB → 200
    Post,
    /// GET → 503, 503, 200, without backoff
    Retry,
}

impl Scenario {
    pub const ALL: [Self; 3] = [Self::Get, Self::Post, Self::Retry];

    fn statuses(self) -> &'static [u16] {
        match self {
            Self::Get | Self::Post => &[200],
            Self::Retry => &[503, 503, 200],
        }
    }
}

/// A request as an integration makes it: some headers are new for each request, some come from its
/// configuration, some are constants.
pub struct Template {
    scenario: Scenario,
    method: Method,
    uri: Uri,
    subscription_key: HeaderValue,
    body: Bytes,
    pub idempotent: Option<Idempotent>,
    more_headers: Vec<HeaderName>,
    long: Option<HeaderValue>,
    calls: u32,
}

impl Template {
    pub fn new(scenario: Scenario) -> Self {
        let mut subscription_key = HeaderValue::from_static("0123456789abcdef0123456789abcdef");
        subscription_key.set_sensitive(true);
        let (method, body) = match scenario {
            Scenario::Post => (Method::POST, Bytes::from(vec![b'x'; 1024])),
            Scenario::Get | Scenario::Retry => (Method::GET, Bytes::new()),
        };
        Self {
            scenario,
            method,
            uri: "http://localhost/v1/Customers/1001".parse().expect("valid"),
            subscription_key,
            body,
            idempotent: None,
            more_headers: Vec::new(),
            long: None,
            calls: 0,
        }
    }

    pub fn to(mut self, base: &str) -> Self {
        self.uri = format!("{base}/v1/Customers/1001").parse().expect("valid");
        self
    }

    /// Sets the number of headers, at least 6. Every other value beyond those is made anew for each
    /// request, like a gateway's or a trace's.
    pub fn headers(mut self, count: usize) -> Self {
        let name = |number| HeaderName::try_from(format!("x-header-{number}")).expect("valid");
        self.more_headers = (6..count).map(name).collect();
        self
    }

    /// Adds a header whose value has this many bytes.
    pub fn long_header(mut self, bytes: usize) -> Self {
        let value = HeaderValue::try_from("x".repeat(bytes)).expect("valid");
        self.long = Some(value);
        self
    }

    /// Makes the request a PUT with a body of this many bytes.
    pub fn put(mut self, bytes: usize) -> Self {
        self.method = Method::PUT;
        self.body = vec![b'x'; bytes].into();
        self
    }

    pub fn request(&mut self) -> Sent {
        self.calls += 1;
        let number = format!("request-{:08}", self.calls);
        let mut basic =
            HeaderValue::from_bytes(b"Basic dXNlckBjbGllbnQ6cGFzc3dvcmQ=").expect("valid");
        basic.set_sensitive(true);
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, basic);
        headers.insert(REQUEST_ID, HeaderValue::from_str(&number).expect("valid"));
        headers.insert(SUBSCRIPTION_KEY, self.subscription_key.clone());
        headers.insert(header::ACCEPT, JSON);
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static("integration/1.0"),
        );
        headers.insert(header::CONTENT_TYPE, JSON);
        for (place, name) in self.more_headers.iter().enumerate() {
            let value = match place % 2 {
                0 => HeaderValue::from_str(&number).expect("valid"),
                _ => HeaderValue::from_static("value"),
            };
            headers.insert(name, value);
        }
        if let Some(value) = &self.long {
            headers.insert(LONG, value.clone());
        }
        if let Some(word) = self.idempotent {
            request.extensions_mut().insert(word);
        }
        request
    }
}

/// The API in memory: always ready, reads each request's body, and has its responses prepared.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    statuses: &'static [u16],
    calls: AtomicUsize,
}

impl Api {
    pub fn new(scenario: Scenario) -> Self {
        let shared = Shared {
            statuses: scenario.statuses(),
            calls: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Service<Request<B>> for Api {
    type Response = Received;
    type Error = Infallible;
    type Future = Ready<Result<Received, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut cx = Context::from_waker(Waker::noop());
        let mut body = Pin::new(request.body_mut());
        while !body.is_end_stream() {
            if !matches!(body.as_mut().poll_frame(&mut cx), Poll::Ready(Some(Ok(_)))) {
                break;
            }
        }
        let call = self.shared.calls.fetch_add(1, Relaxed);
        let status = self.shared.statuses[call % self.shared.statuses.len()];
        let text = match status {
            200 => r#"{"ok": true, "id": 11027}"#,
            _ => r#"{"message": "too many requests"}"#,
        };
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = StatusCode::from_u16(status).expect("valid");
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        ready(Ok(response))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stack {
    Bare,
    HeadClone,
    Layer,
    NeverRetry,
    TowerRetry,
    ResilienceRetry,
}

impl Stack {
    pub const ALL: [Self; 6] = [
        Self::Bare,
        Self::HeadClone,
        Self::Layer,
        Self::NeverRetry,
        Self::TowerRetry,
        Self::ResilienceRetry,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare service",
            Self::HeadClone => "a clone of head and service",
            Self::Layer => "**revio-status**",
            Self::NeverRetry => "**revio-status**, `never_retry`",
            Self::TowerRetry => "tower `retry` + `TpsBudget`",
            Self::ResilienceRetry => "tower-resilience-retry + bucket (boxes its future)",
        }
    }

    /// Returns `true` if this stack succeeds in this scenario.
    pub fn can(self, scenario: Scenario) -> bool {
        self != Self::NeverRetry || scenario != Scenario::Retry
    }

    /// Sends `count` requests in turn.
    pub async fn run(self, template: Template, count: usize) {
        let scenario = template.scenario;
        let api = Api::new(scenario);
        match self {
            Self::Bare if scenario != Scenario::Retry => drive(api, template, count).await,
            Self::Bare => drive(peers::three_calls(api), template, count).await,
            Self::HeadClone => drive(peers::head_clone(scenario, api), template, count).await,
            Self::Layer => drive(layer(scenario).layer(api), template, count).await,
            Self::NeverRetry => {
                let layer = RevioStatusLayer::new().never_retry();
                drive(layer.layer(api), template, count).await;
            }
            Self::TowerRetry => drive(peers::tower_retry(scenario, api), template, count).await,
            Self::ResilienceRetry => {
                drive(peers::resilience_retry(scenario, api), template, count).await;
            }
        }
    }

    /// Sends GETs concurrently; for the bare service and the layer only.
    pub fn run_together(self, parallel: usize, count: usize) {
        let is_open = Arc::new(AtomicBool::new(false));
        let api = Gated {
            api: Api::new(Scenario::Get),
            is_open: is_open.clone(),
        };
        match self {
            Self::Bare => together(api, &is_open, parallel, count),
            Self::Layer => {
                let service = layer(Scenario::Get).layer(api);
                together(service, &is_open, parallel, count);
            }
            other => panic!("{other:?} is not run so"),
        }
    }

    /// Returns the size of one request's future, in bytes.
    pub fn future_size(self) -> usize {
        fn of<S: Service<Sent>>(_: S) -> usize {
            size_of::<S::Future>()
        }
        let api = Api::new(Scenario::Get);
        match self {
            Self::Bare => of(api),
            Self::HeadClone => of(peers::head_clone(Scenario::Get, api)),
            Self::Layer => of(layer(Scenario::Get).layer(api)),
            Self::NeverRetry => of(RevioStatusLayer::new().never_retry().layer(api)),
            Self::TowerRetry => of(peers::tower_retry(Scenario::Get, api)),
            Self::ResilienceRetry => of(peers::resilience_retry(Scenario::Get, api)),
        }
    }
}

/// Returns the defaults; for scenarios with retries, without delay and with a large budget.
pub fn layer(scenario: Scenario) -> RevioStatusLayer {
    let layer = RevioStatusLayer::new();
    if scenario != Scenario::Retry {
        return layer;
    }
    layer
        .policy(StandardPolicy::default().backoff(Backoff::none()))
        .budget(Budget::new(u32::MAX, 0.1))
}

/// Sends requests concurrently.
fn together<S>(mut service: S, is_open: &AtomicBool, parallel: usize, count: usize)
where
    S: Service<Sent>,
{
    let mut template = Template::new(Scenario::Get);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..count / parallel {
        is_open.store(false, Relaxed);
        let call = |_| Box::pin(service.call(template.request()));
        let mut calls: Vec<_> = (0..parallel).map(call).collect();
        for call in &mut calls {
            assert!(call.as_mut().poll(&mut cx).is_pending());
        }
        is_open.store(true, Relaxed);
        for call in &mut calls {
            assert!(black_box(call.as_mut().poll(&mut cx)).is_ready());
        }
    }
}

/// The API behind a gate: no response while it is closed.
#[derive(Clone)]
struct Gated {
    api: Api,
    is_open: Arc<AtomicBool>,
}

struct Waiting {
    answer: Ready<Result<Received, Infallible>>,
    is_open: Arc<AtomicBool>,
}

impl<B: Body<Data = Bytes> + Unpin> Service<Request<B>> for Gated {
    type Response = Received;
    type Error = Infallible;
    type Future = Waiting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Waiting {
        Waiting {
            answer: self.api.call(request),
            is_open: self.is_open.clone(),
        }
    }
}

impl Future for Waiting {
    type Output = Result<Received, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.is_open.load(Relaxed) {
            true => Pin::new(&mut self.answer).poll(cx),
            false => Poll::Pending,
        }
    }
}

/// Sends requests through one instance of a service, and reads the responses.
pub async fn drive<S, R>(mut service: S, mut template: Template, count: usize)
where
    S: Service<Sent, Response = Response<R>>,
    R: Body + Unpin,
{
    for _ in 0..count {
        let request = template.request();
        let _ = poll_fn(|cx| service.poll_ready(cx)).await;
        let Ok(mut response) = service.call(request).await else {
            panic!("a stack gave up");
        };
        assert_eq!(response.status(), StatusCode::OK);
        while let Some(Ok(frame)) = response.frame().await {
            black_box(frame);
        }
    }
}
