//! A user, the gateway, and an API with a script.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use axum_gateway::{Account, Upstream, gateway, log_filter};
use http::{Method, Request, Response, header::CONTENT_TYPE, request, response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use revio_status::{BoxError, RetryPolicy, RevioStatusLayer};
use serde_json::Value;
use tokio::{net::TcpListener, time::timeout};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{
    AnyBody, any_body, no_body,
    wire::{self, Http, Server},
};

pub const KEY: &str = "ocp-apim-subscription-key";
/// Must never reach a user.
pub const SECRET: &str = "upstream-secret";
/// The two routes.
pub const ROUTES: [(Method, &str); 2] = [(Method::GET, "/customers/7"), (Method::POST, "/notes")];

pub struct Desk {
    pub gateway: String,
    user: Client<HttpConnector, AnyBody>,
    received: Arc<Mutex<Vec<request::Parts>>>,
}

impl Desk {
    /// Opens a gateway before an API that sends these responses in turn.
    pub async fn open<P>(
        layer: RevioStatusLayer<P>,
        responses: impl IntoIterator<Item = Response<AnyBody>>,
    ) -> Self
    where
        P: RetryPolicy + Clone + Send + Sync + 'static,
    {
        let responses: VecDeque<_> = responses.into_iter().collect();
        let responses = Arc::new(Mutex::new(responses));
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = received.clone();
        let api = Server::start(move |request: Request<Incoming>| {
            let (responses, seen) = (responses.clone(), seen.clone());
            async move {
                let (head, body) = request.into_parts();
                body.collect().await.expect("a whole request");
                seen.lock().expect("no panic").push(head);
                let response = responses.lock().expect("no panic").pop_front();
                response.expect("one more response")
            }
        })
        .await;
        Self {
            received,
            ..Self::before(layer, &api.uri("")).await
        }
    }

    /// Opens a gateway before this API.
    pub async fn before<P>(layer: RevioStatusLayer<P>, base: &str) -> Self
    where
        P: RetryPolicy + Clone + Send + Sync + 'static,
    {
        Self::serve(gateway(upstream(layer, base).expect("a valid base"))).await
    }

    pub async fn serve(service: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async { axum::serve(listener, service).await });
        Self {
            gateway: format!("http://{address}"),
            user: wire::client(Http::One),
            received: Arc::default(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> Request<AnyBody> {
        let request = Request::builder().method(method);
        let request = request.uri(format!("{}{path}", self.gateway));
        request.body(no_body()).expect("a valid request")
    }

    pub async fn call(&self, request: Request<AnyBody>) -> Response<Incoming> {
        self.user.request(request).await.expect("a response")
    }

    pub async fn send(&self, request: Request<AnyBody>) -> (response::Parts, String) {
        bounded(async {
            let (head, body) = self.call(request).await.into_parts();
            let body = body.collect().await.expect("a whole response").to_bytes();
            (head, String::from_utf8(body.into()).expect("text"))
        })
        .await
    }

    pub async fn get(&self, path: &str) -> (response::Parts, String) {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends a request, checks that the response is a problem, and returns it.
    pub async fn problem(&self, method: Method, path: &str) -> (response::Parts, Value) {
        let (head, body) = self.send(self.request(method, path)).await;
        assert_eq!(head.headers[CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_str(&body).expect("JSON");
        let expected = match problem.get("may_have_been_applied") {
            Some(_) => "tag:example.com,2026:unknown-outcome",
            None => "about:blank",
        };
        assert_eq!(problem["type"], expected);
        for member in ["title", "detail"] {
            assert!(problem[member].is_string(), "{member}: {problem}");
        }
        assert_eq!(problem["status"], head.status.as_u16());
        assert!(!format!("{head:?} {problem}").contains(SECRET), "{problem}");
        (head, problem)
    }

    /// Takes the requests that the API received.
    pub fn received(&self) -> Vec<request::Parts> {
        std::mem::take(&mut self.received.lock().expect("no panic"))
    }
}

pub fn upstream<P>(layer: RevioStatusLayer<P>, base: &str) -> Result<Upstream, BoxError>
where
    P: RetryPolicy + Clone + Send + Sync + 'static,
{
    let account = Account {
        base_url: base.into(),
        username: "user@client".into(),
        password: SECRET.into(),
        subscription_key: SECRET.into(),
    };
    Upstream::new(layer, &account)
}

/// Fails a test that hangs; on the paused clock, soon.
pub async fn bounded<F: Future>(test: F) -> F::Output {
    const MINUTES: Duration = Duration::from_secs(180);
    timeout(MINUTES, test).await.expect("it hangs")
}

pub fn response(status: u16, headers: &[(&str, &str)], text: &'static str) -> Response<AnyBody> {
    let builder = Response::builder().status(status);
    let builder = headers.iter().fold(builder, |builder, (name, value)| {
        builder.header(*name, *value)
    });
    builder.body(any_body(Full::from(text))).expect("valid")
}

pub fn plain(status: u16) -> Response<AnyBody> {
    response(status, &[], "")
}

pub fn operation(head: &request::Parts) -> String {
    format!("{} {}", head.method, head.uri)
}

/// Checks the flag that programs read, and the words that people read.
pub fn assert_outcome(problem: &Value, may_have_been_applied: bool) {
    let flag = problem.get("may_have_been_applied");
    assert_eq!(flag.is_some_and(|v| v == true), may_have_been_applied);
    let detail = problem["detail"].as_str().expect("text");
    let words = "look before you send it again";
    assert_eq!(detail.contains(words), may_have_been_applied, "{detail}");
}

/// The gateway's log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::set_default(subscriber.with(log_filter()))
    }

    pub fn take(&self) -> String {
        let log = std::mem::take(&mut *self.0.lock().expect("no panic"));
        String::from_utf8(log).expect("UTF-8")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().expect("no panic"), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
