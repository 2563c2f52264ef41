//! Requests and responses with axum's body, which is `Send` but not `Sync`.

use crate::support::{self, wire::Server};
use axum::body::Body;
use http::{Request, StatusCode};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use revio_status::{BoxError, RevioStatusLayer};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::test]
async fn axum_body_needs_no_annotation() -> Result<(), BoxError> {
    let server = Server::start(async |_| http::Response::new(support::no_body())).await;
    let client = ServiceBuilder::new()
        .layer(RevioStatusLayer::new())
        .service(Client::builder(TokioExecutor::new()).build_http());
    let request = Request::post(server.uri("/v1/Notes")).body(Body::from("{}"))?;
    let response = client.clone().oneshot(request).await?;
    let response: http::Response<Body> = response.map(Body::new);
    assert_eq!(response.status(), StatusCode::OK);
    let request = Request::get(server.uri("/v1/Notes")).body(Body::empty())?;
    client.oneshot(request).await?;
    Ok(())
}
