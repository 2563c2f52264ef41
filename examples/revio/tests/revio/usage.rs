//! What is wrong on this side is named, without its value, and nothing is sent.

use std::ffi::OsString;

use crate::shell::{Outcome, Shell, assert_fails, quickstart};
use revio::Exit;

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
async fn what_is_not_understood_is_repeated_in_safe_characters() {
    let shell = Shell::at(String::new());
    for (args, words) in [
        (&["get", "/v1/Bills"][..], "unknown method get;"),
        (&["\u{1b}[2JGET", "/v1/Bills"], "unknown method ?[2JGET;"),
        (
            &["a-word-of-more-than-twenty", "/"],
            "unknown method a-word-of-more-than-…;",
        ),
        (&["--heder", "a: b"], "unknown option --heder ("),
        (&["-x"], "unknown option -x ("),
        (
            &["--max-attempts", "many"],
            "--max-attempts many: not a number from 1 on",
        ),
        (&["--deadline", "0"], "--deadline 0: not a number from 1 on"),
        (&["GET", "/v1/Bills", "please"], "not 3"),
    ] {
        let got = shell.run(args).await;
        assert_eq!(got.exit, Exit::Unsent);
        assert!(got.err.contains(words), "{}", got.err);
    }
}

#[tokio::test(start_paused = true)]
async fn all_missing_settings_are_named_at_once() {
    let mut shell = Shell::at("http://localhost:1".into());
    shell.env.remove("REVIO_PASSWORD");
    shell.env.remove("REVIO_CLIENT_CODE");
    let got = shell.run(&["GET", "/v1/Bills"]).await;
    let line = "revio: REVIO_CLIENT_CODE and REVIO_PASSWORD are not set\n";
    assert_fails(&got, Exit::Unsent, line);
    shell.env.clear();
    let got = shell.run(&["GET", "/v1/Bills"]).await;
    let line = "revio: REVIO_USERNAME, REVIO_CLIENT_CODE, REVIO_PASSWORD and \
                REVIO_SUBSCRIPTION_KEY are not set\n";
    assert_fails(&got, Exit::Unsent, line);
}

#[tokio::test(start_paused = true)]
async fn it_tells_its_version() {
    let got = Shell::at(String::new()).run(&["--version"]).await;
    assert_eq!((got.exit, &*got.out), (Exit::Done, "revio 0.1.0\n"));
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
