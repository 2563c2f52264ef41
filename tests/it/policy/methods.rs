//! Which methods may reach the server twice: those that RFC 9110 calls idempotent, and otherwise
//! only what the caller vouches for.

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
    /// What else would be sensible.
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

/// The rows that can be sent.
fn methods() -> Vec<(Method, Row)> {
    let valid = rows().into_iter().filter(|row| row.is_valid);
    let method = |row: &Row| Method::from_bytes(row.token.as_bytes()).expect("a valid token");
    valid.map(|row| (method(&row), row)).collect()
}

/// The outcome of a request that is answered first so and then by 200, and what was sent.
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

fn vouched(method: Method, word: bool) -> Request<Full<Bytes>> {
    let mut request = request(method);
    request.extensions_mut().insert(Idempotent(word));
    request
}

#[test]
fn the_table_is_whole() {
    let rows = rows();
    assert_eq!(rows.len(), 70);
    assert_eq!(rows.iter().filter(|row| row.is_valid).count(), 59);
    assert_eq!(rows.iter().filter(|row| row.is_idempotent).count(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_method_is_resent_where_the_table_says_so() {
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
/// The table would let us learn the methods of other documents; the crate does not.
#[tokio::test(start_paused = true)]
async fn only_the_six_of_rfc_9110_are_resent_unasked() {
    for (method, _) in methods() {
        let six = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];
        let resent = is_resent(503, request(method.clone())).await;
        assert_eq!(resent, six.contains(&method.as_str()), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_caller_s_yes_is_enough_for_every_method() {
    for (method, _) in methods() {
        assert!(
            is_resent(503, vouched(method.clone(), true)).await,
            "{method}"
        );
    }
}

/// Promise (once): `Idempotent(false)` on a request is final for every method.
#[tokio::test(start_paused = true)]
async fn the_caller_s_no_is_final_for_every_method() {
    for (method, _) in methods() {
        assert!(
            !is_resent(503, vouched(method.clone(), false)).await,
            "{method}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_word_of_the_caller_s_makes_another_status_retryable() {
    for status in [400, 429, 500, 501, 502, 505, 999] {
        for (method, _) in methods() {
            let (result, sent) = outcome(status, vouched(method.clone(), true)).await;
            assert_eq!(sent.len(), 1, "{method} after {status}");
            assert_eq!(result.refused().stop_reason(), StopReason::NotRetryable);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_resent_keeps_its_method_and_its_body() {
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
async fn an_idempotency_key_is_no_licence() {
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
async fn what_is_not_resent_may_have_been_applied() {
    for (method, _) in methods() {
        let (result, _) = outcome(504, vouched(method.clone(), false)).await;
        assert!(result.refused().may_have_been_applied(), "{method}");
    }
}

#[test]
fn what_is_no_token_is_no_method() {
    for row in rows().iter().filter(|row| !row.is_valid) {
        assert!(
            Method::from_bytes(row.token.as_bytes()).is_err(),
            "{:?}",
            row.token
        );
    }
}
