//! What a person at the screen sees while it lasts.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response};
use revio_status::{Backoff, BoxError, RevioStatusLayer, StandardPolicy};
use tokio::time::advance;
use tower::{Layer, ServiceExt};

use crate::{
    shell::{Paper, Shell, quickstart},
    support::{no_body, wire::Server},
};
use revio::{Exit, countdown::Waits, quiet::Quiet, report};

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
    let (_api, shell) = quickstart().await;
    let quiet = Quiet::of(&shell.account(), |_| None);
    let waits = Arc::new(Waits::new(Arc::new(quiet)));
    let screen = Paper::default();
    let mut shown = pin!(waits.countdown().show(screen.clone()));
    let answers = tower::service_fn(|_| async {
        let answer = Response::builder().status(503).header("retry-after", "2");
        answer.body(no_body())
    });
    let policy = StandardPolicy::default().backoff(Backoff::none());
    let layer = RevioStatusLayer::new().policy(policy);
    let client = layer
        .on_event(move |event| waits.note(event))
        .layer(answers);
    let mut call = pin!(client.oneshot(Request::new(no_body())));
    assert!(call.as_mut().now_or_never().is_none());
    assert!(shown.as_mut().now_or_never().is_none());
    // Less than a millisecond is left.
    advance(Duration::from_micros(1_999_600)).await;
    assert!(shown.as_mut().now_or_never().is_none());
    advance(Duration::from_millis(2)).await;
    assert!(shown.as_mut().now_or_never().is_none());
    let [two, one] = [2, 1].map(|n| format!("503: next attempt in {n} s\x1b[K\r"));
    assert_eq!(screen.text(), format!("{two}{one}\x1b[K"));
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

#[test]
fn causes_are_one_line_that_is_safe_to_print() {
    let error = BoxError::from("gone\n\x1b[2Jaway");
    assert_eq!(report::causes(&*error), "gone  [2Jaway");
}
