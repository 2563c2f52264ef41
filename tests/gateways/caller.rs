//! A client of one gateway.

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use revio_status::{Error, RevioStatusLayer, StatusError, StatusKind};
use tower::{Layer, Service, ServiceExt};

use super::{
    process::Gateway,
    support::{
        Refused, hasty,
        wire::{Counter, Http, bounded},
    },
};

/// A client that counts its connections.
pub struct Caller<'a> {
    gateway: &'a Gateway,
    http: Http,
    layer: RevioStatusLayer,
    pub connections: Counter,
}

impl<'a> Caller<'a> {
    pub fn new(gateway: &'a Gateway, http: Http) -> Self {
        Self::with(gateway, http, hasty())
    }

    pub fn with(gateway: &'a Gateway, http: Http, layer: RevioStatusLayer) -> Self {
        Self {
            gateway,
            http,
            layer,
            connections: Counter::default(),
        }
    }

    /// Sends these requests in turn over one client, and returns each result.
    pub async fn call<const N: usize>(
        &self,
        requests: [(Method, &str); N],
    ) -> [Result<u16, Error>; N] {
        self.send(requests, "{}".into()).await
    }

    /// Like `call`, with this body.
    pub async fn send<const N: usize>(
        &self,
        requests: [(Method, &str); N],
        body: Bytes,
    ) -> [Result<u16, Error>; N] {
        let connections = self.connections.clone();
        let connector = HttpConnector::new().map_request(move |uri: Uri| {
            connections.add(1);
            uri
        });
        let client = Client::builder(TokioExecutor::new())
            .http2_only(self.http == Http::Two)
            .build(connector);
        let mut service = self.layer.layer(client);
        let port = self.gateway.ports[usize::from(self.http == Http::Two)];
        let mut results = Vec::new();
        for (method, path) in requests {
            let request = Request::builder()
                .method(method)
                .uri(format!("http://127.0.0.1:{port}{path}"))
                .body(Full::new(body.clone()))
                .expect("valid");
            let response = async { service.ready().await?.call(request).await };
            let result = bounded(response).await;
            results.push(result.map(|response| response.status().as_u16()));
        }
        results.try_into().expect("as many as were sent")
    }

    pub async fn refused(&self, method: Method, path: &str) -> StatusError {
        println!("{method} {path}"); // seen when the test fails
        let [result] = self.call([(method, path)]).await;
        result.refused()
    }
}

#[track_caller]
pub fn assert_error<'a>(
    error: &'a StatusError,
    kind: StatusKind,
    message: impl Into<Option<&'a str>>,
    attempts: u32,
) {
    let got = (error.kind(), error.message(), error.attempts());
    assert_eq!(got, (kind, message.into(), attempts), "{error}");
}

/// Asserts that a refused upload is sent once. The client gets a 413, or loses the connection before
/// it reads the response.
pub async fn assert_upload_refused(caller: &Caller<'_>, path: &str) {
    let body = Bytes::from(vec![0; 4 << 20]);
    for method in [Method::POST, Method::PUT] {
        println!("{method} {path} over {:?}", caller.http);
        let [result] = caller.send([(method, path)], body.clone()).await;
        let error = result.expect_err("too much");
        let status = error.status_error().map(|error| error.status().as_u16());
        assert!(matches!(status, Some(413) | None), "{error}");
        assert_eq!(error.attempts(), 1, "{error}");
        assert_eq!(error.may_have_been_applied(), status.is_none(), "{error}");
    }
}
