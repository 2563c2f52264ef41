//! What the users of the axum example get to see, and what the API does: over real sockets.
#![cfg(all(feature = "tokio", feature = "json"))]

mod support;
#[path = "support/tls.rs"]
mod tls;

#[allow(dead_code)] // its `main`
#[path = "../examples/axum_gateway.rs"]
mod axum_gateway;

use std::{
    collections::VecDeque,
    env,
    future::{Future, pending},
    iter::repeat_n,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{
    HeaderMap, HeaderName, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, RETRY_AFTER},
    request, response,
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use revio_status::{BoxError, Decision, RetryPolicy, RevioStatusLayer, StopReason, policy_fn};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use axum_gateway::{Account, Upstream, check_base, gateway};
use support::{
    AnyBody, any_body,
    body::{Step, Steps, data},
    hasty, no_body,
    wire::{self, Counter, Http, Server, then},
};

const KEY: &str = "ocp-apim-subscription-key";
/// What no user may ever read.
const SECRET: &str = "upstream-secret";
/// `user@client:upstream-secret`, in Base64.
const BASIC: &str = "Basic dXNlckBjbGllbnQ6dXBzdHJlYW0tc2VjcmV0";

/// What hangs, fails. On the paused clock that is soon.
async fn bounded<F: Future>(test: F) -> F::Output {
    const MINUTES: Duration = Duration::from_secs(180);
    timeout(MINUTES, test).await.expect("it hangs")
}

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

#[tokio::test]
async fn every_failure_is_a_problem_of_our_own() {
    let table = [
        (302, 502),
        (400, 502),
        (401, 502),
        (403, 502),
        (404, 404),
        (405, 502),
        (418, 502),
        (429, 503),
        (500, 502),
        (501, 502),
        (503, 503),
        (504, 503),
    ];
    for (theirs, ours) in table {
        for (method, path) in [(Method::GET, "/customers/7"), (Method::POST, "/notes")] {
            println!("{method} {theirs}"); // seen when the test fails
            let headers = [
                ("www-authenticate", SECRET),
                ("set-cookie", SECRET),
                ("location", SECRET),
            ];
            let failures = (0..3).map(|_| answer(theirs, &headers, SECRET));
            let desk = Desk::open(hasty(), failures).await;
            let (head, problem) = desk.problem(method, path).await;
            assert_eq!(head.status, ours);
            assert_eq!(problem["status"], ours);
            assert_eq!(head.headers.contains_key(RETRY_AFTER), ours == 503);
            let seen = format!("{head:?} {problem}");
            assert!(!seen.contains(SECRET), "{seen}");
        }
    }
}

#[tokio::test]
async fn a_used_up_quota_is_not_a_matter_of_credentials() {
    let quota = answer(403, &[("retry-after", "1800")], SECRET);
    let desk = Desk::open(hasty(), [quota]).await;
    let (head, problem) = desk.problem(Method::GET, "/customers/7").await;
    assert_eq!(head.status, 503);
    assert_eq!(head.headers[RETRY_AFTER], "1800");
    assert_eq!(problem["title"], "Service Unavailable");
}

#[tokio::test]
async fn users_are_never_invited_earlier_than_the_api_wants() {
    for (name, theirs, ours) in [
        ("retry-after", "7", "7"),
        ("retry-after-ms", "7001", "8"),
        ("retry-after", "soon", "30"),
    ] {
        let busy = answer(429, &[(name, theirs)], "");
        let desk = Desk::open(hasty(), [busy]).await;
        let (head, _) = desk.problem(Method::GET, "/customers/7").await;
        assert_eq!(head.headers[RETRY_AFTER], ours, "{name}: {theirs}");
    }
}

#[tokio::test]
async fn a_get_is_resent_for_the_user() {
    let answers = [503, 504, 200].map(plain);
    let desk = Desk::open(hasty(), answers).await;
    let (head, _) = desk.get("/customers/7").await;
    assert_eq!(head.status, 200);
    assert_eq!(desk.received().len(), 3);
}

#[tokio::test]
async fn a_post_is_sent_once_and_its_problem_tells_who_may_not_just_repeat_it() {
    for (status, may_have_been_applied) in [
        (303, true),
        (400, false),
        (401, false),
        (404, false),
        (429, false),
        (500, true),
        (501, false),
        (503, true),
        (504, true),
    ] {
        println!("{status}"); // seen when the test fails
        let desk = Desk::open(hasty(), [status, 201].map(plain)).await;
        let (_, problem) = desk.problem(Method::POST, "/notes").await;
        assert_eq!(desk.received().len(), 1);
        assert_outcome(&problem, may_have_been_applied);
    }
}

#[tokio::test]
async fn a_failed_get_frightens_nobody() {
    let desk = Desk::open(hasty(), [500].map(plain)).await;
    let (_, problem) = desk.problem(Method::GET, "/customers/7").await;
    assert_outcome(&problem, false);
}

#[tokio::test]
async fn a_chunked_body_has_no_length_whatever_the_api_says() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let api = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 4096]).await.expect("a request");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\
            transfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n";
        stream.write_all(answer).await.expect("sent");
        stream
    };
    let desk = Desk::before(hasty(), &format!("http://{address}")).await;
    let ((head, body), _stream) = tokio::join!(desk.get("/customers/7"), api);
    assert_eq!((head.status, &*body), (StatusCode::OK, "whole"));
}

#[tokio::test]
async fn without_a_connection_it_is_a_bad_gateway_and_nothing_is_saved() {
    // Bound, so that nobody else gets the port, but not listening.
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let address = closed.local_addr().expect("bound");
    let desk = Desk::before(hasty(), &format!("http://{address}")).await;
    for (method, path) in [(Method::GET, "/customers/7"), (Method::POST, "/notes")] {
        let (head, problem) = desk.problem(method, path).await;
        assert_eq!(head.status, 502);
        assert_outcome(&problem, false);
        assert!(!problem.to_string().contains(&address.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_come_about_is_known_to_have_saved_nothing() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("bound");
    // Nobody is let in, and soon nobody gets an answer.
    let mut queue = Vec::new();
    while let Ok(stream) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
        queue.push(stream.expect("a place in the queue"));
    }
    let desk = Desk::before(hasty(), &format!("http://{address}")).await;
    let began = Instant::now();
    let (head, problem) = desk.problem(Method::POST, "/notes").await;
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(head.status, 502);
    assert_outcome(&problem, false);
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_bad_gateway_and_a_note_may_be_saved() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let desk = Desk::before(hasty(), &format!("http://{address}")).await;
    for (method, path, is_post) in [
        (Method::GET, "/customers/7", false),
        (Method::POST, "/notes", true),
    ] {
        let (head, problem) = desk.problem(method, path).await;
        assert_eq!(head.status, 502);
        assert_outcome(&problem, is_post);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_waits_ten_seconds_for_its_answer() {
    let mute = Server::start(|_| pending()).await;
    let desk = Desk::before(hasty(), &mute.uri("")).await;
    for (method, path, is_post) in [
        (Method::GET, "/customers/7", false),
        (Method::POST, "/notes", true),
    ] {
        let began = Instant::now();
        let (head, problem) = desk.problem(method, path).await;
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        assert_eq!(head.status, 502);
        assert_outcome(&problem, is_post);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_body_breaks_off_and_a_slow_one_does_not() {
    let silent = Steps::new([data("half of"), Step::Hang]);
    let part = [data("part "), Step::Wait(Duration::from_secs(29))];
    let slow = Steps::new(repeat_n(part, 5).flatten());
    let answers = [silent, slow].map(|body| Response::new(any_body(body)));
    let desk = Desk::open(hasty(), answers).await;

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
async fn a_good_body_arrives_while_the_api_still_sends() {
    let first_seen = Counter::default();
    let rest = first_seen.reaches(1);
    let [first, second] = ["first", "second"].map(|text| any_body(Full::from(text)));
    let answer = Response::new(then(first, rest, second));
    let desk = Desk::open(hasty(), [answer]).await;
    bounded(async {
        let response = desk.call(desk.request(Method::GET, "/customers/7")).await;
        let mut body = response.into_body();
        let frame = body.frame().await.expect("not the end").expect("whole");
        assert_eq!(frame.into_data().expect("data"), "first");
        first_seen.add(1);
        let rest = body.collect().await.expect("whole").to_bytes();
        assert_eq!(rest, "second");
    })
    .await;
}

#[tokio::test]
async fn a_note_arrives_while_the_user_still_writes() {
    let first_seen = Counter::default();
    let seen = first_seen.clone();
    let api = Server::start(move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let mut body = request.into_body();
            let frame = body.frame().await.expect("not the end").expect("whole");
            let first = frame.into_data().expect("data");
            seen.add(1);
            let rest = body.collect().await.expect("whole").to_bytes();
            Response::new(any_body(Full::from([first, rest].concat())))
        }
    })
    .await;
    let desk = Desk::before(hasty(), &api.uri("")).await;
    let [first, second] = ["first, ", "second"].map(|text| any_body(Full::from(text)));
    let note = then(first, first_seen.reaches(1), second);
    let request = desk.request(Method::POST, "/notes").map(|_| note);
    let (head, echo) = desk.send(request).await;
    assert_eq!((head.status, &*echo), (StatusCode::OK, "first, second"));
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_whole() {
    let body = Steps::new([data("half of"), Step::Yield, Step::Fail("broken")]);
    let desk = Desk::open(hasty(), [Response::new(any_body(body))]).await;
    let received = bounded(async {
        let response = desk.call(desk.request(Method::GET, "/customers/7")).await;
        response.into_body().collect().await
    });
    assert!(received.await.is_err());
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
        let test = "over_tls_the_api_is_called_if_it_is_trusted";
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

/// A user, the gateway, and the API with its script.
struct Desk {
    gateway: String,
    user: Client<HttpConnector, AnyBody>,
    received: Arc<Mutex<Vec<request::Parts>>>,
}

impl Desk {
    async fn open<P>(
        layer: RevioStatusLayer<P>,
        answers: impl IntoIterator<Item = Response<AnyBody>>,
    ) -> Self
    where
        P: RetryPolicy + Clone + Send + Sync + 'static,
    {
        let answers: VecDeque<_> = answers.into_iter().collect();
        let answers = Arc::new(Mutex::new(answers));
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = received.clone();
        let api = Server::start(move |request: Request<Incoming>| {
            let (answers, seen) = (answers.clone(), seen.clone());
            async move {
                let (head, body) = request.into_parts();
                body.collect().await.expect("a whole request");
                seen.lock().expect("no panic").push(head);
                let answer = answers.lock().expect("no panic").pop_front();
                answer.expect("one more answer")
            }
        })
        .await;
        Self {
            received,
            ..Self::before(layer, &api.uri("")).await
        }
    }

    /// Before an API of the test's own.
    async fn before<P>(layer: RevioStatusLayer<P>, base: &str) -> Self
    where
        P: RetryPolicy + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let service = gateway(upstream(layer, base).expect("a valid base"));
        tokio::spawn(async { axum::serve(listener, service).await });
        Self {
            gateway: format!("http://{address}"),
            user: wire::client(Http::One),
            received: Arc::default(),
        }
    }

    fn request(&self, method: Method, path: &str) -> Request<AnyBody> {
        let request = Request::builder().method(method);
        let request = request.uri(format!("{}{path}", self.gateway));
        request.body(no_body()).expect("a valid request")
    }

    async fn call(&self, request: Request<AnyBody>) -> Response<Incoming> {
        self.user.request(request).await.expect("an answer")
    }

    async fn send(&self, request: Request<AnyBody>) -> (response::Parts, String) {
        bounded(async {
            let (head, body) = self.call(request).await.into_parts();
            let body = body.collect().await.expect("a whole answer").to_bytes();
            (head, String::from_utf8(body.into()).expect("text"))
        })
        .await
    }

    async fn get(&self, path: &str) -> (response::Parts, String) {
        self.send(self.request(Method::GET, path)).await
    }

    /// The answer, once it is known to be a problem.
    async fn problem(&self, method: Method, path: &str) -> (response::Parts, Value) {
        let (head, body) = self.send(self.request(method, path)).await;
        assert_eq!(head.headers[CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_str(&body).expect("JSON");
        // What programs tell problems apart by.
        let expected = match problem.get("may_have_been_applied") {
            Some(_) => "tag:example.com,2026:unknown-outcome",
            None => "about:blank",
        };
        assert_eq!(problem["type"], expected);
        for member in ["title", "detail"] {
            assert!(problem[member].is_string(), "{member}: {problem}");
        }
        assert_eq!(problem["status"], head.status.as_u16());
        (head, problem)
    }

    /// What the API received.
    fn received(&self) -> Vec<request::Parts> {
        std::mem::take(&mut self.received.lock().expect("no panic"))
    }
}

fn upstream<P>(layer: RevioStatusLayer<P>, base: &str) -> Result<Upstream, BoxError>
where
    P: RetryPolicy + Clone + Send + Sync + 'static,
{
    let account = Account {
        base_url: base.into(),
        username: "user@client".into(),
        password: SECRET.into(),
        subscription_key: SECRET.into(),
    };
    Upstream::new(layer, &account)
}

fn answer(status: u16, headers: &[(&str, &str)], text: &'static str) -> Response<AnyBody> {
    let builder = Response::builder().status(status);
    let builder = headers.iter().fold(builder, |builder, (name, value)| {
        builder.header(*name, *value)
    });
    builder.body(any_body(Full::from(text))).expect("valid")
}

fn plain(status: u16) -> Response<AnyBody> {
    answer(status, &[], "")
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn operation(head: &request::Parts) -> String {
    format!("{} {}", head.method, head.uri)
}

fn assert_outcome(problem: &Value, may_have_been_applied: bool) {
    let is_told = problem
        .get("may_have_been_applied")
        .is_some_and(|v| v == true);
    assert_eq!(is_told, may_have_been_applied, "{problem}");
    // Nobody but programs reads the flag.
    let detail = problem["detail"].as_str().expect("text");
    let words = "look before you send it again";
    assert_eq!(detail.contains(words), may_have_been_applied, "{detail}");
}
