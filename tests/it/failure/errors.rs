//! Error types: their parts, their display, and `StatusError::find`.

use std::{convert::Infallible, error::Error as StdError, fmt, io, sync::Arc, time::Duration};

use crate::support::{AnyBody, Refused, body::*, get, hasty, layer, script::*};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Version, header::CONTENT_LENGTH};
use http_body_util::Full;
use revio_status::{BoxError, Error, ServiceError, StatusError, StatusKind, StopReason};
#[cfg(feature = "hyper-util")]
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{Layer, ServiceBuilder, ServiceExt, buffer::Buffer};

async fn refused(response: Answer) -> StatusError {
    layer()
        .layer(Script::new([response]))
        .oneshot(get())
        .await
        .refused()
}

#[tokio::test(start_paused = true)]
async fn display_is_one_line() {
    let error = refused(answer(404)).await;
    assert_eq!(error.to_string(), "404 Not Found");
    let error = refused(answer(404).text("<title>not found</title>")).await;
    assert_eq!(
        error.to_string(),
        "404 Not Found",
        "the status is not repeated"
    );
    let error = refused(answer(599).text("line one\nline two")).await;
    assert_eq!(error.to_string(), "599: line one line two");
    let error = refused(answer(503).text("Back at noon")).await;
    assert_eq!(
        error.to_string(),
        "503 Service Unavailable: Back at noon (3 attempts, attempts_exhausted)"
    );
    assert_eq!(
        Error::from(error).to_string(),
        "503 Service Unavailable: Back at noon (3 attempts, attempts_exhausted)"
    );
}

#[tokio::test]
async fn service_error_has_its_cause_as_source() {
    let cause = io::Error::from(io::ErrorKind::ConnectionRefused);
    let error = Error::from(ServiceError::new(cause));
    assert_eq!(error.to_string(), "no response from the API");
    let source = error.source().expect("a source");
    assert!(source.is::<io::Error>());
    assert!(StatusError::find(&error).is_none());
    assert!(Error::from(refused(answer(400)).await).source().is_none());
}

#[tokio::test(start_paused = true)]
async fn boxed_error_is_unboxed_above_a_layer() {
    let stack = || {
        ServiceBuilder::new()
            .map_err(Error::from)
            .timeout(Duration::from_secs(1))
            .layer(hasty())
    };
    let refused = stack().service(Script::new([404])).oneshot(get()).await;
    assert_eq!(refused.refused().kind(), StatusKind::NotFound);

    let silent =
        tower::service_fn(|_| std::future::pending::<Result<Response<AnyBody>, BoxError>>());
    let late = stack().service(silent).oneshot(get()).await.unwrap_err();
    let source = late.source().expect("the timeout's own error");
    assert!(source.is::<tower::timeout::error::Elapsed>());
}

#[tokio::test]
async fn both_error_types_are_unboxed() {
    let status = refused(answer(404)).await;
    let error = Error::from(BoxError::from(Error::from(status)));
    let status = Err::<(), _>(error).refused();
    let error = Error::from(BoxError::from(status));
    assert_eq!(error.kind(), Some(StatusKind::NotFound));
    let other = Error::from(BoxError::from("something else"));
    assert_eq!(other.source().expect("kept").to_string(), "something else");
}

/// Promise (cause): A `StatusError` is found below other layers' errors, however deep.
#[tokio::test(start_paused = true)]
async fn status_error_is_found_in_wrappers() {
    let script = || Script::new([404]);
    let buffered = Buffer::new(hasty().layer(script()), 1);
    let timed = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .layer(hasty())
        .service(script());
    let boxed = || async { BoxError::from(Error::from(refused(answer(404)).await)) };
    let outer = hasty().layer(hasty().layer(script()));
    let shared: BoxError = Box::new(Arc::new(Error::from(refused(answer(404)).await)));
    let bare: BoxError = Box::new(Arc::new(refused(answer(404)).await));
    let errors: Vec<BoxError> = vec![
        buffered.oneshot(get()).await.expect_err("404"),
        timed.oneshot(get()).await.expect_err("404"),
        boxed().await,
        io::Error::other(boxed().await).into(),
        io::Error::other(io::Error::other(boxed().await)).into(),
        Box::new(Error::from(ServiceError::new(boxed().await))),
        outer
            .oneshot(get())
            .await
            .map(drop)
            .expect_err("404")
            .into(),
        Box::new(refused(answer(404)).await),
        shared,
        bare,
    ];
    assert_found(&errors);
}

#[track_caller]
fn assert_found(errors: &[BoxError]) {
    for (number, error) in errors.iter().enumerate() {
        let found = StatusError::find(&**error).map(StatusError::kind);
        assert_eq!(
            found,
            Some(StatusKind::NotFound),
            "number {number}: {error:?}"
        );
    }
}

fn not_found() -> StatusError {
    let response = Response::builder().status(404).body(Bytes::new());
    StatusError::from_response(response.expect("valid")).expect("a failure")
}

/// A foreign error with a source.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl StdError for Wrapped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// Returns this error inside each type that can hold an error.
fn holders(error: impl Fn() -> BoxError) -> Vec<BoxError> {
    let shared = || Arc::<dyn StdError + Send + Sync>::from(error());
    vec![
        Box::new(shared()),
        Box::new(Arc::new(shared())),
        Box::new(Box::new(shared())),
        Box::new(Arc::new(io::Error::other(error()))),
        Box::new(Box::new(io::Error::other(error()))),
        Box::new(io::Error::other(shared())),
        Box::new(io::Error::other(Arc::new(io::Error::other(error())))),
        Box::new(Arc::new(io::Error::other(shared()))),
        Box::new(Wrapped(error())),
        Box::new(Arc::new(Error::from(ServiceError::new(error())))),
        Box::new(Box::new(Error::from(ServiceError::new(error())))),
        Box::new(Arc::new(ServiceError::new(error()))),
        Box::new(Box::new(ServiceError::new(error()))),
        Box::new(Error::from(ServiceError::new(shared()))),
    ]
}

/// Promise (cause): A `StatusError` is found below other layers' errors, however deep.
#[test]
fn status_error_is_found_in_nested_holders() {
    let errors: [fn() -> BoxError; 6] = [
        || not_found().into(),
        || Error::from(not_found()).into(),
        || Box::new(Arc::new(not_found())),
        || Box::new(Box::new(not_found())),
        || Box::new(Arc::new(Error::from(not_found()))),
        || Box::new(Box::new(Error::from(not_found()))),
    ];
    for error in errors {
        assert_found(&[error()]);
        let once = holders(error);
        assert_found(&once);
        for number in 0..once.len() {
            assert_found(&holders(|| holders(error).swap_remove(number)));
        }
    }
}

/// Promise (cause): A `StatusError` is found below other layers' errors, however deep.
#[test]
fn status_error_is_found_99_levels_down() {
    let mut error = BoxError::from(not_found());
    for number in 0..99 {
        error = match number % 3 {
            0 => Box::new(Wrapped(error)),
            1 => Box::new(io::Error::other(error)),
            _ => Box::new(Arc::<dyn StdError + Send + Sync>::from(error)),
        };
    }
    assert_found(&[error]);
}

#[test]
fn status_error_is_found_in_single_thread_arc() {
    let shared: Arc<dyn StdError> = Arc::new(not_found());
    assert!(StatusError::find(&shared).is_some());
    assert!(StatusError::find(&Arc::new(io::Error::other("none"))).is_none());
}

#[tokio::test]
async fn error_has_all_parts_of_the_response() {
    let response = answer(405).header("allow", "GET, POST").text("no");
    let error = refused(response.retry_after("7")).await;
    assert_eq!(
        (error.status(), error.kind()),
        (StatusCode::METHOD_NOT_ALLOWED, StatusKind::MethodNotAllowed)
    );
    assert_eq!(error.headers()["allow"], "GET, POST");
    assert_eq!(
        (error.body(), error.message()),
        (&Bytes::from("no"), Some("no"))
    );
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(
        (error.attempts(), error.stop_reason()),
        (1, StopReason::NotRetryable)
    );
}

/// An extension set by a lower layer.
#[derive(Clone, Debug, PartialEq)]
struct RequestId(u32);

/// Returns the error of this response.
async fn refused_with(response: Response<&'static str>) -> StatusError {
    let service = tower::service_fn(move |_| {
        let response = response.clone().map(Full::<Bytes>::from);
        async { Ok::<_, Infallible>(response) }
    });
    hasty().layer(service).oneshot(get()).await.refused()
}

/// Promise (cause): An error keeps the response's version, extensions, header values and reason
/// phrase.
#[tokio::test]
async fn error_keeps_version_and_extensions() {
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
        for status in [404, 503] {
            let response = Response::builder()
                .version(version)
                .status(status)
                .extension(RequestId(7))
                .body("no");
            let error = refused_with(response.expect("valid")).await;
            assert_eq!(error.version(), version);
            assert_eq!(error.extensions().get(), Some(&RequestId(7)));
            let response = error.into_response();
            assert_eq!(response.version(), version);
            assert_eq!(response.extensions().get(), Some(&RequestId(7)));
        }
    }
}

/// Returns the error of these bytes, read by hyper.
#[cfg(feature = "hyper-util")]
async fn refused_on_the_wire(response: &'static [u8]) -> StatusError {
    use crate::support::wire::{Http, bounded, client};
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let request = stream.read(&mut [0; 1024]).await;
        assert!(request.expect("a request") > 0);
        stream.write_all(response).await.expect("a client");
    });
    let mut request = get();
    *request.uri_mut() = format!("http://{address}/").parse().expect("valid");
    let service = hasty().never_retry().layer(client(Http::One));
    bounded(service.oneshot(request)).await.refused()
}

/// Promise (cause): An error keeps the response's version, extensions, header values and reason
/// phrase.
#[cfg(feature = "hyper-util")]
#[tokio::test]
async fn custom_reason_phrase_is_displayed() {
    for (response, shown) in [
        (
            &b"HTTP/1.1 403 Quarantined by policy 12\r\ncontent-length: 0\r\n\r\n"[..],
            "403 Quarantined by policy 12",
        ),
        (
            b"HTTP/1.1 403 Quarantined\r\ncontent-length: 12\r\n\r\nBack at noon",
            "403 Quarantined: Back at noon",
        ),
        (
            b"HTTP/1.1 503 Backend fetch failed\r\ncontent-length: 24\r\n\r\n503 Backend fetch failed",
            "503 Backend fetch failed",
        ),
        (
            b"HTTP/1.1 403 forbidden\r\ncontent-length: 0\r\n\r\n",
            "403 Forbidden",
        ),
        (b"HTTP/1.1 403 \r\ncontent-length: 0\r\n\r\n", "403 Forbidden"),
        (
            b"HTTP/1.1 499 Quarantined\r\ncontent-length: 0\r\n\r\n",
            "499 Quarantined",
        ),
    ] {
        let error = refused_on_the_wire(response).await;
        assert_eq!(error.to_string(), shown);
        assert!(!format!("{error:?}").contains("Quarantined"));
        let reason = error.extensions().get::<hyper::ext::ReasonPhrase>().cloned();
        let response = error.into_response();
        assert_eq!(response.extensions().get(), reason.as_ref());
    }
}

#[cfg(feature = "hyper-util")]
#[tokio::test]
async fn reason_phrase_is_sanitized() {
    for (reason, shown) in [
        ("x".repeat(4096).into_bytes(), "x".repeat(512)),
        (
            "pay\t\u{202e}ment\u{9b}31m".into(),
            "pay ment 31m".to_owned(),
        ),
        (b"\xff".to_vec(), "\u{FFFD}".to_owned()),
        (vec![], "Forbidden".to_owned()),
    ] {
        let mut response = Response::new("");
        *response.status_mut() = StatusCode::FORBIDDEN;
        let reason = hyper::ext::ReasonPhrase::try_from(reason).expect("valid");
        response.extensions_mut().insert(reason);
        let error = refused_with(response).await;
        assert_eq!(error.to_string(), format!("403 {shown}"));
    }
}

#[tokio::test]
async fn header_stays_sensitive_and_opaque() {
    let mut response = Response::new("");
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let mut value = http::HeaderValue::from_bytes(b"t\xf6ken").expect("opaque");
    value.set_sensitive(true);
    let headers = response.headers_mut();
    headers.append("x-token", value);
    headers.append("x-token", "second".parse().expect("valid"));
    headers.append("x-empty", "".parse().expect("valid"));
    let expected = response.headers().clone();
    let error = refused_with(response).await;
    assert_eq!(*error.headers(), expected);
    let sensitive: Vec<_> = error
        .headers()
        .get_all("x-token")
        .iter()
        .map(|v| v.is_sensitive())
        .collect();
    assert_eq!(sensitive, [true, false]);
}

/// Promise (cause): An error keeps the response's version, extensions, header values and reason
/// phrase.
#[tokio::test]
async fn into_response_keeps_repeated_headers() {
    let response = answer(502)
        .header("www-authenticate", "Basic")
        .header("www-authenticate", "Bearer")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2")
        .header("set-cookie", "c=3");
    let (headers, _) = served(response).await;
    let values = |name| headers.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(values("www-authenticate"), ["Basic", "Bearer"]);
    assert_eq!(values("set-cookie"), ["a=1", "b=2", "c=3"]);
}

/// Returns headers and body of `into_response`.
async fn served(response: Answer) -> (HeaderMap, Bytes) {
    let (head, body) = refused(response).await.into_response().into_parts();
    assert_eq!(head.status, 502);
    (head.headers, body)
}

#[tokio::test]
async fn into_response_drops_connection_headers() {
    let response = answer(502)
        .header("content-type", "text/plain")
        .header("content-length", "4")
        .header("connection", "close, X-Hop")
        .header("connection", "X-Other")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "close")
        .header("proxy-authenticate", "Basic")
        .header("transfer-encoding", "chunked")
        .header("te", "trailers")
        .header("trailer", "x-checksum")
        .header("upgrade", "h2c")
        .header("x-hop", "1")
        .header("x-other", "2")
        .header("x-kept", "3")
        .text("dead");
    let (headers, body) = served(response).await;
    let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "content-type", "x-kept"]);
    assert_eq!(body, "dead");
}

#[tokio::test]
async fn into_response_drops_wrong_content_length() {
    let broken = [data("de"), Step::Fail("reset")];
    for (length, steps, kept) in [
        ("2", vec![data("de")], true),
        ("4", broken.to_vec(), false),
        ("4", vec![], false),
    ] {
        let (headers, _) = served(answer(502).header("content-length", length).body(steps)).await;
        assert_eq!(headers.contains_key(CONTENT_LENGTH), kept);
    }
}

#[cfg(feature = "json")]
#[tokio::test]
async fn body_is_read_as_json() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Refusal {
        ok: bool,
        error: String,
    }
    let error = refused(answer(400).text(r#"{"ok": false, "error": "no such bill"}"#)).await;
    let refusal: Refusal = error.json().expect("it fits");
    assert_eq!(
        refusal,
        Refusal {
            ok: false,
            error: "no such bill".into()
        }
    );
    assert!(
        refused(answer(400).text("<html>"))
            .await
            .json::<Refusal>()
            .is_err()
    );
}

#[test]
fn with_unsent_means_not_applied() {
    let error = ServiceError::new("refused");
    assert!(!error.is_unsent() && error.may_have_been_applied());
    let error = error.with_unsent();
    assert!(error.is_unsent() && !error.may_have_been_applied());
    assert_eq!(error.to_string(), "the request was not sent");
    let error = Error::from(error);
    assert!(!error.may_have_been_applied());
}
