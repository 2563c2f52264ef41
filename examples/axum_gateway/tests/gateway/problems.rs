//! Failures become problems that users can act on.

use std::{
    future::pending,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum_gateway::log_filter;
use http::{Method, StatusCode, header::RETRY_AFTER};
use revio_status::StandardPolicy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout},
};
use tracing_subscriber::layer::SubscriberExt;

use crate::{
    desk::{Desk, SECRET, answer, assert_outcome, plain},
    support::{hasty, layer, wire::Server},
};

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
            // Of a user's own bad request the API's words are for the user.
            let is_theirs = (theirs, &method) == (400, &Method::POST);
            let (ours, text) = if is_theirs { (400, "") } else { (ours, SECRET) };
            let failures = (0..3).map(|_| answer(theirs, &headers, text));
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
async fn who_sent_what_the_api_does_not_take_is_told_why() {
    let refusal = answer(400, &[], r#"{"Message": "customer_id missing"}"#);
    let desk = Desk::open(hasty(), [refusal]).await;
    let (head, problem) = desk.problem(Method::POST, "/notes").await;
    assert_eq!(head.status, 400);
    assert_eq!(
        problem["detail"],
        "The billing system does not accept what you sent. customer_id missing"
    );
    assert_outcome(&problem, false);
}

#[tokio::test]
async fn a_failure_is_one_line_of_the_log() {
    let log = Log::default();
    let _guard = log.listen();
    for (method, path, status, line) in [
        (
            Method::GET,
            "/customers/7",
            503,
            "method=GET path=\"/v1/Customers/7\" \
             failure=503 Service Unavailable (3 attempts, attempts_exhausted)",
        ),
        (
            Method::POST,
            "/notes",
            504,
            "method=POST path=\"/v1/Notes\" failure=504 Gateway Timeout (not_idempotent)",
        ),
        (
            Method::POST,
            "/notes",
            302,
            "method=POST path=\"/v1/Notes\" failure=unexpected 302 Found",
        ),
    ] {
        let desk = Desk::open(hasty(), [status; 3].map(plain)).await;
        desk.problem(method, path).await;
        let log = log.take();
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("WARN") && log.contains(line), "{log}");
    }
}

/// A server that says 503 once, and then hangs up on whoever asks.
#[tokio::test]
async fn the_log_tells_of_the_answer_before_the_lost_one() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let busy = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n";
        let mut answers = [&busy[..], b""].into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answers.next().unwrap_or(b"")).await;
        }
    });
    let log = Log::default();
    let _guard = log.listen();
    let desk = Desk::before(hasty(), &format!("http://{address}")).await;
    desk.problem(Method::GET, "/customers/7").await;
    let log = log.take();
    let line = "failure=no response from the API (2 attempts, not_retryable)";
    assert!(log.contains(line), "{log}");
    assert!(
        log.contains("; before that 503 Service Unavailable"),
        "{log}"
    );
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::set_default(subscriber.with(log_filter()))
    }

    /// Without the colours.
    fn take(&self) -> String {
        let log = std::mem::take(&mut *self.0.lock().expect("no panic"));
        let text = String::from_utf8(log).expect("UTF-8");
        let mut pieces = text.split('\x1b');
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |text, piece| {
            text + piece.split_once('m').map_or("", |(_, rest)| rest)
        })
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().expect("no panic"), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
async fn while_the_account_is_to_be_quiet_users_are_told_when_to_come_back() {
    for status in [429, 403, 503] {
        let policy = StandardPolicy::interactive().cool_down_on(StatusCode::SERVICE_UNAVAILABLE);
        let quiet = answer(status, &[("retry-after", "40")], SECRET);
        let desk = Desk::open(layer().policy(policy), [quiet]).await;
        desk.problem(Method::POST, "/notes").await;
        for (method, path) in [(Method::POST, "/notes"), (Method::GET, "/customers/7")] {
            let (head, problem) = desk.problem(method, path).await;
            assert_eq!(head.status, 503);
            let wait = head.headers[RETRY_AFTER].to_str().expect("text");
            assert!(["40", "39", "38", "37"].contains(&wait), "{wait}");
            assert_outcome(&problem, false);
        }
        assert_eq!(desk.received().len(), 1, "the API is left in peace");
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
