//! What is on the wire, and who may read it there.

use std::{
    env,
    ffi::OsString,
    io,
    process::{self, Stdio},
};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    shell::{BASIC, KEY, NOTE, Shell, parsed, quickstart},
    support::{
        no_body, scratch,
        wire::{Server, bounded},
    },
    tls,
};
use revio::{self, Console, Exit, Screen, run};

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
        let test = "wire::over_tls_a_server_is_called_if_it_is_trusted";
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

/// In a process of its own: standard input is the process's.
#[tokio::test]
async fn standard_input_is_streamed() {
    let (seen, mut bodies) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("whole").to_bytes();
            let _ = seen.send((head.headers.get(header::CONTENT_LENGTH).cloned(), body));
            Response::new(no_body())
        }
    })
    .await;
    let shell = Shell::at(server.uri(""));
    let mut process = Command::new(env!("CARGO_BIN_EXE_revio"))
        .args(["POST", "/v1/Notes", "--data-file", "-"])
        .envs(&shell.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let mut input = process.stdin.take().expect("piped");
    input.write_all(NOTE.as_bytes()).await.expect("it reads");
    drop(input);
    let got = bounded(process.wait_with_output()).await.expect("it ends");
    assert!(got.status.success(), "{got:?}");
    let received = bodies.recv().await.expect("one request");
    assert_eq!(received, (None, NOTE.into()));
}

/// Nobody types anything: it ends all the same.
#[tokio::test]
async fn an_answer_before_the_end_of_standard_input_is_not_held_up_by_it() {
    let server = Server::start(|_| async {
        let mut refusal = Response::new(no_body());
        *refusal.status_mut() = http::StatusCode::UNAUTHORIZED;
        refusal
    })
    .await;
    let shell = Shell::at(server.uri(""));
    let mut process = Command::new(env!("CARGO_BIN_EXE_revio"))
        .args(["POST", "/v1/Notes", "--data-file", "-"])
        .envs(&shell.env)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let _open = process.stdin.take().expect("piped");
    let got = bounded(process.wait_with_output()).await.expect("it ends");
    assert_eq!(got.status.code(), Some(Exit::Refused as i32), "{got:?}");
}
