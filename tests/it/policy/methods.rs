//! Methods that may reach the server twice: those that RFC 9110 calls idempotent, and otherwise
//! those of requests with `Idempotent(true)`.

use crate::support::{
    AnyBody, Refused, hasty, request,
    script::{Script, Sent},
    with_body,
};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use revio_status::{Error, Idempotent, StopReason};
use serde_json::Value;
use tower::{Layer, ServiceExt};

struct Row {
    token: String,
    is_idempotent: bool,
    /// Other sensible results.
    also_ok: Vec<bool>,
    is_valid: bool,
}

fn rows() -> Vec<Row> {
    let file: Value = serde_json::from_str(include_str!("../../vectors/methods.json"))
        .expect("the vectors are JSON");
    let yes = |value: &Value| value.as_bool().expect("yes or no");
    let row = |row: &Value| Row {
        token: row["method"].as_str().expect("a token").to_owned(),
        is_idempotent: yes(&row["idempotent"]),
        also_ok: match yes(&row["lenient"]) {
            true => row["also_ok"]
                .as_array()
                .expect("a list")
                .iter()
                .map(yes)
                .collect(),
            false => Vec::new(),
        },
        is_valid: yes(&row["valid_token"]),
    };
    let rows = file["methods"].as_array().expect("a list of methods");
    rows.iter().map(row).collect()
}

/// Returns the rows whose token is a valid method.
fn methods() -> Vec<(Method, Row)> {
    let valid = rows().into_iter().filter(|row| row.is_valid);
    let method = |row: &Row| Method::from_bytes(row.token.as_bytes()).expect("a valid token");
    valid.map(|row| (method(&row), row)).collect()
}

/// Returns the outcome of a request whose responses are `status` and then 200, and the attempts.
async fn outcome(
    status: u16,
    request: Request<Full<Bytes>>,
) -> (Result<http::Response<AnyBody>, Error>, Vec<Sent>) {
    let script = Script::new([status, 200]);
    let result = hasty().layer(script.clone()).oneshot(request).await;
    (result, script.sent())
}

async fn is_resent(status: u16, request: Request<Full<Bytes>>) -> bool {
    match outcome(status, request).await {
        (Ok(_), sent) => {
            assert_eq!(sent.len(), 2);
            true
        }
        (result, sent) => {
            assert_eq!(sent.len(), 1);
            assert_eq!(result.refused().stop_reason(), StopReason::NotIdempotent);
            false
        }
    }
}

fn with_idempotent(method: Method, value: bool) -> Request<Full<Bytes>> {
    let mut request = request(method);
    request.extensions_mut().insert(Idempotent(value));
    request
}

#[test]
fn table_is_complete() {
    let rows = rows();
    assert_eq!(rows.len(), 70);
    assert_eq!(rows.iter().filter(|row| row.is_valid).count(), 59);
    assert_eq!(rows.iter().filter(|row| row.is_idempotent).count(), 6);
}

#[tokio::test(start_paused = true)]
async fn method_is_resent_as_in_table() {
    for (method, row) in methods() {
        for status in [503, 504] {
            let resent = is_resent(status, request(method.clone())).await;
            let fits = resent == row.is_idempotent || row.also_ok.contains(&resent);
            assert!(fits, "{method}: {resent}");
        }
    }
}

/// Promise (once): A request that is not idempotent by RFC 9110 is sent once, whatever the response
/// and however early.
///
/// The table also accepts the idempotent methods of other documents; the crate does not.
#[tokio::test(start_paused = true)]
async fn rfc_9110_methods_alone_are_resent() {
    for (method, _) in methods() {
        let six = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];
        let resent = is_resent(503, request(method.clone())).await;
        assert_eq!(resent, six.contains(&method.as_str()), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn idempotent_true_overrides_method() {
    for (method, _) in methods() {
        assert!(
            is_resent(503, with_idempotent(method.clone(), true)).await,
            "{method}"
        );
    }
}

/// Promise (once): `Idempotent(false)` on a request is final for every method.
#[tokio::test(start_paused = true)]
async fn idempotent_false_overrides_method() {
    for (method, _) in methods() {
        assert!(
            !is_resent(503, with_idempotent(method.clone(), false)).await,
            "{method}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn idempotent_true_adds_no_retryable_status() {
    for status in [400, 429, 500, 501, 502, 505, 999] {
        for (method, _) in methods() {
            let (result, sent) = outcome(status, with_idempotent(method.clone(), true)).await;
            assert_eq!(sent.len(), 1, "{method} after {status}");
            assert_eq!(result.refused().stop_reason(), StopReason::NotRetryable);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn resend_keeps_method_and_body() {
    for (method, _) in methods() {
        let mut request = with_body(method.clone(), Full::new(Bytes::from_static(b"{\"id\":1}")));
        request.extensions_mut().insert(Idempotent(true));
        let (_, sent) = outcome(503, request).await;
        assert_eq!(sent.len(), 2, "{method}");
        for sent in sent {
            assert_eq!(sent.head.method, method);
            assert_eq!(sent.body, "{\"id\":1}", "{method}");
        }
    }
}

/// Promise (once): An `Idempotency-Key` header does not allow a resend.
#[tokio::test(start_paused = true)]
async fn idempotency_key_allows_no_resend() {
    for (method, row) in methods() {
        let mut request = request(method.clone());
        let key = "8e03978e-40d5-43dd-bc93-6894a57f9324"
            .parse()
            .expect("a header value");
        request.headers_mut().insert("idempotency-key", key);
        let resent = is_resent(503, request).await;
        assert!(
            resent == row.is_idempotent || row.also_ok.contains(&resent),
            "{method}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn unretried_504_is_possibly_applied() {
    for (method, _) in methods() {
        let (result, _) = outcome(504, with_idempotent(method.clone(), false)).await;
        assert!(result.refused().may_have_been_applied(), "{method}");
    }
}

#[test]
fn invalid_token_is_no_method() {
    for row in rows().iter().filter(|row| !row.is_valid) {
        assert!(
            Method::from_bytes(row.token.as_bytes()).is_err(),
            "{:?}",
            row.token
        );
    }
}
