//! A real HTTP server on loopback, real clients, and a body that waits for an event.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyStream, StreamBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use revio_status::BoxError;
use tokio::{net::TcpListener, sync::watch};

use super::{AnyBody, any_body};

/// A server that speaks HTTP/1.1 and HTTP/2 and counts its connections. It ends with the runtime.
pub struct Server {
    pub address: SocketAddr,
    connections: Counter,
}

impl Server {
    pub async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<AnyBody>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        Self::on(listener, handler)
    }

    pub fn on<H, F>(listener: TcpListener, handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<AnyBody>> + Send + 'static,
    {
        let address = listener.local_addr().expect("bound");
        let connections = Counter::default();
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.add(1);
                // Without it, small writes wait for delayed acknowledgements.
                let _ = stream.set_nodelay(true);
                let handler = handler.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let response = handler(request);
                        async move { Ok::<_, std::convert::Infallible>(response.await) }
                    });
                    // Some tests drop their client early.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            connections,
        }
    }

    pub fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.connections.get()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Http {
    One,
    Two,
}

/// Returns a hyper-util client that speaks this version alone.
pub fn client<B>(http: Http) -> Client<HttpConnector, B>
where
    B: Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .http2_only(http == Http::Two)
        .build(connector)
}

/// Runs a test over HTTP/1.1 and over HTTP/2.
pub async fn on_both(test: impl AsyncFn(Http)) {
    for http in [Http::One, Http::Two] {
        println!("over {http:?}"); // shown if the test fails
        bounded(test(http)).await;
    }
}

/// Panics after 10 s instead of hanging.
pub async fn bounded<F: Future>(test: F) -> F::Output {
    let time = Duration::from_secs(10);
    tokio::time::timeout(time, test).await.expect("no hang")
}

/// A growing number that tasks can wait for.
#[derive(Clone)]
pub struct Counter(Arc<watch::Sender<usize>>);

impl Default for Counter {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Counter {
    /// Adds to the number, and returns its old value.
    pub fn add(&self, more: usize) -> usize {
        let mut before = 0;
        self.0.send_modify(|number| {
            before = *number;
            *number += more;
        });
        before
    }

    pub fn get(&self) -> usize {
        *self.0.borrow()
    }

    pub fn reaches(&self, goal: usize) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut receiver = self.0.subscribe();
        async move {
            let _ = receiver.wait_for(|number| *number >= goal).await;
        }
    }
}

/// Returns `first` followed by `second`, which starts after `gate`. The length is unknown.
pub fn then<A, G, B>(first: A, gate: G, second: B) -> AnyBody
where
    A: Body<Data = Bytes, Error = BoxError> + Send + Sync + 'static,
    G: Future<Output = ()> + Send + Sync + 'static,
    B: Body<Data = Bytes, Error = BoxError> + Send + Sync + 'static,
{
    let second = stream::once(gate.map(|()| BodyStream::new(second))).flatten();
    any_body(StreamBody::new(BodyStream::new(first).chain(second)))
}
