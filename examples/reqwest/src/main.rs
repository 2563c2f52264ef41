//! Sends two requests to a server of its own that responds to every first attempt with 503.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use reqwest::{Body, Client};
use reqwest_example::Api;
use revio_status::{BoxError, RevioStatusLayer};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let uri = format!("http://{}/v1/Customers/1001", serve().await?);
    let direct = Client::builder().no_proxy(); // ignores HTTP_PROXY
    let api = Api::new(RevioStatusLayer::new(), direct)?;

    show(api.send(api.http.get(&uri)).await?).await?;

    // The body is recorded while it streams; the resend carries the same bytes.
    let pieces = [r#"{"line_1": "1 Main"#, r#" St", "city": "#, r#""Macon"}"#];
    let pieces = stream::iter(pieces).map(Ok::<_, Infallible>);
    let put = api.http.put(&uri).body(Body::wrap_stream(pieces));
    show(api.send(put).await?).await
}

async fn show(response: reqwest::Response) -> Result<(), BoxError> {
    println!("{}: {}", response.status(), response.text().await?);
    Ok(())
}

/// Starts the server, which ends with the runtime.
async fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service_fn(respond)));
        }
    });
    Ok(address)
}

/// Responds with 503 and 200 in turns.
async fn respond(request: Request<Incoming>) -> Result<Response<String>, BoxError> {
    static IS_BUSY: AtomicBool = AtomicBool::new(true);

    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    println!("  {} {} {body:?}", head.method, head.uri);
    let response = Response::builder();
    Ok(match IS_BUSY.fetch_not(Ordering::Relaxed) {
        true => response
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .header(RETRY_AFTER, 0)
            .body("Too many requests.".into()),
        false => response.body(r#"{"ok": true, "id": 1001}"#.into()),
    }?)
}
