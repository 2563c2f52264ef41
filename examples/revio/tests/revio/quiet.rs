//! One command is told to be quiet, and the next ones are.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use http::Response;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    shell::{Shell, seconds},
    support::{no_body, wire::Server},
};
use revio::Exit;

/// Says 429 once, and 200 from then on.
async fn busy_once(retry_after: &'static str) -> (Server, Shell, TempDir, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let server = Server::start(move |_| {
        let status = match count.fetch_add(1, Relaxed) {
            0 => 429,
            _ => 200,
        };
        let response = Response::builder()
            .status(status)
            .header("retry-after", retry_after);
        async move { response.body(no_body()).expect("valid") }
    })
    .await;
    let directory = TempDir::new().expect("a place for files");
    let mut shell = Shell::at(server.uri(""));
    shell.env.insert("XDG_STATE_HOME", directory.path().into());
    (server, shell, directory, calls)
}

#[tokio::test(start_paused = true)]
async fn the_next_command_waits_for_what_an_earlier_one_was_told() {
    let (_server, mut shell, _directory, calls) = busy_once("12").await;
    let got = shell.run(&["POST", "/v1/Notes"]).await;
    assert_eq!(got.exit, Exit::NotNow);
    let begun = Instant::now();
    shell.is_terminal = true;
    let got = shell.run(&["POST", "/v1/Notes"]).await;
    assert_eq!((got.exit, calls.load(Relaxed)), (Exit::Done, 2));
    // The wall clock, which they share, went on in the meantime.
    assert!(begun.elapsed() > seconds(10) && begun.elapsed() < seconds(14));
    let why = got
        .err
        .split("\x1b[K\r")
        .find(|line| line.contains("quiet for 5 s"));
    let why = why.expect("a countdown");
    assert!(why.contains(" for 5 s, because of a 429 at "), "{why}");
    assert!(why.ends_with(" GMT"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_want_to_be_held_is_refused_with_the_cause() {
    let (_server, shell, _directory, calls) = busy_once("12").await;
    shell.run(&["GET", "/v1/Bills"]).await;
    let begun = Instant::now();
    let got = shell.run(&["--no-hold", "GET", "/v1/Bills"]).await;
    assert_eq!((got.exit, calls.load(Relaxed)), (Exit::NotNow, 1));
    assert_eq!(begun.elapsed(), seconds(0));
    let cause = "; not sent; the account is asked to be quiet; because of a 429 at ";
    assert!(got.err.contains(cause), "{}", got.err);
    assert!(got.err.contains("; come back in 1"), "{}", got.err);
}

#[tokio::test(start_paused = true)]
async fn other_accounts_and_old_or_broken_files_hold_nobody() {
    let (_server, mut shell, directory, _) = busy_once("12").await;
    shell.run(&["GET", "/v1/Bills"]).await;
    let begun = Instant::now();
    shell.env.insert("REVIO_CLIENT_CODE", "globex".into());
    shell.run(&["GET", "/v1/Bills"]).await;

    shell.env.insert("REVIO_CLIENT_CODE", "acme".into());
    let mut files = fs::read_dir(directory.path().join("revio")).expect("written");
    let file = files.next().expect("one").expect("readable").path();
    let text = fs::read_to_string(&file).expect("text");
    for (code, password) in [("acme", "ada"), (crate::shell::PASSWORD, crate::shell::KEY)] {
        assert!(!format!("{file:?}{text}").contains(code) && !text.contains(password));
    }
    for text in [
        "",
        "429",
        "429 1 2",
        "200 1 99999999999999",
        "429 1 99999999999999",
    ] {
        fs::write(&file, text).expect("written");
        let got = shell.run(&["GET", "/v1/Bills"]).await;
        assert_eq!(got.exit, Exit::Done, "{text}");
    }
    assert_eq!(begun.elapsed(), seconds(0));
}
