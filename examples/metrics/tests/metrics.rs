//! The metrics page, compared with the requests that were sent.

#[path = "../../../tests/support/mod.rs"]
mod support;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{
    Method, Request, Response,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full};
use metrics_example::{Page, attempt, record};
use revio_status::{Backoff, Budget, Error, StandardPolicy};
use support::{
    AnyBody, any_body, layer, no_body,
    wire::{Counter, Http, Server, bounded, client},
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

/// One test for everything, because a process has one recorder.
#[tokio::test(start_paused = true)]
async fn page_counts_every_event() {
    let budget = Budget::default();
    let page = Page::install(budget.clone()).expect("the first");
    let policy = StandardPolicy::default()
        .backoff(Backoff::none())
        .retry_transient();
    let layer = layer().policy(policy).budget(budget).on_event(record);
    let service = ServiceBuilder::new()
        .layer(layer)
        .map_request(attempt)
        .service(client(Http::One));

    // A GET succeeds at the third attempt, a GET is given up, a POST gets a 504, a GET a 404.
    let script = [503, 504, 200, 503, 503, 503, 504, 404];
    let received = Counter::default();
    let counter = received.clone();
    let api = Server::start(move |_| {
        let status = script[counter.add(1)];
        async move { respond(status) }
    })
    .await;
    let secret = api.uri("/v1/Secret");
    for method in [Method::GET, Method::GET, Method::POST, Method::GET] {
        let _ = send(&service, method, &secret).await;
    }
    assert_eq!(received.get(), script.len());

    let (lost, hang_ups) = hanging_up().await;
    send(&service, Method::GET, &lost).await.expect_err("lost");
    send(&service, Method::POST, &lost).await.expect_err("lost");
    assert_eq!(hang_ups.get(), 4);

    // Bound, so that the port is not reused, but not listening.
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let refused = format!("http://{}", closed.local_addr().expect("bound"));
    let result = send(&service, Method::POST, &refused).await;
    assert_eq!(result.expect_err("refused").attempts(), 3);

    // The first POST of each layer starts a cool-down. The second is refused, or held.
    let api = Server::start(async |_| respond(429)).await;
    let uri = api.uri("");
    let refusing = StandardPolicy::default().max_hold(Duration::ZERO);
    let layer = support::layer().policy(refusing).on_event(record);
    let refused_client = layer.layer(client(Http::One));
    for _ in 0..2 {
        let _ = send(&refused_client, Method::POST, &uri).await;
    }
    let layer = support::layer().no_budget().on_event(record);
    let holding = layer.layer(client(Http::One));
    for _ in 0..2 {
        let _ = send(&holding, Method::POST, &uri).await;
    }

    let page = Server::start(move |_| {
        let page = page.response();
        async { page.map(|page| any_body(Full::from(page))) }
    })
    .await;
    let values = scrape(&page.uri("/metrics")).await;
    let expected = [
        ("revio_attempts_total", 8 + 4 + 3),
        (r#"revio_retries_total{status="503"}"#, 3),
        (r#"revio_retries_total{status="504"}"#, 1),
        (r#"revio_retries_total{status="no_response"}"#, 2),
        (r#"revio_retries_total{status="unsent"}"#, 2),
        (
            r#"revio_given_up_total{stop_reason="attempts_exhausted"}"#,
            3,
        ),
        (r#"revio_given_up_total{stop_reason="not_idempotent"}"#, 2),
        (r#"revio_retry_delay_seconds_bucket{le="0.1"}"#, 4), // no Retry-After
        (r#"revio_retry_delay_seconds_bucket{le="1"}"#, 4),
        (r#"revio_retry_delay_seconds_bucket{le="5"}"#, 8),
        ("revio_retry_delay_seconds_sum", 4 * 2),
        ("revio_retry_delay_seconds_count", 8),
        ("revio_budget_available_retries", 100 - 8),
        (r#"revio_cooldowns_total{status="429"}"#, 3),
        ("revio_holds_total", 1),
        ("revio_refused_total", 1),
        (r#"revio_given_up_total{stop_reason="cooling_down"}"#, 1),
    ];
    for (name, value) in expected {
        assert_eq!(
            values.get(name),
            Some(&f64::from(value)),
            "{name}: {values:#?}"
        );
    }
    assert!(!format!("{values:?}").contains("Secret"));
}

async fn send<S, B>(service: &S, method: Method, uri: &str) -> Result<Response<B>, Error>
where
    S: Service<Request<AnyBody>, Response = Response<B>, Error = Error> + Clone,
{
    let request = Request::builder().method(method).uri(uri).body(no_body());
    let request = request.expect("a valid request");
    bounded(service.clone().oneshot(request)).await
}

/// Returns each series of the page with its value.
async fn scrape(uri: &str) -> BTreeMap<String, f64> {
    let request = Request::get(uri).body(no_body()).expect("valid");
    let response = bounded(client(Http::One).request(request)).await;
    let (head, body) = response.expect("a response").into_parts();
    assert_eq!(head.headers[CONTENT_TYPE], "text/plain; version=0.0.4");
    let body: Bytes = body.collect().await.expect("a whole page").to_bytes();
    let text = std::str::from_utf8(&body).expect("UTF-8");
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let values = lines.map(|line| line.rsplit_once(' ').expect("a value"));
    let values = values.map(|(name, value)| (name.into(), value.parse().expect("a number")));
    values.collect()
}

/// Starts a server that reads each request and closes the connection; counts the connections.
async fn hanging_up() -> (String, Counter) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let uri = format!("http://{}", listener.local_addr().expect("bound"));
    let count = Counter::default();
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            counter.add(1);
        }
    });
    (uri, count)
}

fn respond(status: u16) -> Response<AnyBody> {
    let response = Response::builder().status(status).header(RETRY_AFTER, 2);
    response.body(no_body()).expect("a valid response")
}
