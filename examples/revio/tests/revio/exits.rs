//! How it ended, in one line and as an exit code that scripts can act on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Response;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    shell::{NOTE, Shell, against, assert_fails, quickstart},
    support::{
        any_body,
        body::{Step, Steps, data},
        no_body,
        wire::Server,
    },
};
use revio::Exit;

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

/// As long as the gateway asks for when the minute's calls are used up.
#[tokio::test(start_paused = true)]
async fn a_429_that_asks_for_most_of_a_minute_is_waited_for() {
    let answers = std::sync::Arc::new(std::sync::Mutex::new(vec![200, 429]));
    let server = Server::start(move |_| {
        let status = answers.lock().expect("no panic").pop();
        async move {
            let response = http::Response::builder().status(status.expect("two"));
            let response = response.header("retry-after", "40");
            response.body(no_body()).expect("valid")
        }
    })
    .await;
    let begun = tokio::time::Instant::now();
    let shell = Shell::at(server.uri(""));
    let got = shell.run(&["GET", "/v1/Bills", "--retry-429"]).await;
    assert_eq!(got.exit, Exit::Done, "{}", got.err);
    assert!(begun.elapsed() >= std::time::Duration::from_secs(40));
}
