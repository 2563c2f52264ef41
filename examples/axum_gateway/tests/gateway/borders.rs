//! What crosses the gateway, and what never does: credentials, headers, paths.

use std::{
    env,
    sync::{Arc, Mutex},
};

use http::{
    HeaderMap, HeaderName, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE},
};
use http_body_util::Full;
use revio_status::{Decision, StopReason, policy_fn};

use crate::{
    desk::{Desk, KEY, SECRET, answer, operation, plain, upstream},
    support::{any_body, hasty, wire::Server},
    tls,
};
use axum_gateway::check_base;

/// `user@client:upstream-secret`, in Base64.
const BASIC: &str = "Basic dXNlckBjbGllbnQ6dXBzdHJlYW0tc2VjcmV0";

#[tokio::test]
async fn a_good_answer_comes_through_without_the_headers_that_are_not_for_users() {
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
    let desk = Desk::open(hasty(), [answer(200, &headers, r#"{"id": 7}"#)]).await;
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
async fn the_api_gets_our_credentials_and_of_the_users_headers_the_content_type_alone() {
    let desk = Desk::open(hasty(), [200, 201].map(plain)).await;
    for (method, path) in [(Method::GET, "/customers/7"), (Method::POST, "/notes")] {
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
    // A GET's body stays here as well.
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
async fn no_id_leads_the_api_to_anything_but_a_customer() {
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
async fn our_credentials_are_marked_sensitive() {
    let marks = Arc::new(Mutex::new(Vec::new()));
    let seen = marks.clone();
    let spy = policy_fn(move |attempt| {
        let headers = &attempt.request().headers;
        let is_sensitive = [AUTHORIZATION.as_str(), KEY].map(|name| headers[name].is_sensitive());
        seen.lock().expect("no panic").push(is_sensitive);
        Decision::Stop(StopReason::StoppedByPolicy)
    });
    let layer = hasty().policy(spy);
    let desk = Desk::open(layer, [503].map(plain)).await;
    desk.get("/customers/7").await;
    assert_eq!(*marks.lock().expect("no panic"), [[true, true]]);
}

#[tokio::test]
async fn a_wrong_base_url_is_found_at_the_start() {
    for base in [
        "",
        "/v1",
        "api.test",
        "ftp://localhost",
        "http://api.test",
        "http://192.0.2.1",
        "http://localhost.api.test",
        "http://localhost@api.test",
        "http://localhost?a",
        "http://localhost?",
        "http://localhost#a",
        "http://localhost/#",
        "http://user@localhost",
        "http://@localhost",
        "https://user:password@api.test",
        "https://api.test/v1?a",
        "https://api.test#a",
    ] {
        assert!(upstream(hasty(), base).is_err(), "{base}");
    }
    for (base, scheme) in [
        ("http://localhost:8080", "http"),
        ("http://127.0.0.2/", "http"),
        ("http://[::1]:8080/rev", "http"),
        ("https://localhost", "https"),
        ("https://api.test:8443/rev/", "https"),
    ] {
        assert_eq!(check_base(base).expect(base).as_str(), scheme);
    }
}

/// Where the API is, for a gateway in a process of its own.
const BASE: &str = "REVIO_STATUS_TEST_BASE";

#[tokio::test]
async fn over_tls_the_api_is_called_if_it_is_trusted() {
    if let Ok(base) = env::var(BASE) {
        let desk = Desk::before(hasty(), &base).await;
        let (head, body) = desk.send(desk.request(Method::POST, "/notes")).await;
        return println!("{} {body}", head.status);
    }
    let (host, stranger) = (tls::new_host(), tls::new_host());
    let certificates = [&host, &stranger].map(|it| it.cert.pem());
    let api = Server::start(async |_| answer(201, &[], "saved")).await;
    let base = tls::in_front_of(&api.uri(""), host).await;
    let [trusting, distrustful] = certificates.map(|roots| {
        let test = "borders::over_tls_the_api_is_called_if_it_is_trusted";
        tls::in_a_process(test, [(BASE, &base)], roots)
    });

    let (_, text) = trusting.await;
    assert!(text.contains("201 Created saved\n"), "{text}");
    assert_eq!(api.connections(), 1);

    let (_, text) = distrustful.await;
    assert!(text.contains("502 Bad Gateway {"), "{text}");
    // There was no connection to send a note over.
    assert!(!text.contains("may_have_been_applied"), "{text}");
    assert_eq!(api.connections(), 1);
}
