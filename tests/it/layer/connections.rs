//! Error bodies over real connections: what is kept of them, and whether the connection is reused.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use revio_status::{BoxError, Error, ReplayBody, RevioStatusLayer, StopReason};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{Layer, Service, ServiceExt};

use crate::support::{
    AnyBody, Refused, any_body,
    body::{Step, Steps, data},
    hasty, no_body,
    wire::{Counter, Http, Server, bounded, client, on_both, then},
};

/// Returns the largest number of connections that counts as reuse. Over HTTP/1.1 a second one may be
/// opened between the end of a body and the return of its connection to the pool.
fn few(http: Http) -> usize {
    match http {
        Http::One => 2,
        Http::Two => 1,
    }
}

/// Promise (load): Failures cost no connections.
#[tokio::test]
async fn failed_attempts_cost_no_connection() {
    on_both(async |http| {
        let count = Counter::default();
        let server = Server::start(move |_| {
            let late = [Step::Wait(Duration::from_millis(5)), data("busy")];
            let response = match count.add(1) % 2 {
                0 => response(503, Steps::new(late)),
                _ => response(200, Full::from("{}")),
            };
            async { response }
        })
        .await;
        let mut service = hasty().layer(client(http));
        for _ in 0..30 {
            let request = request(Method::GET, &server.uri("/"));
            let response = service.ready().await.expect("ready").call(request).await;
            let body = response.expect("the resend succeeds").collect().await;
            assert_eq!(body.expect("a whole body").to_bytes(), "{}");
        }
        let connections = server.connections();
        println!("{connections} connections");
        assert!(connections <= few(http), "{connections} connections");
    })
    .await;
}

#[tokio::test]
async fn error_body_at_limit_keeps_connection() {
    const BODY: &str = "exactly at the limit";
    on_both(async |http| {
        let count = Counter::default();
        let server = Server::start(move |_| {
            // With and without `Content-Length`.
            let response = match count.add(1) % 2 {
                0 => response(404, Full::from(BODY)),
                _ => response(404, Steps::chunks([&BODY[..7], &BODY[7..]])),
            };
            async { response }
        })
        .await;
        let layer = hasty().error_body_limit(BODY.len());
        let mut service = layer.layer(client(http));
        for _ in 0..10 {
            let request = request(Method::GET, &server.uri("/"));
            let response = service.ready().await.expect("ready").call(request).await;
            let error = response.refused();
            assert_eq!(error.body(), BODY);
            assert!(!error.is_body_truncated());
        }
        let connections = server.connections();
        assert!(connections <= few(http), "{connections} connections");
    })
    .await;
}

#[tokio::test]
async fn error_body_over_limit_is_truncated() {
    on_both(async |http| {
        let server = Server::start(async |_| response(404, Full::from("12345"))).await;
        let layer = hasty().error_body_limit(4);
        let error = send(layer, client(http), &server).await.refused();
        assert_eq!(error.body(), "1234");
        assert!(error.is_body_truncated());
    })
    .await;
}

#[tokio::test]
async fn endless_error_body_is_dropped_at_limit() {
    on_both(async |http| {
        let gone = Counter::default();
        let held = gone.clone();
        let server = Server::start(move |_| {
            let held = OnDrop(held.clone());
            let endless = Steps::forever([data("0123456789"), Step::Yield]);
            let endless = endless.map_frame(move |frame| {
                let _ = &held;
                frame
            });
            async { response(503, endless) }
        })
        .await;
        let layer = hasty().error_body_limit(1005);
        let error = send(layer, client(http), &server).await.refused();
        assert_eq!(error.body(), &b"0123456789".repeat(101)[..1005]);
        assert!(error.is_body_truncated());
        // The endless body does not stop the retries.
        assert_eq!(error.stop_reason(), StopReason::AttemptsExhausted);
        gone.reaches(3).await;
        assert!(http == Http::One || server.connections() == 1);
    })
    .await;
}

#[tokio::test]
async fn slow_error_body_ends_at_timeout() {
    on_both(async |http| {
        let server = Server::start(async |_| {
            let drip = [data("."), Step::Wait(Duration::from_millis(1))];
            response(500, Steps::forever(drip))
        })
        .await;
        let arrived = Counter::default();
        let layer = hasty().error_body_timeout(Duration::from_millis(50));
        let error = send(layer, tapped(http, &arrived), &server).await.refused();
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(error.is_body_truncated());
        // Exactly the bytes that came in time.
        assert_eq!(error.body(), &b".".repeat(arrived.get()));
    })
    .await;
}

#[tokio::test]
async fn stalled_error_body_ends_at_timeout() {
    on_both(async |http| {
        let server = Server::start(async |_| response(404, Steps::new([Step::Hang]))).await;
        let layer = hasty().error_body_timeout(Duration::from_millis(50));
        let error = send(layer, client(http), &server).await.refused();
        assert_eq!(error.status(), StatusCode::NOT_FOUND);
        assert!(error.is_body_truncated() && error.body().is_empty());
    })
    .await;
}

#[tokio::test]
async fn failing_error_body_keeps_received_part() {
    on_both(async |http| {
        let arrived = Counter::default();
        let reached = arrived.clone();
        let server = Server::start(move |_| {
            let broken = Steps::new([Step::Fail("a server error")]);
            let body = then(Steps::chunks(["half a "]), reached.reaches(7), broken);
            async { response(500, body) }
        })
        .await;
        let error = send(hasty(), tapped(http, &arrived), &server)
            .await
            .refused();
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error.headers()["x-request-id"], "4711");
        assert_eq!(error.body(), "half a ");
        assert!(error.is_body_truncated());
    })
    .await;
}

#[tokio::test]
async fn reset_error_body_keeps_received_part() {
    bounded(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        let uri = format!("http://{}/", listener.local_addr().expect("bound"));
        let arrived = Counter::default();
        let reached = arrived.reaches(7);
        let server = async {
            let (mut stream, _) = listener.accept().await?;
            let _ = stream.read(&mut [0; 1024]).await?;
            let response =
                "HTTP/1.1 500 Oops\r\nx-request-id: 4711\r\ncontent-length: 11\r\n\r\nhalf a ";
            stream.write_all(response.as_bytes()).await?;
            reached.await;
            stream.set_zero_linger()?; // the drop resets the connection
            io::Result::Ok(())
        };
        let service = hasty().layer(tapped(Http::One, &arrived));
        let (result, served) = tokio::join!(service.oneshot(request(Method::GET, &uri)), server);
        served.expect("no error in the server");
        let error = result.refused();
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error.headers()["x-request-id"], "4711");
        assert_eq!(error.body(), "half a ");
        assert!(error.is_body_truncated());
    })
    .await;
}

#[tokio::test]
async fn head_request_waits_for_no_body() {
    on_both(async |http| {
        let server = Server::start(async |_| {
            let mut response = response(503, no_body());
            response.headers_mut().insert(CONTENT_LENGTH, 4.into());
            response
        })
        .await;
        let mut service = hasty().layer(client(http));
        for _ in 0..5 {
            let request = request(Method::HEAD, &server.uri("/"));
            let response = service.ready().await.expect("ready").call(request).await;
            let error = response.refused();
            assert_eq!(error.attempts(), 3);
            assert_eq!(error.headers()[CONTENT_LENGTH], "4");
            assert!(error.body().is_empty() && !error.is_body_truncated());
        }
        let connections = server.connections();
        assert!(connections <= few(http), "{connections} connections");
    })
    .await;
}

fn request(method: Method, uri: &str) -> Request<AnyBody> {
    let request = Request::builder().method(method).uri(uri);
    request.body(no_body()).expect("a valid request")
}

fn response<B>(status: u16, body: B) -> Response<AnyBody>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    let response = Response::builder().status(status);
    let response = response.header("x-request-id", "4711");
    response.body(any_body(body)).expect("a valid response")
}

async fn send<S, R>(
    layer: RevioStatusLayer,
    inner: S,
    server: &Server,
) -> Result<Response<R>, Error>
where
    S: Service<Request<ReplayBody<AnyBody>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
{
    let request = request(Method::GET, &server.uri("/"));
    layer.layer(inner).oneshot(request).await
}

/// Returns a client that counts the bytes of response bodies.
fn tapped(
    http: Http,
    count: &Counter,
) -> impl Service<
    Request<ReplayBody<AnyBody>>,
    Response = Response<impl Body + use<>>,
    Error: Into<BoxError>,
> + Clone
+ use<> {
    let count = count.clone();
    client::<ReplayBody<AnyBody>>(http).map_response(move |response: Response<Incoming>| {
        response.map(|body| {
            body.map_frame(move |frame| {
                count.add(frame.data_ref().map_or(0, Bytes::len));
                frame
            })
        })
    })
}

struct OnDrop(Counter);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(1);
    }
}
