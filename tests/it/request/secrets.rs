//! No secret appears in an event, a `Display` or a `Debug`, on any failing path.

use std::{sync::Mutex, time::Duration};

use crate::support::{self, AnyBody, body::*, events::*, hasty, script::*};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use revio_status::{
    Attempt, Budget, Decision, Error, ReplayBody, RetryPolicy, RevioStatusLayer, StandardPolicy,
    StatusError, StopReason, policy_fn,
};
use tower::{Layer, Service, ServiceExt};

/// Credentials, the query, bodies and a response header.
const SECRETS: [&str; 8] = [
    "QWxhZGRpbg",
    "9f8e7d6c5b4a",
    "hunter2",
    "aladdin",
    "card=4111",
    "body-s3cret",
    "sent-s3cret",
    "response-s3cret",
];
const BODY: &str = r#"{"note": "body-s3cret"}"#;

/// All printed texts.
static TEXTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn write(text: String) {
    TEXTS.lock().expect("no panic").push(text);
}

fn write_debug(value: &impl std::fmt::Debug) {
    write(format!("{value:?}"));
    write(format!("{value:#?}"));
}

fn request(method: Method) -> Request<Steps> {
    Request::builder()
        .method(method)
        .uri("http://aladdin:hunter2@api.test/v1/Payments?card=4111")
        .header("authorization", "Basic QWxhZGRpbg")
        .header("ocp-apim-subscription-key", "9f8e7d6c5b4a")
        .body(Steps::chunks(["sent-s3cret"]))
        .expect("a valid request")
}

/// A service that prints each request body, before and after it is read.
#[derive(Clone)]
struct Printing(Script);

impl Service<Request<ReplayBody<Steps>>> for Printing {
    type Response = Response<AnyBody>;
    type Error = std::convert::Infallible;
    type Future = futures_util::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReplayBody<Steps>>) -> Self::Future {
        let mut script = self.0.clone();
        Box::pin(async move {
            let (head, mut body) = request.into_parts();
            write_debug(&body);
            while body.frame().await.is_some() {
                write_debug(&body);
            }
            script
                .call(Request::from_parts(head, http_body_util::Empty::new()))
                .await
        })
    }
}

/// Sends the request, and prints everything printable on the way.
async fn fail<P>(layer: RevioStatusLayer<P>, request: Request<Steps>, script: Script) -> Error
where
    P: RetryPolicy + Clone + std::fmt::Debug,
{
    write_debug(&layer);
    let mut service = layer.layer(Printing(script));
    write_debug(&service);
    let mut future = Box::pin(service.call(request));
    let error = loop {
        write_debug(&future);
        tokio::select! {
            biased;
            result = &mut future => break result.map(|_| ()).expect_err("a failure"),
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    };
    write_debug(&future);
    write_debug(&error);
    write(error.to_string());
    if let Some(error) = error.status_error() {
        write_debug(error);
        write(error.to_string());
    }
    error
}

/// Promise (bounds): No credential, header, query or body appears in events, `Display` or `Debug`,
/// except the message in `Display`.
#[tokio::test(start_paused = true)]
async fn failing_request_shows_no_secret() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let failing = |status: u16, wait: &str| {
        let response = answer(status).header("x-session", "response-s3cret");
        Script::new([response.retry_after(wait).text(BODY)])
    };
    let printing = policy_fn(|attempt: &Attempt<'_>| {
        write_debug(attempt);
        Decision::Stop(StopReason::StoppedByPolicy)
    });
    let get = || request(Method::GET);
    let deadline = Duration::from_millis(500);

    let errors = [
        (
            fail(hasty(), get(), failing(400, "0")).await,
            StopReason::NotRetryable,
        ),
        (
            fail(hasty(), get(), failing(403, "9")).await,
            StopReason::NotRetryable,
        ),
        (
            fail(hasty().never_retry(), get(), failing(503, "0")).await,
            StopReason::NotRetryable,
        ),
        (
            fail(hasty(), request(Method::POST), failing(504, "0")).await,
            StopReason::NotIdempotent,
        ),
        (
            fail(hasty().replay_body_limit(1), get(), failing(503, "0")).await,
            StopReason::BodyNotReplayable,
        ),
        (
            fail(hasty(), get(), failing(503, "1")).await,
            StopReason::AttemptsExhausted,
        ),
        (
            fail(hasty(), get(), failing(503, "60")).await,
            StopReason::RetryAfterTooLong,
        ),
        (
            fail(hasty().time_limit(deadline), get(), failing(503, "1")).await,
            StopReason::DeadlineExceeded,
        ),
        (
            fail(
                hasty().budget(Budget::new(0, 0.0)),
                get(),
                failing(503, "0"),
            )
            .await,
            StopReason::BudgetExhausted,
        ),
        (
            fail(hasty().policy(printing), get(), failing(503, "0")).await,
            StopReason::StoppedByPolicy,
        ),
    ];
    for (error, reason) in &errors {
        assert_eq!(error.status_error().map(|e| e.stop_reason()), Some(*reason));
    }
    let given_up = events.ours();
    assert!(given_up.len() > 8, "the subscriber gets events");
    given_up.iter().for_each(write_debug);

    let texts = TEXTS.lock().expect("no panic");
    assert!(texts.len() > 100, "{} texts", texts.len());
    for text in texts.iter() {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret:?} is in {text:?}");
        }
    }
}

#[tokio::test]
async fn no_response_error_shows_no_request() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let broken = tower::service_fn(|_: Request<ReplayBody<Steps>>| async {
        Err::<Response<String>, _>("no route to host")
    });
    let error = hasty()
        .layer(broken)
        .oneshot(request(Method::GET))
        .await
        .expect_err("broken");
    assert_eq!(error.to_string(), "no response from the API");
    assert_eq!(
        format!("{error:?}"),
        "Service(ServiceError { attempts: 1, stop_reason: NotRetryable, error: \"no route to host\", .. })"
    );
    assert_eq!(events.ours(), []);
}

/// Promise (bounds): No credential, header, query or body appears in events, `Display` or `Debug`,
/// except the message in `Display`.
#[tokio::test]
async fn message_is_in_display_only() {
    let events = Events::default();
    let _guard = tracing::subscriber::set_default(events.clone());
    let script = Script::new([answer(504).text("card 4111 declined")]);
    let policy = StandardPolicy::default().max_attempts(1);
    let service = hasty().policy(policy).layer(script);
    let error = service
        .oneshot(support::get())
        .await
        .map(drop)
        .expect_err("504");
    assert_eq!(
        error.to_string(),
        "504 Gateway Timeout: card 4111 declined (attempts_exhausted)"
    );
    assert_eq!(
        format!("{error:?}"),
        "Status(StatusError { status: 504, attempts: 1, stop_reason: AttemptsExhausted, body_len: 18, .. })"
    );
    assert!(!format!("{error:#?} {:?}", events.ours()).contains("4111"));
}

/// Bodies with requested data, with or without an error beside it.
const REQUESTED: [(&str, &str); 35] = [
    ("application/json", r#"{"data": {"message": "private"}}"#),
    (
        "application/json",
        r#"{"data": [{"message": "private"}], "error": "E_1"}"#,
    ),
    (
        "application/json",
        r#"{"error": {"code": 7, "data": {"message": "private"}}}"#,
    ),
    (
        "application/json",
        r#"{"data": {"error": {"message": "private"}}}"#,
    ),
    (
        "application/json",
        r#"{"result": {"message": "private"}, "response": {"message": "private"}}"#,
    ),
    (
        "application/json",
        r#"{"description": "private", "amount": 5}"#,
    ),
    (
        "application/json",
        r#"{"error": "charge_locked", "description": "private", "reason": "private"}"#,
    ),
    (
        "application/json",
        r#"{"value": "private", "error": {"value": "private"}}"#,
    ),
    (
        "application/json",
        r#"{"errors": [{"value": "private", "path": "card", "input": "private"}]}"#,
    ),
    (
        "application/json",
        r#"{"errors": {"card": {"value": "private", "kind": "private"}}}"#,
    ),
    (
        "application/json",
        r#"{"messages": [{"id": 1, "message": "private", "from": "private"}]}"#,
    ),
    (
        "application/json",
        r#"[{"id": 5, "text": "private"}, {"id": 6, "description": "private"}]"#,
    ),
    ("application/json", r#"{"emails": ["private"]}"#),
    (
        "application/json",
        r#"{"status": {"text": "private"}, "name": "private"}"#,
    ),
    (
        "application/json",
        r#"{"message": "{\"data\": {\"message\": \"private\"}}"}"#,
    ),
    (
        "application/json",
        r#"{"message": "{\"data\": {\"message\": \"priv"}"#,
    ),
    (
        "application/json",
        r#"{"message": "[{\"name\": \"private\"}]"}"#,
    ),
    (
        "application/json",
        r#"{"message": " <Customer><Name>private</Name></Customer>"}"#,
    ),
    (
        "application/json",
        r#"" <Customer><Name>private</Name></Customer>""#,
    ),
    ("application/json", r#"{"name": "private", "message": "#),
    ("text/plain", r#"{"data": {"message": "private"}} trailing"#),
    ("application/json", r#"{"message": "[\"private\", \"x\"]"}"#),
    ("text/plain", r#"{"name": "private"#),
    ("text/plain", r#"[5, {"name": "private"#),
    ("application/json", r#"[null, "private", "#),
    (
        "application/xml",
        "<ledger><description>private</description></ledger>",
    ),
    (
        "application/xml",
        "<Order><Details>private</Details><note>private</note></Order>",
    ),
    (
        "application/xml",
        "<error><name>private</name><Detail><name>private</name></Detail></error>",
    ),
    (
        "application/xml",
        "<string>&lt;Customer&gt;&lt;Name&gt;private&lt;/Name&gt;&lt;/Customer&gt;</string>",
    ),
    (
        "application/xml",
        "<string><Customer><Message>private</Message></Customer></string>",
    ),
    (
        "application/xml",
        "<string xmlns='urn:x'>{\"CustomerId\": 5, \"Name\": \"private\"}</string>",
    ),
    (
        "application/xml",
        "<e><Message>&lt;Name&gt;private&lt;/Name&gt;</Message></e>",
    ),
    (
        "application/xml",
        "<e><Message>{\"Name\": \"private\"}</Message></e>",
    ),
    (
        "application/xml",
        "<!DOCTYPE e [<!ENTITY m 'private'>]><e><Name>private</Name></e>",
    ),
    (
        "text/html",
        "<title>Error</title><p hidden>private</p><form><input value=private><textarea>private</textarea></form>",
    ),
];

/// Promise (bounds): Requested data never appears in a message.
#[test]
fn requested_data_is_never_shown() {
    for status in [400, 409, 500, 503] {
        for (media_type, body) in REQUESTED {
            let response = Response::builder()
                .status(status)
                .header("content-type", media_type)
                .body(bytes::Bytes::from_static(body.as_bytes()))
                .expect("valid");
            let error = StatusError::from_response(response).expect("a failure");
            let shown = format!("{error} {:?}", error.message());
            assert!(!shown.contains("priv"), "{body}: {shown}");
        }
    }
}
