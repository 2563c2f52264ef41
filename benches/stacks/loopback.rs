//! The same comparison over a socket: a hyper server on this machine, 32 sending tasks, and common
//! clients.

use std::{convert::Infallible, net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use reqwest_middleware::ClientBuilder;
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use revio_status::{ReplayBody, RevioStatusLayer};
use tokio::{net::TcpListener, task::JoinSet};
use tower::{Layer, Service, ServiceExt};

use super::{Scenario, Sent, Template, peers};

const TASKS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stack {
    HyperUtil,
    Layer,
    NeverRetry,
    TowerRetry,
    Reqwest,
    ReqwestRetry,
}

impl Stack {
    pub const ALL: [Self; 6] = [
        Self::HyperUtil,
        Self::Layer,
        Self::NeverRetry,
        Self::TowerRetry,
        Self::Reqwest,
        Self::ReqwestRetry,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::HyperUtil => "hyper-util",
            Self::Layer => "hyper-util + **revio-status**",
            Self::NeverRetry => "hyper-util + **revio-status**, `never_retry`",
            Self::TowerRetry => "hyper-util + tower `retry` + `TpsBudget`",
            Self::Reqwest => "reqwest",
            Self::ReqwestRetry => "reqwest + reqwest-retry",
        }
    }

    /// Sends GETs to this server, from 32 tasks.
    pub async fn run(self, base: &str, count: usize) {
        match self {
            Self::HyperUtil => spread(client::<Full<Bytes>>(), base, count).await,
            Self::Layer => {
                let layer = RevioStatusLayer::new();
                spread(layer.layer(client::<ReplayBody<_>>()), base, count).await;
            }
            Self::NeverRetry => {
                let layer = RevioStatusLayer::new().never_retry();
                spread(layer.layer(client::<ReplayBody<_>>()), base, count).await;
            }
            Self::TowerRetry => {
                let service = peers::tower_retry(Scenario::Get, client::<Full<Bytes>>());
                spread(service, base, count).await;
            }
            Self::Reqwest => {
                let client = reqwest_client();
                spread_reqwest(base, count, move |request| {
                    let client = client.clone();
                    async move { client.execute(request).await.expect("an answer") }
                })
                .await;
            }
            Self::ReqwestRetry => {
                let policy = ExponentialBackoff::builder().build_with_max_retries(3);
                let client = ClientBuilder::new(reqwest_client())
                    .with(RetryTransientMiddleware::new_with_policy(policy))
                    .build();
                spread_reqwest(base, count, move |request| {
                    let client = client.clone();
                    async move { client.execute(request).await.expect("an answer") }
                })
                .await;
            }
        }
    }
}

fn client<B>() -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(Duration::from_secs(10)));
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Starts the server, which ends with the runtime, and returns its address.
pub async fn serve() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket");
            let connection = http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    base
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Bytes::from_static(br#"{"ok": true, "id": 11027}"#);
    Ok(Response::new(Full::new(body)))
}

async fn spread<S>(service: S, base: &str, count: usize)
where
    S: Service<Sent, Response = Response<Incoming>, Error: std::fmt::Debug, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let mut service = service.clone();
        let mut template = Template::new(Scenario::Get).to(base);
        tasks.spawn(async move {
            for _ in 0..count / TASKS {
                let ready = service.ready().await.expect("a client");
                let response = ready.call(template.request()).await.expect("an answer");
                response.into_body().collect().await.expect("a body");
            }
        });
    }
    tasks.join_all().await;
}

fn reqwest_client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("valid")
}

async fn spread_reqwest<F>(
    base: &str,
    count: usize,
    execute: impl Fn(reqwest::Request) -> F + Clone + Send + 'static,
) where
    F: Future<Output = reqwest::Response> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let execute = execute.clone();
        let mut template = Template::new(Scenario::Get).to(base);
        let url = reqwest::Url::parse(&template.request().uri().to_string()).expect("valid");
        tasks.spawn(async move {
            for _ in 0..count / TASKS {
                let (head, _) = template.request().into_parts();
                let mut request = reqwest::Request::new(head.method, url.clone());
                *request.headers_mut() = head.headers;
                let response = execute(request).await;
                response.bytes().await.expect("a body");
            }
        });
    }
    tasks.join_all().await;
}
