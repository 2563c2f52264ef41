//! What passes through: bodies as they stream, five response headers, our credentials.

use std::{
    iter::repeat_n,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum_gateway::{gateway, metrics_page};
use http::{
    HeaderMap, HeaderName, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE},
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use metrics_example::{Page, record};
use revio_status::{Budget, Decision, StopReason, policy_fn};
use tokio::time::Instant;

use crate::{
    desk::{Desk, KEY, ROUTES, SECRET, bounded, operation, plain, response, upstream},
    support::{
        any_body,
        body::{Step, Steps, data},
        hasty,
        wire::{Counter, Server, then},
    },
};

/// `user@client:upstream-secret`, in Base64.
const BASIC: &str = "Basic dXNlckBjbGllbnQ6dXBzdHJlYW0tc2VjcmV0";

#[tokio::test(start_paused = true)]
async fn silent_body_breaks_off_slow_body_does_not() {
    let silent = Steps::new([data("half of"), Step::Hang]);
    let part = [data("part "), Step::Wait(Duration::from_secs(29))];
    let slow = Steps::new(repeat_n(part, 5).flatten());
    let responses = [silent, slow].map(|body| Response::new(any_body(body)));
    let desk = Desk::open(hasty(), responses).await;

    let began = Instant::now();
    let response = desk.call(desk.request(Method::GET, "/customers/7")).await;
    assert!(bounded(response.into_body().collect()).await.is_err());
    assert_eq!(began.elapsed(), Duration::from_secs(30));

    let began = Instant::now();
    let (_, body) = desk.get("/customers/7").await;
    assert_eq!(body, "part ".repeat(5));
    assert_eq!(began.elapsed(), 5 * Duration::from_secs(29));
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let api = Server::start(async |request: Request<Incoming>| {
        let body = request.into_body();
        Response::new(any_body(body))
    })
    .await;
    let desk = Desk::before(hasty(), &api.uri("")).await;
    let echoed = Counter::default();
    let [first, second] = ["first", "second"].map(|text| any_body(Full::from(text)));
    let note = then(first, echoed.reaches(1), second);
    let request = desk.request(Method::POST, "/notes").map(|_| note);
    bounded(async {
        let mut body = desk.call(request).await.into_body();
        let frame = body.frame().await.expect("not the end").expect("whole");
        assert_eq!(frame.into_data().expect("data"), "first");
        echoed.add(1);
        let rest = body.collect().await.expect("whole").to_bytes();
        assert_eq!(rest, "second");
    })
    .await;
}

#[tokio::test]
async fn five_response_headers_pass() {
    let headers = [
        ("content-type", "application/json"),
        ("content-disposition", "inline"),
        ("content-encoding", "x-plain"),
        ("cache-control", "private"),
        ("connection", "x-hop"),
        ("x-hop", SECRET),
        ("keep-alive", "timeout=5"),
        ("set-cookie", SECRET),
        ("location", SECRET),
    ];
    let desk = Desk::open(hasty(), [response(200, &headers, r#"{"id": 7}"#)]).await;
    let (head, body) = desk.get("/customers/7").await;
    assert_eq!((head.status, &*body), (StatusCode::OK, r#"{"id": 7}"#));
    for (name, value) in &headers[..4] {
        assert_eq!(head.headers[*name], *value);
    }
    assert_eq!(head.headers[CONTENT_LENGTH], "9");
    let passed_on = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-length",
        "content-type",
        "date", // the gateway's own
    ];
    assert_eq!(names(&head.headers), passed_on);
}

#[tokio::test]
async fn api_receives_only_our_headers() {
    let desk = Desk::open(hasty(), [200, 201].map(plain)).await;
    for (method, path) in ROUTES {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}?api_key=theirs", desk.gateway))
            .header(AUTHORIZATION, "Bearer theirs")
            .header(KEY, "theirs")
            .header(COOKIE, "session=theirs")
            .header("idempotency-key", "theirs")
            .header("x-forwarded-for", "theirs")
            .header(CONTENT_TYPE, "application/json");
        let request = request.body(any_body(Full::from("a note")));
        desk.send(request.expect("valid")).await;
    }
    let [get, post] = desk.received().try_into().expect("two requests");
    assert_eq!(operation(&get), "GET /v1/Customers/7");
    assert_eq!(names(&get.headers), ["authorization", "host", KEY]);

    assert_eq!(operation(&post), "POST /v1/Notes");
    let expected = [
        "authorization",
        "content-length",
        "content-type",
        "host",
        KEY,
    ];
    assert_eq!(names(&post.headers), expected);
    for head in [get, post] {
        assert_eq!(head.headers[AUTHORIZATION], BASIC);
        assert_eq!(head.headers[KEY], SECRET);
    }
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn id_cannot_leave_its_segment() {
    let desk = Desk::open(hasty(), [200].map(plain)).await;
    for id in [
        "..%2FPayments",
        "%2E%2E",
        "7%2FNotes",
        "7%3Fa=b",
        "7%23",
        "7%0d%0aX-Evil:%201",
        "-7",
        "%FF",
        "18446744073709551616",
    ] {
        let path = format!("/customers/{id}");
        let (head, _) = desk.problem(Method::GET, &path).await;
        assert_eq!(head.status, 404, "{id}");
    }
    assert!(desk.received().is_empty());
    desk.get("/customers/%37").await;
    assert_eq!(operation(&desk.received()[0]), "GET /v1/Customers/7");
}

#[tokio::test]
async fn credentials_are_marked_sensitive() {
    let marks = Arc::new(Mutex::new(Vec::new()));
    let seen = marks.clone();
    let spy = policy_fn(move |attempt| {
        let headers = &attempt.request().headers;
        let is_sensitive = [AUTHORIZATION.as_str(), KEY].map(|name| headers[name].is_sensitive());
        seen.lock().expect("no panic").push(is_sensitive);
        Decision::Stop(StopReason::StoppedByPolicy)
    });
    let desk = Desk::open(hasty().policy(spy), [503].map(plain)).await;
    desk.get("/customers/7").await;
    assert_eq!(*marks.lock().expect("no panic"), [[true, true]]);
}

#[test]
fn base_url_is_checked() {
    for base in [
        "/v1",
        "ftp://localhost",
        "http://api.test",
        "http://localhost.api.test",
        "http://localhost@api.test",
    ] {
        assert!(upstream(hasty(), base).is_err(), "{base}");
    }
    for base in ["http://localhost:1", "http://[::1]/rev", "https://a.test/"] {
        assert!(upstream(hasty(), base).is_ok(), "{base}");
    }
}

#[tokio::test]
async fn metrics_page_counts_calls_of_the_api() {
    let budget = Budget::default();
    let page = Page::install(budget.clone()).expect("the first");
    let api = Server::start(async |_| response(503, &[], SECRET)).await;
    let upstream = upstream(hasty().budget(budget).on_event(record), &api.uri(""));
    let service = gateway(upstream.expect("a valid base")).merge(metrics_page(page));
    let desk = Desk::serve(service).await;
    for (method, path) in ROUTES {
        desk.problem(method, path).await;
    }
    let (head, page) = desk.get("/metrics").await;
    assert_eq!(head.headers[CONTENT_TYPE], "text/plain; version=0.0.4");
    for line in [
        r#"revio_retries_total{status="503"} 2"#,
        r#"revio_given_up_total{stop_reason="attempts_exhausted"} 1"#,
        r#"revio_given_up_total{stop_reason="not_idempotent"} 1"#,
        "revio_budget_available_retries 98",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}: {page}");
    }
    // The attempts of the other tests count too.
    let attempts = |line: &str| line.strip_prefix("revio_attempts_total ")?.parse().ok();
    assert!(page.lines().find_map(attempts) >= Some(4), "{page}");
}
