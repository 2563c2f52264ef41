//! A desk to sit at: a user, the gateway before them, and the API behind it.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use http::{Method, Request, Response, header::CONTENT_TYPE, request, response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use revio_status::{BoxError, RetryPolicy, RevioStatusLayer};
use serde_json::Value;
use tokio::{net::TcpListener, time::timeout};

use crate::support::{
    AnyBody, any_body, no_body,
    wire::{self, Http, Server},
};
use axum_gateway::{Account, Upstream, gateway};

pub const KEY: &str = "ocp-apim-subscription-key";
/// What no user may ever read.
pub const SECRET: &str = "upstream-secret";

/// A user, the gateway, and the API with its script.
pub struct Desk {
    pub gateway: String,
    user: Client<HttpConnector, AnyBody>,
    received: Arc<Mutex<Vec<request::Parts>>>,
}

impl Desk {
    pub async fn open<P>(
        layer: RevioStatusLayer<P>,
        answers: impl IntoIterator<Item = Response<AnyBody>>,
    ) -> Self
    where
        P: RetryPolicy + Clone + Send + Sync + 'static,
    {
        let answers: VecDeque<_> = answers.into_iter().collect();
        let answers = Arc::new(Mutex::new(answers));
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = received.clone();
        let api = Server::start(move |request: Request<Incoming>| {
            let (answers, seen) = (answers.clone(), seen.clone());
            async move {
                let (head, body) = request.into_parts();
                body.collect().await.expect("a whole request");
                seen.lock().expect("no panic").push(head);
                let answer = answers.lock().expect("no panic").pop_front();
                answer.expect("one more answer")
            }
        })
        .await;
        Self {
            received,
            ..Self::before(layer, &api.uri("")).await
        }
    }

    /// Before an API of the test's own.
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
        self.user.request(request).await.expect("an answer")
    }

    pub async fn send(&self, request: Request<AnyBody>) -> (response::Parts, String) {
        bounded(async {
            let (head, body) = self.call(request).await.into_parts();
            let body = body.collect().await.expect("a whole answer").to_bytes();
            (head, String::from_utf8(body.into()).expect("text"))
        })
        .await
    }

    pub async fn get(&self, path: &str) -> (response::Parts, String) {
        self.send(self.request(Method::GET, path)).await
    }

    /// The answer, once it is known to be a problem.
    pub async fn problem(&self, method: Method, path: &str) -> (response::Parts, Value) {
        let (head, body) = self.send(self.request(method, path)).await;
        assert_eq!(head.headers[CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_str(&body).expect("JSON");
        // What programs tell problems apart by.
        let expected = match problem.get("may_have_been_applied") {
            Some(_) => "tag:example.com,2026:unknown-outcome",
            None => "about:blank",
        };
        assert_eq!(problem["type"], expected);
        for member in ["title", "detail"] {
            assert!(problem[member].is_string(), "{member}: {problem}");
        }
        assert_eq!(problem["status"], head.status.as_u16());
        (head, problem)
    }

    /// What the API received.
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

/// What hangs, fails. On the paused clock that is soon.
pub async fn bounded<F: Future>(test: F) -> F::Output {
    const MINUTES: Duration = Duration::from_secs(180);
    timeout(MINUTES, test).await.expect("it hangs")
}

pub fn answer(status: u16, headers: &[(&str, &str)], text: &'static str) -> Response<AnyBody> {
    let builder = Response::builder().status(status);
    let builder = headers.iter().fold(builder, |builder, (name, value)| {
        builder.header(*name, *value)
    });
    builder.body(any_body(Full::from(text))).expect("valid")
}

pub fn plain(status: u16) -> Response<AnyBody> {
    answer(status, &[], "")
}

pub fn operation(head: &request::Parts) -> String {
    format!("{} {}", head.method, head.uri)
}

pub fn assert_outcome(problem: &Value, may_have_been_applied: bool) {
    let is_told = problem
        .get("may_have_been_applied")
        .is_some_and(|v| v == true);
    assert_eq!(is_told, may_have_been_applied, "{problem}");
    // Nobody but programs reads the flag.
    let detail = problem["detail"].as_str().expect("text");
    let words = "look before you send it again";
    assert_eq!(detail.contains(words), may_have_been_applied, "{detail}");
}
