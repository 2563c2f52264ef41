//! The example for the shell, from its arguments to its exit code, against the server of the
//! quickstart and, where that is too well-behaved, against one of the tests' own. All on the paused
//! clock: waits take no time, and their lengths are exact.
#![cfg(all(feature = "tokio", feature = "json"))]

mod support;
#[path = "support/tls.rs"]
mod tls;

#[allow(dead_code)] // its `main`
#[path = "../examples/revio/main.rs"]
mod revio;

#[path = "../examples/quickstart/server.rs"]
mod server;

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    future::{Future, pending},
    io::{self, Write},
    iter::repeat_n,
    pin::pin,
    process,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use revio_status::{Attempt, Backoff, BoxError, RetryPolicy, StandardPolicy};
use tokio::{
    net::TcpListener,
    time::{Instant, advance, timeout},
};
use tower::{Layer, ServiceExt, service_fn, timeout::error::Elapsed};
use tracing_subscriber::{filter::dynamic_filter_fn, layer::SubscriberExt};

use revio::{
    Console, Exit, Screen,
    account::Account,
    args::{self, Args, Command},
    countdown::Noted,
    report, run,
    stack::{self, Limits},
};
use server::Api;
use support::{
    AnyBody, any_body,
    body::{Step, Steps, data},
    no_body, scratch,
    wire::Server,
};

const PASSWORD: &str = "s3cret:pässword";
const KEY: &str = "0123-subscription-key";
/// `ada@acme:s3cret:pässword`, in Base64.
const BASIC: &str = "Basic YWRhQGFjbWU6czNjcmV0OnDDpHNzd29yZA==";
const NOTE: &str = r#"{"customer_id": 7, "body": "Called."}"#;

/// A shell: variables, and what a command left on its screen.
struct Shell {
    env: HashMap<&'static str, OsString>,
    is_terminal: bool,
}

struct Outcome {
    exit: Exit,
    out: String,
    err: String,
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }
}

/// tracing keeps what it is told about an event by the thread that comes to it first. Where nobody
/// listens that is "never", and the one test whose command listens would miss it.
fn stay_undecided_about_events() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let nobody_yet = tracing_subscriber::registry().with(dynamic_filter_fn(|_, _| false));
        tracing::subscriber::set_global_default(nobody_yet).expect("the first");
    });
}

impl Shell {
    fn at(base: String) -> Self {
        stay_undecided_about_events();
        let env = HashMap::from([
            ("REVIO_BASE_URL", base.into()),
            ("REVIO_USERNAME", "ada".into()),
            ("REVIO_CLIENT_CODE", "acme".into()),
            ("REVIO_PASSWORD", PASSWORD.into()),
            ("REVIO_SUBSCRIPTION_KEY", KEY.into()),
        ]);
        Self {
            env,
            is_terminal: false,
        }
    }

    fn account(&self) -> Account {
        Account::from_env(|name| self.env.get(name).cloned()).expect("complete")
    }

    fn client(&self, limits: &Limits) -> stack::Client {
        let policy = StandardPolicy::default();
        stack::client(&self.account(), policy, limits).expect("HTTP needs no roots")
    }

    /// Runs a command, and sees to it that no secret is on the screen.
    async fn run(&self, args: &[&str]) -> Outcome {
        let (out, err) = (Paper::default(), Paper::default());
        let mut console = Console {
            out: Box::new(out.clone()),
            err: Screen::new(err.clone()),
            is_terminal: self.is_terminal,
        };
        let env = |name: &str| self.env.get(name).cloned();
        let exit = bounded(run(args.iter().map(OsString::from), env, &mut console)).await;
        let (out, err) = (out.text(), err.text());
        for secret in [PASSWORD, KEY, BASIC, &BASIC[6..]] {
            assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
        }
        Outcome { exit, out, err }
    }
}

/// What hangs, fails. On the paused clock that is soon.
async fn bounded<F: Future>(test: F) -> F::Output {
    const HOUR: Duration = Duration::from_secs(3600);
    timeout(HOUR, test).await.expect("it hangs")
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

async fn quickstart() -> (Api, Shell) {
    let api = Api::start().await.expect("loopback");
    let shell = Shell::at(api.uri(""));
    (api, shell)
}

#[track_caller]
fn assert_fails(outcome: &Outcome, exit: Exit, line: &str) {
    assert_eq!((outcome.exit, &*outcome.err), (exit, line));
    assert_eq!(
        outcome.out, "",
        "of a failure nothing goes to standard output"
    );
}

#[tokio::test(start_paused = true)]
async fn a_success_is_its_body_and_nothing_else() {
    let (_api, shell) = quickstart().await;
    let got = shell.run(&["GET", "/v1/Customers/7"]).await;
    assert_eq!((got.exit, &*got.err), (Exit::Done, ""));
    assert_eq!(got.out, r#"{"ok": true, "id": 7}"#);
}

#[tokio::test(start_paused = true)]
async fn refusals_say_why_in_one_line() {
    let (_api, shell) = quickstart().await;
    let got = shell.run(&["GET", "/v1/Users"]).await;
    let line = "revio: 403 Forbidden: No access to users; 1 attempt; such a status is not retried; \
        nothing was to be changed\n";
    assert_fails(&got, Exit::Refused, line);

    let got = shell.run(&["POST", "/v1/Notes", "--data", "{}"]).await;
    let line = "revio: 400 Bad Request: customer_id missing; 1 attempt; such a status is not \
        retried; it was not applied\n";
    assert_fails(&got, Exit::Refused, line);

    let got = shell.run(&["POST", "/v1/Refunds", "--data={}"]).await;
    assert_eq!(got.exit, Exit::Refused, "{}", got.err);
}

#[tokio::test(start_paused = true)]
async fn it_says_when_to_come_back() {
    let (_api, shell) = quickstart().await;
    for (path, start) in [
        (
            "/v1/Bills",
            "revio: 403 Forbidden: Out of call volume quota. Quota will be replenished in 00:30:00.; 1 attempt; such a status is not retried; come back in 1800 s, at ",
        ),
        (
            "/v1/Orders",
            "revio: 503 Service Unavailable: Maintenance; 1 attempt; the server asked for too long a wait; come back in 3600 s, at ",
        ),
    ] {
        let got = shell.run(&["GET", path]).await;
        assert_eq!(got.exit, Exit::NotNow);
        assert!(got.err.starts_with(start), "{}", got.err);
        assert!(
            got.err.ends_with(" GMT; nothing was to be changed\n"),
            "{}",
            got.err
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_lost_its_answer_is_sent_once_unless_declared_idempotent() {
    let (api, shell) = quickstart().await;
    let post = ["POST", "/v1/Notes", "--data", NOTE];
    let got = shell.run(&post).await;
    assert_eq!(
        (got.exit, &*got.out),
        (Exit::Done, r#"{"ok": true, "id": 11027}"#)
    );
    assert_eq!(api.take_received()[0].body, NOTE);

    let got = shell.run(&post).await;
    let line = "revio: 504 Gateway Timeout: ";
    assert!(got.err.starts_with(line), "{}", got.err);
    let end = "; 1 attempt; not retried, because twice could be once too often; it MAY HAVE BEEN \
        APPLIED: look before you repeat it\n";
    assert!(got.err.ends_with(end), "{}", got.err);
    assert_eq!((got.exit, api.take_received().len()), (Exit::Unknown, 1));

    let [method, path, option, note] = post;
    let got = shell
        .run(&[method, path, option, note, "--idempotent"])
        .await;
    assert_eq!(
        (got.exit, api.take_received().len()),
        (Exit::Done, 2),
        "{}",
        got.err
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_and_429_are_as_asked_for() {
    let (api, shell) = quickstart().await;
    let got = shell
        .run(&["GET", "/v1/Contacts/7", "--max-attempts", "1"])
        .await;
    assert!(
        got.err
            .contains("; 1 attempt; no attempts left; come back in 1 s, at "),
        "{}",
        got.err
    );
    assert_eq!((got.exit, api.take_received().len()), (Exit::NotNow, 1));

    let got = shell.run(&["GET", "/v1/Services"]).await;
    assert_eq!((got.exit, api.take_received().len()), (Exit::NotNow, 1));
    let got = shell.run(&["GET", "/v1/Services", "--retry-429"]).await;
    assert_eq!(
        (got.exit, api.take_received().len()),
        (Exit::Done, 2),
        "{}",
        got.err
    );
}

#[tokio::test(start_paused = true)]
async fn no_retry_is_planned_beyond_the_deadline() {
    let (api, shell) = quickstart().await;
    let began = Instant::now();
    let got = shell
        .run(&["GET", "/v1/Contacts/7", "--deadline", "1"])
        .await;
    assert!(
        got.err.contains("; no time left for a retry; "),
        "{}",
        got.err
    );
    assert_eq!((got.exit, api.take_received().len()), (Exit::NotNow, 1));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_trace_tells_of_attempts_and_retries() {
    let (_api, shell) = quickstart().await;
    let got = shell
        .run(&["-v", "GET", "/v1/Contacts/7?ssn=078-05-1120"])
        .await;
    assert_eq!(
        (got.exit, &*got.out),
        (Exit::Done, r#"{"ok": true, "id": 7}"#)
    );
    assert_eq!(got.err.matches(" revio: sending").count(), 2, "{}", got.err);
    assert_eq!(
        got.err.matches(" revio: answered").count(),
        2,
        "{}",
        got.err
    );
    assert_eq!(got.err.matches("revio_status: retry scheduled").count(), 1);
    assert_eq!(got.err.lines().count(), 5, "{}", got.err);
    assert!(!got.err.contains("078-05"), "{}", got.err);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_sees_a_countdown() {
    let calls = Arc::new(AtomicU32::new(0));
    let server = Server::start(move |_| {
        let status = [503, 200][calls.fetch_add(1, Relaxed) as usize % 2];
        let response = Response::builder()
            .status(status)
            .header("retry-after", "2");
        async move { response.body(no_body()).expect("valid") }
    })
    .await;
    let mut shell = Shell::at(server.uri(""));
    shell.is_terminal = true;
    let got = shell.run(&["GET", "/v1/Bills"]).await;
    assert_eq!(got.exit, Exit::Done);
    let [two, one] = [2, 1].map(|n| format!("503: next attempt in {n} s\x1b[K\r"));
    let places = got.err.find(&two).zip(got.err.find(&one));
    assert!(places.is_some_and(|(two, one)| two < one), "{:?}", got.err);
    assert!(got.err.ends_with("\r\x1b[K\x1b[K"), "{:?}", got.err);

    shell.is_terminal = false;
    let got = shell.run(&["GET", "/v1/Bills"]).await;
    assert_eq!((got.exit, &*got.err), (Exit::Done, ""));
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_a_second_is_not_worth_a_countdown() {
    let (_api, mut shell) = quickstart().await;
    shell.is_terminal = true;
    let got = shell.run(&["GET", "/v1/Requests/7"]).await;
    assert_eq!((got.exit, &*got.err), (Exit::Done, "\x1b[K"));
}

#[tokio::test(start_paused = true)]
async fn a_countdown_may_be_late() {
    let noted = Noted::new(StandardPolicy::default().backoff(Backoff::none()));
    let screen = Paper::default();
    let mut shown = pin!(noted.countdown().show(screen.clone()));
    let (request, ()) = Request::new(()).into_parts();
    let response = Response::builder().status(503).header("retry-after", "2");
    let (response, body) = response.body(Bytes::new()).expect("valid").into_parts();
    noted.decide(&Attempt::new(&request, &response, &body));
    assert!(shown.as_mut().now_or_never().is_none());
    // Less than a millisecond is left.
    advance(Duration::from_micros(1_999_600)).await;
    assert!(shown.as_mut().now_or_never().is_none());
    advance(Duration::from_millis(2)).await;
    assert!(shown.as_mut().now_or_never().is_none());
    let [two, one] = [2, 1].map(|n| format!("503: next attempt in {n} s\x1b[K\r"));
    assert_eq!(screen.text(), format!("{two}{one}\x1b[K"));
}

#[test]
fn of_the_last_attempt_nothing_is_kept_for_another() {
    let policy = StandardPolicy::default().max_attempts(2);
    assert_eq!(Noted::new(policy).attempt_limit(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_was_refused_is_not_counted_down() {
    let (_api, mut shell) = quickstart().await;
    shell.is_terminal = true;
    for args in [
        &["GET", "/v1/Orders"][..],
        &["GET", "/v1/Contacts/7", "--deadline", "1"],
    ] {
        let got = shell.run(args).await;
        assert_eq!(got.exit, Exit::NotNow);
        assert!(!got.err.contains("next attempt"), "{:?}", got.err);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_here_is_not_sent() {
    let (api, shell) = quickstart().await;
    let secret = "Authorization: Basic hunter2";
    let commands: [&[&str]; 18] = [
        &[],
        &["GET"],
        &["get", "/v1/Bills"],
        &["GET", "v1/Bills"],
        &["GET", "https://evil.test/hunter2"],
        &["GET", "/v1/ hunter2"],
        &["DELETE", "/v1/Customers/7?note=#hunter2"],
        &["GET", "/v1/Bills", secret],
        &["GET", "/v1/Bills", "--header", secret],
        &["GET", "/v1/Bills", "--header", "hunter2"],
        &[
            "GET",
            "/v1/Bills",
            "--header",
            "ocp-apim-subscription-key: hunter2",
        ],
        &["GET", "/v1/Bills", "--header", "Transfer-Encoding: hunter2"],
        &["GET", "/v1/Bills", "--header", "Content-Length: 7"],
        &["GET", "/v1/Bills", "--heder=hunter2"],
        &["GET", "/v1/Bills", "--idempotent=hunter2"],
        &["GET", "/v1/Bills", "--max-attempts", "0"],
        &["POST", "/v1/Notes", "--data", "1", "--data-file", "x"],
        &["POST", "/v1/Notes", "--data-file", "/no/such/hunter2"],
    ];
    for args in commands {
        let got = shell.run(args).await;
        assert_eq!(got.exit, Exit::Unsent, "{args:?}");
        assert_eq!(got.err.lines().count(), 1, "{args:?} {}", got.err);
        assert!(!got.err.contains("hunter2"), "{args:?} {}", got.err);
    }
    assert!(api.take_received().is_empty());
}

#[tokio::test(start_paused = true)]
async fn settings_are_complained_about_by_name() {
    let faults = [
        ("REVIO_BASE_URL", "http://example.com"),
        ("REVIO_BASE_URL", "http://127.0.0.1.example.com"),
        ("REVIO_BASE_URL", "ftp://localhost"),
        ("REVIO_BASE_URL", "https://u:hunter2@example.com"),
        ("REVIO_BASE_URL", "https://example.com?hunter2"),
        ("REVIO_USERNAME", ""),
        ("REVIO_USERNAME", "a:hunter2"),
        ("REVIO_CLIENT_CODE", ""),
        ("REVIO_PASSWORD", ""),
        ("REVIO_SUBSCRIPTION_KEY", ""),
        ("REVIO_SUBSCRIPTION_KEY", "hunter2\n"),
    ];
    for (name, value) in faults {
        let got = with_setting(name, Some(value.into())).await;
        assert_eq!(got.exit, Exit::Unsent, "{name} {value}");
        assert!(got.err.contains(name), "{value}: {}", got.err);
        assert!(!got.err.contains("hunter2"), "{}", got.err);
    }
}

async fn with_setting(name: &'static str, value: Option<OsString>) -> Outcome {
    let mut shell = Shell::at("http://localhost:1".into());
    shell.env.remove(name);
    shell.env.extend(value.map(|value| (name, value)));
    shell.run(&["GET", "/v1/Bills"]).await
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn settings_are_absent_empty_or_unreadable() {
    use std::os::unix::ffi::OsStringExt;

    for name in ["REVIO_BASE_URL", "REVIO_PASSWORD"] {
        let got = with_setting(name, Some(OsString::new())).await;
        assert_fails(&got, Exit::Unsent, &format!("revio: {name} is empty\n"));
        let got = with_setting(name, Some(OsString::from_vec(vec![0xff]))).await;
        let line = format!("revio: {name} is not valid UTF-8\n");
        assert_fails(&got, Exit::Unsent, &line);
    }
    let got = with_setting("REVIO_PASSWORD", None).await;
    assert_fails(&got, Exit::Unsent, "revio: REVIO_PASSWORD is not set\n");

    let mut shell = Shell::at(String::new());
    shell.env.remove("REVIO_BASE_URL");
    let uri = shell.account().uri("/v1/Bills");
    assert_eq!(uri.expect("valid"), "https://restapi.rev.io/v1/Bills");
}

#[tokio::test(start_paused = true)]
async fn the_help_lists_every_exit_code() {
    let got = Shell::at(String::new()).run(&["--help"]).await;
    let codes = [
        Exit::Done,
        Exit::Unsent,
        Exit::Refused,
        Exit::NotNow,
        Exit::Unknown,
        Exit::NoAnswer,
        Exit::AnswerLost,
    ];
    for code in codes {
        let line = format!("\n  {}  ", code as u8);
        assert_eq!(got.out.matches(&line).count(), 1, "{code:?}");
    }
    assert_eq!((got.exit, &*got.err), (Exit::Done, ""));
}

#[tokio::test(start_paused = true)]
async fn the_wire_has_credentials_headers_and_the_file() {
    let (seen, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("whole").to_bytes();
            let _ = seen.send((head, body));
            Response::new(no_body())
        }
    })
    .await;
    let shell = Shell::at(server.uri("/prefix/"));
    let content = vec![b'x'; 300_000];
    let path = scratch("upload", &content);
    let file = path.to_str().expect("UTF-8");
    let header = [
        "--header",
        "X-Note: of mine",
        "--header=Content-Type: text/plain",
    ];
    let args = [
        &["PUT", "/v1/Files/7?a=b", "--data-file", file][..],
        &header,
    ]
    .concat();
    let got = shell.run(&args).await;
    std::fs::remove_file(&path).expect("ours");
    assert_eq!((got.exit, &*got.err), (Exit::Done, ""));

    let (head, body) = answers.recv().await.expect("one request");
    assert_eq!(
        (head.method, head.uri.path()),
        (Method::PUT, "/prefix/v1/Files/7")
    );
    assert_eq!(head.uri.query(), Some("a=b"));
    assert_eq!(head.headers[header::AUTHORIZATION], BASIC);
    assert_eq!(head.headers["ocp-apim-subscription-key"], KEY);
    assert_eq!(head.headers[header::CONTENT_LENGTH], "300000");
    assert_eq!(head.headers[header::CONTENT_TYPE], "text/plain");
    assert_eq!(head.headers["x-note"], "of mine");
    assert!(body == content, "{} bytes", body.len());

    shell.run(&["POST", "/v1/Notes", "--data", NOTE]).await;
    let (head, body) = answers.recv().await.expect("one request");
    assert_eq!(head.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(body, NOTE);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_sent_again_as_it_was() {
    let (api, shell) = quickstart().await;
    let path = scratch("resend", NOTE.as_bytes());
    let file = path.to_str().expect("UTF-8");
    let got = shell
        .run(&["PUT", "/v1/Addresses/7", "--data-file", file])
        .await;
    std::fs::remove_file(&path).expect("ours");
    assert_eq!(got.exit, Exit::Done, "{}", got.err);
    let bodies: Vec<Bytes> = api.take_received().into_iter().map(|r| r.body).collect();
    assert_eq!(bodies, [NOTE, NOTE]);
}

fn parsed<const N: usize>(args: [&str; N]) -> Args {
    match args::parse(args.map(OsString::from)) {
        Ok(Command::Send(args)) => *args,
        _ => panic!("a request was meant"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_added_to_a_file_meanwhile_stays_behind() {
    let path = scratch("growing", NOTE.as_bytes());
    let args = parsed(["PUT", "/", "--data-file", path.to_str().expect("UTF-8")]);
    let account = Shell::at("http://localhost".into()).account();
    let request = revio::request(&args, &account).await.expect("a file");
    std::fs::write(&path, [NOTE, NOTE].concat()).expect("ours");
    let body = request.into_body().collect().await.expect("whole");
    std::fs::remove_file(&path).expect("ours");
    assert_eq!(body.to_bytes(), NOTE);
}

#[tokio::test]
async fn secret_headers_are_marked_as_such() {
    let account = Shell::at("http://localhost".into()).account();
    assert!(account.subscription_key.is_sensitive());

    let args = parsed(["GET", "/", "--header", "X-Token: mine"]);
    let request = revio::request(&args, &account).await.expect("valid");
    assert!(request.headers()["x-token"].is_sensitive());

    let echo = service_fn(|request: Request<()>| async {
        Ok::<_, BoxError>(Response::new(request.into_parts().0))
    });
    let sent = stack::credentials(&account).layer(echo);
    let answer = sent.oneshot(Request::new(())).await.expect("an echo");
    let value = &answer.body().headers[header::AUTHORIZATION];
    assert_eq!(
        (value, value.is_sensitive()),
        (&HeaderValue::from_static(BASIC), true)
    );
}

#[test]
fn causes_are_one_line_that_is_safe_to_print() {
    let error = BoxError::from("gone\n\x1b[2Jaway");
    assert_eq!(report::causes(&*error), "gone  [2Jaway");
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_unknown_only_where_it_matters() {
    // Bound to its port, so that no other test's server gets it, and deaf.
    let deaf = tokio::net::TcpSocket::new_v4().expect("a socket");
    deaf.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let nobody = Shell::at(format!("http://{}", deaf.local_addr().expect("bound")));
    for method in ["GET", "POST"] {
        let got = nobody.run(&[method, "/v1/Notes"]).await;
        assert_eq!(got.exit, Exit::NoAnswer, "{}", got.err);
        assert!(got.err.starts_with("revio: no answer: "), "{}", got.err);
        assert_eq!(got.err.lines().count(), 1);
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let rude = Shell::at(format!("http://{}", listener.local_addr().expect("bound")));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
        }
    });
    for (args, exit) in [
        (&["GET", "/v1/Notes"][..], Exit::NoAnswer),
        (&["POST", "/v1/Notes"], Exit::Unknown),
        (&["POST", "/v1/Notes", "--idempotent"], Exit::NoAnswer),
    ] {
        let got = rude.run(args).await;
        assert_eq!(got.exit, exit, "{}", got.err);
    }
}

/// Runs a command against a server that has this answer only.
async fn against<const N: usize>(
    args: [&str; N],
    answer: impl Fn() -> Response<AnyBody> + Clone + Send + Sync + 'static,
) -> Outcome {
    let server = Server::start(move |_| {
        let answer = answer();
        async move { answer }
    })
    .await;
    Shell::at(server.uri("")).run(&args).await
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed() {
    let redirect = || {
        Response::builder()
            .status(303)
            .header("location", "https://elsewhere.test/a?token=1")
            .body(no_body())
            .expect("valid")
    };
    let got = against(["GET", "/v1/Notes"], redirect).await;
    let line = "revio: 303 See Other to https://elsewhere.test/a: redirects are not followed; \
        nothing was to be changed\n";
    assert_fails(&got, Exit::Refused, line);
    let got = against(["POST", "/v1/Notes"], redirect).await;
    assert_eq!(got.exit, Exit::Unknown, "{}", got.err);
}

#[tokio::test(start_paused = true)]
async fn of_a_redirects_target_nothing_personal_is_shown() {
    for (location, shown) in [
        (
            "https://u:hunter2@elsewhere.test:8443/a@b/c",
            " to https://elsewhere.test:8443/a@b/c",
        ),
        (
            "https://elsewhere.test/a#hunter2",
            " to https://elsewhere.test/a",
        ),
        ("/a@b?hunter2", " to /a@b"),
        ("//u:hunter2@elsewhere.test/a", ""),
        ("u:hunter2@elsewhere.test", ""),
    ] {
        let redirect = move || {
            let response = Response::builder().status(307).header("location", location);
            response.body(no_body()).expect("valid")
        };
        let got = against(["GET", "/v1/Notes"], redirect).await;
        let line = format!(
            "revio: 307 Temporary Redirect{shown}: redirects are not followed; nothing was to be \
            changed\n"
        );
        assert_fails(&got, Exit::Refused, &line);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_stays_one_after_a_failure_that_was_retried() {
    use Exit::{NotNow, Refused};
    for (method, option, second, exit) in [
        ("GET", "--max-attempts=3", 404, Refused),
        ("DELETE", "--max-attempts=3", 404, Refused),
        ("DELETE", "--max-attempts=3", 501, Refused),
        ("POST", "--idempotent", 404, Refused),
        ("DELETE", "--max-attempts=3", 429, NotNow),
        ("POST", "--idempotent", 500, NotNow),
    ] {
        let calls = Arc::new(AtomicU32::new(0));
        let server = Server::start(move |_| {
            let status = [503, second][calls.fetch_add(1, Relaxed) as usize];
            let response = Response::builder().status(status).body(no_body());
            async move { response.expect("valid") }
        })
        .await;
        let got = Shell::at(server.uri(""))
            .run(&[method, "/v1/Notes/7", option])
            .await;
        assert_eq!(got.exit, exit, "{method} {second} {}", got.err);
        let end = match method {
            "GET" => "; nothing was to be changed\n",
            _ => "; it may have been applied, and may be repeated without harm\n",
        };
        assert!(got.err.ends_with(end), "{}", got.err);
        assert!(got.err.contains("; 2 attempts; "), "{}", got.err);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_no_success() {
    let broken = || {
        // Or the head does not get out before the connection breaks.
        let pause = Step::Wait(Duration::from_millis(100));
        let steps = [data("half"), pause, Step::Fail("broken")];
        Response::new(any_body(Steps::new(steps)))
    };
    let got = against(["POST", "/v1/Notes"], broken).await;
    assert_eq!((got.exit, &*got.out), (Exit::AnswerLost, "half"));
    let line = "revio: 200 OK, but its answer broke off: ";
    assert!(got.err.starts_with(line), "{}", got.err);
}

/// Answers 401 with a text about the headers it got.
async fn indiscreet<F>(text: F) -> Shell
where
    F: Fn(&HeaderMap) -> String + Clone + Send + 'static,
{
    let server = Server::start(move |request: Request<Incoming>| {
        let body = any_body(Full::from(text(request.headers())));
        let response = Response::builder().status(401);
        let response = response.header("content-type", "text/plain").body(body);
        async move { response.expect("valid") }
    });
    Shell::at(server.await.uri(""))
}

#[tokio::test(start_paused = true)]
async fn a_server_that_repeats_secrets_does_not_get_them_printed() {
    let get = ["GET", "/v1/Notes"];
    let shell = indiscreet(|_| format!("no {KEY} or {PASSWORD} here")).await;
    let got = shell.run(&get).await;
    assert!(got.err.contains(": no *** or *** here; "), "{}", got.err);

    let echo = |headers: &HeaderMap| format!("not with {headers:?}");
    let mut shell = indiscreet(echo).await;
    let got = shell.run(&get).await;
    assert!(got.err.contains(r#""Basic ***""#), "{}", got.err);
    assert!(got.err.contains(r#"-key": "***""#), "{}", got.err);

    // In Base64 `ada@acme:YWR` begins with `YWR` too, and the key with `0123`.
    for part in ["YWR", "0123"] {
        shell.env.insert("REVIO_PASSWORD", part.into());
        let got = shell.run(&get).await;
        assert!(got.err.contains(r#""Basic ***""#), "{}", got.err);
        assert!(got.err.contains(r#"-key": "***""#), "{}", got.err);
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_are_not_printed_in_part_either() {
    for secret in [KEY, PASSWORD, &BASIC[6..]] {
        // Of a long message the first 512 bytes are kept.
        for dashes in 500..512 {
            let text = format!("{}{secret}", "-".repeat(dashes));
            let shell = indiscreet(move |_| text.clone()).await;
            let got = shell.run(&["GET", "/v1/Notes"]).await;
            assert!(!got.err.contains(&secret[..3]), "{dashes}: {}", got.err);
            // Two characters tell nothing.
            assert_eq!(got.err.contains("--***; "), dashes < 510, "{}", got.err);
        }
    }
    let mut shell = indiscreet(|_| "abc is wrong".into()).await;
    shell.env.insert("REVIO_PASSWORD", "abc".into());
    let got = shell.run(&["GET", "/v1/Notes"]).await;
    assert!(got.err.contains(": *** is wrong; "), "{}", got.err);
}

#[tokio::test(start_paused = true)]
async fn of_calls_there_are_five_hundred_a_minute_resends_included() {
    let (api, shell) = quickstart().await;
    let client = shell.client(&Limits::default());
    let began = Instant::now();
    let call = async |path| {
        let answer = bounded(client.clone().oneshot(get(api.uri(path)))).await;
        assert_eq!(answer.expect("an answer").status(), 200);
    };
    call("/v1/Contacts/7").await; // takes two
    for _ in 2..500 {
        call("/v1/Customers/7").await;
    }
    assert_eq!(api.take_received().len(), 500);
    assert!(began.elapsed() < seconds(2), "the wait for the second");
    call("/v1/Customers/7").await;
    assert_eq!(began.elapsed(), seconds(60));
}

fn get(uri: String) -> Request<AnyBody> {
    Request::get(uri).body(no_body()).expect("valid")
}

#[tokio::test(start_paused = true)]
async fn an_attempt_waits_half_a_minute_for_its_answer() {
    let mute = Server::start(|_| pending()).await;
    let began = Instant::now();
    let got = Shell::at(mute.uri("")).run(&["GET", "/v1/Notes"]).await;
    let line = "revio: no answer: request timed out; nothing was to be changed\n";
    assert_fails(&got, Exit::NoAnswer, line);
    assert_eq!(began.elapsed(), seconds(30));
}

#[tokio::test(start_paused = true)]
async fn a_silent_download_ends_and_a_slow_one_does_not() {
    let silent = || Response::new(any_body(Steps::new([data("half"), Step::Hang])));
    let began = Instant::now();
    let got = against(["GET", "/v1/Notes"], silent).await;
    assert_eq!((got.exit, &*got.out), (Exit::AnswerLost, "half"));
    let line = "revio: 200 OK, but its answer broke off: data was not received within the \
        designated timeout\n";
    assert_eq!(got.err, line);
    assert_eq!(began.elapsed(), seconds(30));

    // Longer than anything else may take.
    let slow = || {
        let part = [data("part "), Step::Wait(seconds(29))];
        Response::new(any_body(Steps::new(repeat_n(part, 5).flatten())))
    };
    let began = Instant::now();
    let got = against(["GET", "/v1/Notes"], slow).await;
    assert_eq!((got.exit, &*got.out), (Exit::Done, &*"part ".repeat(5)));
    assert_eq!(began.elapsed(), 5 * seconds(29));
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_for_its_turn_forever() {
    let (api, shell) = quickstart().await;
    let client = shell.client(&Limits {
        calls: (1, seconds(600)),
        ..Limits::default()
    });
    let customer = || get(api.uri("/v1/Customers/7"));
    let first = bounded(client.clone().oneshot(customer())).await;
    assert_eq!(first.expect("an answer").status(), 200);

    let began = Instant::now();
    let second = bounded(client.oneshot(customer())).await;
    assert!(second.is_err_and(|error| error.is::<Elapsed>()));
    // The deadline, an attempt, and five seconds for the words of its answer.
    assert_eq!(began.elapsed(), seconds(90 + 30 + 5));
    assert_eq!(api.take_received().len(), 1);
}

const IS_COMMAND: &str = "REVIO_STATUS_TEST_IS_COMMAND";

#[tokio::test]
async fn over_tls_a_server_is_called_if_it_is_trusted() {
    if env::var_os(IS_COMMAND).is_some() {
        let mut console = Console {
            out: Box::new(io::stdout()),
            err: Screen::new(io::stderr()),
            is_terminal: false,
        };
        let args = ["GET", "/v1/Customers/7"].map(OsString::from);
        process::exit(run(args, |name| env::var_os(name), &mut console).await as i32);
    }
    let (host, stranger) = (tls::new_host(), tls::new_host());
    let certificates = [&host, &stranger].map(|it| it.cert.pem());
    let (api, mut shell) = quickstart().await;
    let base = tls::in_front_of(&api.uri(""), host).await;
    shell.env.insert("REVIO_BASE_URL", base.into());
    shell.env.insert(IS_COMMAND, "1".into());
    let [trusting, distrustful] = certificates.map(|roots| {
        let test = "over_tls_a_server_is_called_if_it_is_trusted";
        tls::in_a_process(test, &shell.env, roots)
    });

    let (exit, text) = trusting.await;
    assert_eq!(exit, Some(Exit::Done as i32), "{text}");
    assert!(text.ends_with(r#"{"ok": true, "id": 7}"#), "{text}");
    assert_eq!(api.take_received().len(), 1);

    let (exit, text) = distrustful.await;
    assert_eq!(exit, Some(Exit::NoAnswer as i32), "{text}");
    assert!(text.contains(": invalid peer certificate: "), "{text}");
    assert!(api.take_received().is_empty());
}
