//! Sends the quickstart's requests and prints a row for each.

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{
    HeaderValue, Method, Request, Response,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full};
use revio_status::{Cooldown, Error, ServiceError};
use revio_status_limit::LimitLayer;
use tower::ServiceExt;

use crate::{
    ApiClient, Body, KEY, advice,
    server::Api,
    table::{Call, Table},
};

/// The server, the account's cool-down and limit, and the table of results.
pub struct Story {
    pub api: Api,
    pub cooldown: Cooldown,
    pub limit: LimitLayer,
    pub table: Table,
}

impl Story {
    pub async fn get(
        &mut self,
        client: &ApiClient,
        path: &str,
        promise: &str,
    ) -> http::Result<Call> {
        let request = self.request(Method::GET, path, "")?;
        Ok(self.send(client, request, promise).await)
    }

    pub async fn post(
        &mut self,
        client: &ApiClient,
        path: &str,
        json: &'static str,
        promise: &str,
    ) -> http::Result<Call> {
        let request = self.request(Method::POST, path, json)?;
        Ok(self.send(client, request, promise).await)
    }

    pub fn request(
        &self,
        method: Method,
        path: &str,
        json: &'static str,
    ) -> http::Result<Request<Body>> {
        Request::builder()
            .method(method)
            .uri(self.api.uri(path))
            .header(KEY, secret("a-dummy-key"))
            // `user@client:password`, in Base64.
            .header(AUTHORIZATION, secret("Basic dXNlckBjbGllbnQ6cGFzc3dvcmQ="))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(json).map_err(Into::into).boxed())
    }

    /// Sends a request and prints its row.
    pub async fn send(
        &mut self,
        client: &ApiClient,
        request: Request<Body>,
        promise: &str,
    ) -> Call {
        let mut call = call(client, request).await;
        call.received = self.api.take_received();
        self.table.row(&call, promise);
        call
    }

    /// Sends requests of different operations at the same time.
    pub async fn send_all(
        &mut self,
        client: &ApiClient,
        requests: impl Iterator<Item = Request<Body>>,
        promises: [&str; 3],
    ) -> Vec<Call> {
        let mut calls = join_all(requests.map(|request| call(client, request))).await;
        for received in self.api.take_received() {
            let mut calls = calls.iter_mut();
            let ours = calls.find(|call| call.operation == received.operation);
            ours.expect("only these were sent").received.push(received);
        }
        for (call, promise) in calls.iter().zip(promises) {
            self.table.row(call, promise);
        }
        calls
    }

    pub fn check(&mut self, call: &Call, is_kept: bool, promise: &str) {
        self.table.check(call, is_kept, promise);
    }
}

fn secret(text: &'static str) -> HeaderValue {
    let mut value = HeaderValue::from_static(text);
    value.set_sensitive(true);
    value
}

/// Sends one request. Returns what its caller knows afterwards.
async fn call(client: &ApiClient, request: Request<Body>) -> Call {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = Instant::now();
    let result = exchange(client, request).await;
    Call {
        operation: format!("{method} {path}"),
        waited: began.elapsed(),
        advice: result.as_ref().map_or_else(advice, |_| "continue".into()),
        result,
        received: Vec::new(),
    }
}

/// Sends one request and reads the whole response.
async fn exchange(client: &ApiClient, request: Request<Body>) -> Result<Response<Bytes>, Error> {
    let (head, body) = client.clone().oneshot(request).await?.into_parts();
    let body = body.collect().await.map_err(ServiceError::new)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
