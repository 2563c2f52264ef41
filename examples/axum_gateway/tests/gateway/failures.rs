//! Failures: the problem that a user receives, and the line in the log.

use std::{future::pending, time::Duration};

use http::{Method, Request, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use revio_status::{Cooldown, StandardPolicy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use crate::{
    desk::{Desk, Log, ROUTES, SECRET, assert_outcome, bounded, plain, response},
    support::{
        hasty, layer,
        wire::{Counter, Server},
    },
};

#[tokio::test]
async fn every_failure_becomes_a_problem_of_our_own() {
    // The API's status, ours, and whether a POST may have been applied.
    let table = [
        (303, 502, true),
        (400, 502, false),
        (401, 502, false),
        (403, 502, false),
        (404, 404, false),
        (405, 502, false),
        (429, 503, false),
        (500, 502, true),
        (501, 502, false),
        (503, 503, true),
        (504, 503, true),
    ];
    for (theirs, ours, may_have_been_applied) in table {
        for (method, path) in ROUTES {
            println!("{method} {theirs}"); // seen when the test fails
            let headers = [
                ("www-authenticate", SECRET),
                ("set-cookie", SECRET),
                ("location", SECRET),
            ];
            let is_post = method == Method::POST;
            // A user's own bad request: the API's message is for the user.
            let (ours, text) = match (theirs, is_post) {
                (400, true) => (400, "id missing"),
                _ => (ours, SECRET),
            };
            let failures = (0..3).map(|_| response(theirs, &headers, text));
            let desk = Desk::open(hasty(), failures).await;
            let (head, problem) = desk.problem(method, path).await;
            assert_eq!(head.status, ours);
            assert_eq!(head.headers.contains_key(RETRY_AFTER), ours == 503);
            let is_quoted = problem["detail"]
                .as_str()
                .is_some_and(|it| it.ends_with("id missing"));
            assert_eq!(is_quoted, ours == 400);
            assert_outcome(&problem, is_post && may_have_been_applied);
            let is_retried = !is_post && [503, 504].contains(&theirs);
            assert_eq!(desk.received().len(), if is_retried { 3 } else { 1 });
        }
    }
}

#[tokio::test]
async fn failure_is_one_line_in_the_log() {
    let log = Log::default();
    let _guard = log.listen();
    for (path, status, line) in [
        (
            0,
            503,
            "failure=503 Service Unavailable (3 attempts, attempts_exhausted)",
        ),
        (
            1,
            504,
            "method=POST path=\"/v1/Notes\" failure=504 Gateway Timeout (not_idempotent)",
        ),
        (1, 302, "failure=unexpected 302 Found"),
    ] {
        let desk = Desk::open(hasty(), [status; 3].map(plain)).await;
        let (method, path) = ROUTES[path].clone();
        desk.problem(method, path).await;
        let log = log.take();
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("WARN") && log.contains(line), "{log}");
    }
}

/// Starts a server that reads each request, calls `at_end` and closes the connection.
async fn hanging_up(at_end: impl Fn() + Send + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            at_end();
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn retry_after_is_never_too_early() {
    for (status, name, theirs, ours) in [
        (403, "retry-after", "1800", "1800"), // the quota
        (429, "retry-after", "7", "7"),
        (429, "retry-after-ms", "7001", "8"),
        (429, "retry-after", "soon", "30"),
    ] {
        let busy = response(status, &[(name, theirs)], SECRET);
        let desk = Desk::open(hasty(), [busy]).await;
        let (head, _) = desk.problem(Method::GET, "/customers/7").await;
        assert_eq!(head.status, 503);
        assert_eq!(head.headers[RETRY_AFTER], ours, "{name}: {theirs}");
    }
}

#[tokio::test]
async fn cool_down_tells_users_when_to_come_back() {
    for status in [429, 403, 503] {
        let policy = StandardPolicy::interactive().cool_down_on(StatusCode::SERVICE_UNAVAILABLE);
        let failure = response(status, &[("retry-after", "40")], SECRET);
        let desk = Desk::open(layer().policy(policy), [failure]).await;
        desk.problem(Method::POST, "/notes").await;
        for (method, path) in ROUTES {
            let (head, problem) = desk.problem(method, path).await;
            assert_eq!(head.status, 503);
            let wait = head.headers[RETRY_AFTER].to_str().expect("text");
            assert!(["40", "39", "38", "37"].contains(&wait), "{wait}");
            assert_outcome(&problem, false);
        }
        assert_eq!(desk.received().len(), 1);
    }
}

/// A lost response that a cool-down keeps from being retried has a waiting time, and no status.
#[tokio::test]
async fn lost_response_in_a_cool_down_tells_the_wait() {
    let cooldown = Cooldown::default();
    let policy = StandardPolicy::default().retry_transient();
    let layer = layer().policy(policy).cooldown(cooldown.clone());
    let base = hanging_up(move || {
        let until = std::time::Instant::now() + Duration::from_secs(240);
        cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until);
    })
    .await;
    let desk = Desk::before(layer, &base).await;
    let (head, _) = desk.problem(Method::GET, "/customers/7").await;
    assert_eq!(head.status, 503);
    let wait = head.headers[RETRY_AFTER].to_str().expect("text");
    assert!(["240", "239", "238", "237"].contains(&wait), "{wait}");
}

#[tokio::test]
async fn post_is_finished_and_logged_without_its_user() {
    let log = Log::default();
    let _guard = log.listen();
    let (received, gone) = (Counter::default(), Counter::default());
    let (count, is_gone) = (received.clone(), gone.clone());
    let api = Server::start(move |request: Request<Incoming>| {
        let (count, is_gone) = (count.clone(), is_gone.reaches(1));
        async move {
            request.into_body().collect().await.expect("a whole note");
            count.add(1);
            is_gone.await;
            plain(201)
        }
    })
    .await;
    let desk = Desk::before(hasty(), &api.uri("")).await;
    let address = desk.gateway.replace("http://", "");
    let mut user = TcpStream::connect(address).await.expect("the gateway");
    let note = b"POST /notes HTTP/1.1\r\nhost: gateway\r\ncontent-length: 6\r\n\r\na note";
    user.write_all(note).await.expect("sent");
    bounded(received.reaches(1)).await;
    drop(user);
    desk.get("/").await; // on one thread the gateway notices the hang-up first
    gone.add(1);
    let line = "the user hung up before the response method=POST path=\"/v1/Notes\" status=201";
    let is_logged = async {
        while !log.take().contains(line) {
            tokio::task::yield_now().await;
        }
    };
    bounded(is_logged).await;
    assert_eq!(received.get(), 1);
}

#[tokio::test]
async fn refused_connection_saves_nothing() {
    // Bound, so that the port is not reused, but not listening.
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let address = closed.local_addr().expect("bound");
    let desk = Desk::before(hasty(), &format!("http://{address}")).await;
    for (method, path) in ROUTES {
        let (head, problem) = desk.problem(method, path).await;
        assert_eq!(head.status, 502);
        assert_outcome(&problem, false);
        assert!(!problem.to_string().contains(&address.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_saves_nothing() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("bound");
    // Fill the queue of connections that wait to be accepted.
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
async fn lost_response_leaves_a_post_unknown() {
    let base = hanging_up(|| ()).await;
    let desk = Desk::before(hasty(), &base).await;
    for (method, path) in ROUTES {
        let is_post = method == Method::POST;
        let (head, problem) = desk.problem(method, path).await;
        assert_eq!(head.status, 502);
        assert_outcome(&problem, is_post);
    }
}

#[tokio::test(start_paused = true)]
async fn attempt_times_out_after_ten_seconds() {
    let mute = Server::start(|_| pending()).await;
    let desk = Desk::before(hasty(), &mute.uri("")).await;
    for (method, path) in ROUTES {
        let is_post = method == Method::POST;
        let began = Instant::now();
        let (head, problem) = desk.problem(method, path).await;
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        assert_eq!(head.status, 502);
        assert_outcome(&problem, is_post);
    }
}
