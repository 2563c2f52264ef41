//! smol, over real sockets: a timer of a few lines, without a tokio runtime.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    rt::{Sleep, Timer},
    service::service_fn,
};
use revio_status::{Backoff, BoxError, ReplayBody, ResendCount, RevioStatusLayer, StandardPolicy};
use smol::net::{TcpListener, TcpStream};
use smol_hyper::rt::FuturesIo;
use tower::{Layer, Service, ServiceExt};

struct SmolTimer;

struct SmolSleep(smol::Timer);

impl Timer for SmolTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(SmolSleep(smol::Timer::after(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(SmolSleep(smol::Timer::at(deadline)))
    }
}

impl Sleep for SmolSleep {}

impl Future for SmolSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

/// A client that opens a connection for each request.
#[derive(Clone)]
struct Client(SocketAddr);

impl Service<Request<ReplayBody<Full<Bytes>>>> for Client {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReplayBody<Full<Bytes>>>) -> Self::Future {
        let address = self.0;
        Box::pin(async move {
            let stream = FuturesIo::new(TcpStream::connect(address).await?);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
            smol::spawn(connection).detach();
            Ok(sender.send_request(request).await?)
        })
    }
}

/// Returns 503 twice, then 200, each with the request's body.
async fn serve(listener: TcpListener) -> Result<(), BoxError> {
    let count = Arc::new(AtomicU32::new(0));
    loop {
        let (stream, _) = listener.accept().await?;
        let count = count.clone();
        let echo = service_fn(move |request: Request<Incoming>| {
            let is_early = count.fetch_add(1, SeqCst) < 2;
            async move {
                let body = request.into_body().collect().await.expect("a whole body");
                let mut response = Response::new(Full::new(body.to_bytes()));
                if is_early {
                    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    let wait = http::HeaderValue::from_static("1");
                    response.headers_mut().insert("retry-after-ms", wait);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(FuturesIo::new(stream), echo);
        smol::spawn(connection).detach();
    }
}

#[test]
fn put_on_smol_is_resent_with_body() -> Result<(), BoxError> {
    smol::block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        smol::spawn(serve(listener)).detach();

        let policy = StandardPolicy::default().backoff(Backoff::none());
        let layer = RevioStatusLayer::with_timer(SmolTimer).policy(policy);
        let request = Request::put("/v1/Notes/7")
            .header("host", address.to_string())
            .body(Full::from("the very same bytes"))?;
        let response = layer.layer(Client(address)).oneshot(request).await?;

        assert_eq!(response.extensions().get(), Some(&ResendCount(2)));
        let body = response.into_body().collect().await?.to_bytes();
        assert_eq!(body, "the very same bytes");
        Ok(())
    })
}
