//! Every status from 100 to 999 is handled as its row in the table says, or else as its class.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use crate::support::{
    self, Refused, get, hasty, post, request,
    script::{Script, answer as response},
};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Version};
use http_body::{Body, Frame};
use revio_status::{Error, Idempotent, ResendCount, StatusError, StatusKind, StopReason};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};

/// The documented handling of a status.
#[derive(Debug, PartialEq)]
struct Row {
    class: Class,
    /// The variant's name; `None` if the status is no failure.
    kind: Option<String>,
    is_documented: bool,
    is_retryable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    PassThrough,
    Client,
    Server,
}

/// Returns the handling by the rules, written down independently of the table.
fn by_the_rules(status: u16) -> Row {
    let class = match status {
        100..=399 => Class::PassThrough,
        400..=499 => Class::Client,
        _ => Class::Server,
    };
    let kind = match (status, class) {
        (_, Class::PassThrough) => None,
        (400, _) => Some("BadRequest"),
        (401, _) => Some("Unauthorized"),
        (403, _) => Some("Forbidden"),
        (404, _) => Some("NotFound"),
        (405, _) => Some("MethodNotAllowed"),
        (429, _) => Some("TooManyRequests"),
        (500, _) => Some("InternalServerError"),
        (501, _) => Some("NotImplemented"),
        (503, _) => Some("ServiceUnavailable"),
        (504, _) => Some("GatewayTimeout"),
        (_, Class::Client) => Some("OtherClientError"),
        (_, Class::Server) => Some("OtherServerError"),
    };
    Row {
        class,
        kind: kind.map(str::to_owned),
        is_documented: matches!(
            status,
            200 | 201 | 400 | 401 | 403..=405 | 500 | 501 | 503 | 504
        ),
        is_retryable: matches!(status, 503 | 504),
    }
}

/// Returns the rows of the table with their statuses.
fn table() -> Vec<(u16, Row)> {
    let table: Value = serde_json::from_str(include_str!("../../vectors/status_table.json"))
        .expect("the table is JSON");
    let rows = table["statuses"].as_array().expect("a list of rows");
    rows.iter()
        .map(|row| {
            let status = row["status"].as_u64().expect("a number");
            let class = match row["class"].as_str().expect("a class") {
                "ok" | "passthrough" => Class::PassThrough,
                "client" => Class::Client,
                "server" => Class::Server,
                other => panic!("{status} has an unknown class: {other}"),
            };
            let row = Row {
                class,
                kind: row["kind"].as_str().map(str::to_owned),
                is_documented: row["documented"].as_bool().expect("yes or no"),
                is_retryable: row["retryable_by_default"].as_bool().expect("yes or no"),
            };
            (u16::try_from(status).expect("a small number"), row)
        })
        .collect()
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("100 to 999")
}

/// Returns the outcome of a request and the number of its attempts.
async fn outcome(method: Method, code: u16) -> (Result<Response<support::AnyBody>, Error>, usize) {
    let script = Script::new([code]);
    let result = hasty().layer(script.clone()).oneshot(request(method)).await;
    (result, script.count())
}

async fn failure(code: u16) -> StatusError {
    outcome(Method::GET, code).await.0.refused()
}

#[test]
fn table_agrees_with_rules() {
    let table = table();
    assert_eq!(table.len(), 510);
    for (code, row) in table {
        assert_eq!(row, by_the_rules(code), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn status_of_400_or_above_is_an_error() {
    for code in 100..=999 {
        let passes = by_the_rules(code).class == Class::PassThrough;
        match outcome(Method::GET, code).await.0 {
            Ok(response) => assert!(passes && response.status() == code, "{code}"),
            Err(Error::Status(error)) => assert!(!passes && error.status() == code, "{code}"),
            Err(other) => panic!("{code} became {other:?}"),
        }
    }
}

/// Promise (cause): From 400 the result is an error of the status's kind, whatever the body.
#[tokio::test(start_paused = true)]
async fn failure_has_kind_of_its_row() {
    for code in 400..=999 {
        let row = by_the_rules(code);
        let kind = failure(code).await.kind();
        assert_eq!(Some(format!("{kind:?}")), row.kind, "{code}");
        assert_eq!(kind.is_documented(), row.is_documented, "{code}");
        assert_eq!(kind.is_client_error(), row.class == Class::Client, "{code}");
        assert_eq!(kind.is_server_error(), row.class == Class::Server, "{code}");
    }
}

#[test]
fn classify_gives_kind_of_row() {
    for code in 100..=999 {
        let kind = StatusKind::classify(status(code), &HeaderMap::new());
        let kind = kind.map(|kind| format!("{kind:?}"));
        assert_eq!(kind, by_the_rules(code).kind, "{code}");
    }
}

/// Promise (load): By default only 503 and 504 are retried, in at most three attempts.
#[tokio::test(start_paused = true)]
async fn get_is_retried_for_503_and_504_alone() {
    for code in 100..=999 {
        let (result, sent) = outcome(Method::GET, code).await;
        let (times, reason) = match by_the_rules(code).is_retryable {
            true => (3, StopReason::AttemptsExhausted),
            false => (1, StopReason::NotRetryable),
        };
        assert_eq!(sent, times, "{code}");
        if let Err(Error::Status(error)) = result {
            assert_eq!(error.attempts() as usize, times, "{code}");
            assert_eq!(error.stop_reason(), reason, "{code}");
        }
    }
}

/// Promise (once): A request that is not idempotent by RFC 9110 is sent once, whatever the response
/// and however early.
#[tokio::test(start_paused = true)]
async fn post_is_sent_once_at_any_status() {
    for code in 100..=999 {
        let (result, sent) = outcome(Method::POST, code).await;
        assert_eq!(sent, 1, "{code}");
        let reason = match by_the_rules(code).is_retryable {
            true => StopReason::NotIdempotent,
            false => StopReason::NotRetryable,
        };
        if let Err(Error::Status(error)) = result {
            assert_eq!(error.stop_reason(), reason, "{code}");
        }
    }
}

/// Promise (cause): Only 501 and 4xx other than 408 mean that nothing was applied.
#[tokio::test(start_paused = true)]
async fn only_501_and_4xx_except_408_are_unapplied() {
    for code in 400..=999 {
        let error = Error::from(failure(code).await);
        let expected = !matches!(code, 400..=407 | 409..=499 | 501);
        assert_eq!(error.may_have_been_applied(), expected, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn possibly_applied_survives_last_status() {
    for last in [400, 404, 429, 501] {
        let script = Script::new([503, last]);
        let error = hasty().layer(script).oneshot(get()).await.refused();
        assert_eq!((error.status().as_u16(), error.attempts()), (last, 2));
        assert!(error.may_have_been_applied(), "{last} after 503");
    }
}

#[tokio::test(start_paused = true)]
async fn status_403_with_retry_after_is_quota() {
    let script = Script::new([response(403).retry_after("1802")]);
    let error = hasty().layer(script.clone()).oneshot(get()).await.refused();
    assert_eq!(error.kind(), StatusKind::QuotaExceeded);
    assert!(error.kind().is_client_error() && !error.kind().is_documented());
    assert!(!error.may_have_been_applied());
    assert_eq!(script.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn retry_after_changes_kind_of_403_alone() {
    for code in (400..=999).filter(|code| *code != 403) {
        let response = response(code).retry_after("3600");
        let error = hasty()
            .layer(Script::new([response]))
            .oneshot(post())
            .await
            .refused();
        let kind = format!("{:?}", error.kind());
        assert_eq!(Some(kind), by_the_rules(code).kind, "{code}");
    }
}

/// A body that must not be read or wrapped.
#[derive(Debug, PartialEq)]
struct Unread(u16);

impl Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body of a {} was read", self.0)
    }
}

/// Returns headers of which a careless layer would react to some.
fn tempting_headers() -> HeaderMap {
    let headers = [
        ("retry-after", "7"),
        ("retry-after-ms", "7"),
        ("content-length", "11"),
        ("content-type", "application/json"),
        ("connection", "close, x-hop"),
        ("transfer-encoding", "chunked"),
        ("location", "http://api.test/elsewhere"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ];
    let parse = |(name, value): (&'static str, &str)| {
        let name = http::HeaderName::from_static(name);
        (name, value.parse().expect("a header value"))
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers.map(parse) {
        map.append(name, value);
    }
    map
}

/// Promise (cause): Below 400 the response passes through, unread and untouched.
#[tokio::test(start_paused = true)]
async fn response_below_400_is_untouched_and_unread() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u16);

    for code in 100..=399 {
        let inner = service_fn(move |_| async move {
            let mut response = Response::new(Unread(code));
            *response.status_mut() = status(code);
            *response.version_mut() = Version::HTTP_2;
            *response.headers_mut() = tempting_headers();
            response.extensions_mut().insert(Mark(code));
            Ok::<_, Infallible>(response)
        });
        let response = hasty()
            .layer(inner)
            .oneshot(get())
            .await
            .unwrap_or_else(|error| panic!("{code} became {error:?}"));
        let (head, body) = response.into_parts();
        assert_eq!((head.status, head.version), (status(code), Version::HTTP_2));
        assert_eq!(head.headers, tempting_headers(), "{code}");
        assert_eq!(head.extensions.get(), Some(&Mark(code)));
        assert!(head.extensions.get::<ResendCount>().is_none(), "{code}");
        assert_eq!(head.extensions.len(), 1, "{code}");
        assert_eq!(body, Unread(code));
    }
}

#[tokio::test(start_paused = true)]
async fn resend_adds_only_the_resend_count() {
    for code in [100, 200, 204, 302, 399] {
        let mut request = post();
        request.extensions_mut().insert(Idempotent(true));
        let last = response(code).header("retry-after", "7").text("as it was");
        let script = Script::new([response(503), last]);
        let response = hasty()
            .layer(script)
            .oneshot(request)
            .await
            .expect("no failure");
        assert_eq!(response.status(), code);
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.extensions().get(), Some(&ResendCount(1)));
        assert_eq!(response.extensions().len(), 1);
    }
}
