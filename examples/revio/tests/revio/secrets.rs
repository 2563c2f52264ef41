//! Secrets are sent to the API, and never printed: whatever it says.

use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use revio_status::BoxError;
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    shell::{BASIC, KEY, PASSWORD, Shell, against, assert_fails, parsed},
    support::{any_body, no_body, wire::Server},
};
use revio::{self, Exit, stack};

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
