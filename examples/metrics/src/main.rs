//! Sends three requests to a busy server of its own, then prints the metrics page.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
};

use http::{Method, Request, Response, header::RETRY_AFTER};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use metrics_example::{Page, attempt, record};
use revio_status::{BoxError, Budget, RevioStatusLayer};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let budget = Budget::default();
    let page = Page::install(budget.clone())?;
    let http = Client::builder(TokioExecutor::new());
    let client = ServiceBuilder::new()
        .layer(RevioStatusLayer::new().budget(budget).on_event(record))
        .map_request(attempt) // sees each attempt
        .service(http.build_http());

    let api = serve(busy).await?;
    for method in [Method::GET, Method::GET, Method::POST] {
        let request = Request::builder().method(&method);
        let request = request.uri(format!("http://{api}/v1/Customers"));
        match client
            .clone()
            .oneshot(request.body(Empty::<Bytes>::new())?)
            .await
        {
            Ok(response) => println!("{method}: {}", response.status()),
            Err(error) => println!("{method}: {error}"),
        }
    }

    let metrics = serve(move |_| page.response()).await?;
    let request = Request::get(format!("http://{metrics}/metrics"));
    let prometheus = http.build_http::<Empty<Bytes>>();
    let response = prometheus.request(request.body(Empty::new())?).await?;
    let page = response.into_body().collect().await?.to_bytes();
    println!("\n{}", String::from_utf8_lossy(&page).trim_end());
    Ok(())
}

/// Starts a server that ends with the runtime.
async fn serve<H>(handler: H) -> io::Result<SocketAddr>
where
    H: Fn(Request<Incoming>) -> Response<String> + Clone + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handler = handler.clone();
            let service = service_fn(move |request| {
                let response = handler(request);
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

/// Responds to each call with the next status of a script.
fn busy(_: Request<Incoming>) -> Response<String> {
    const SCRIPT: [u16; 6] = [503, 200, 503, 504, 503, 504];
    static COUNT: AtomicUsize = AtomicUsize::new(0);

    let mut response = Response::new(String::new());
    let status = SCRIPT[COUNT.fetch_add(1, Ordering::Relaxed)];
    *response.status_mut() = status.try_into().expect("a status");
    response.headers_mut().insert(RETRY_AFTER, 1.into());
    response
}
