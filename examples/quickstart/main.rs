//! Sends requests through `RevioStatusLayer` to a stand-in for the API on this machine, and prints the
//! results: `cargo run --example quickstart`.
//!
//! Every result is compared with the promise above its request. If one differs, the program prints the
//! difference and exits with 1.
//!
//! `cargo run --example quickstart -- serve` starts only the stand-in, for the other examples, and prints
//! their settings.

mod server;
mod story;
mod table;

use std::{process::ExitCode, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Method, StatusCode, header::ALLOW};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use revio_status::{
    BoxError, Cooldown, Error, Idempotent, ReplayBody, RevioStatus, RevioStatusLayer,
    StandardPolicy, StatusKind, StopReason, TimeLimit,
};
use revio_status_limit::{Limit, LimitLayer, Quota};
use tower::ServiceBuilder;

use server::Api;
use story::Story;
use table::Table;

/// Any request body, streamed or not.
type Body = BoxBody<Bytes, BoxError>;

/// The client's type, needed only to store the client or pass it on.
type ApiClient = RevioStatus<Limit<Client<HttpConnector, ReplayBody<Body>>>>;

const SECOND: Duration = Duration::from_secs(1);
const KEY: &str = "Ocp-Apim-Subscription-Key";
const NOTE: &str = r#"{"customer_id": 7, "body": "Asked for a copy of bill 31."}"#;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let api = Api::start().await?;
    if std::env::args().nth(1).as_deref() == Some("serve") {
        println!("The stand-in is up. Settings for the other examples:\n");
        print!(
            "    export REVIO_BASE_URL={} REVIO_USERNAME=ada ",
            api.uri("")
        );
        println!("REVIO_CLIENT_CODE=acme REVIO_PASSWORD=pass REVIO_SUBSCRIPTION_KEY=key\n");
        std::future::pending::<()>().await;
    }
    let cooldown = Cooldown::default();
    let limit = LimitLayer::new(Quota::per_minute(500)).cooldown(cooldown.clone());
    let client = ServiceBuilder::new()
        .layer(RevioStatusLayer::new().cooldown(cooldown.clone()))
        .layer(limit.clone())
        .service(Client::builder(TokioExecutor::new()).build_http());

    let mut story = Story {
        api,
        cooldown,
        table: Table::begin(),
        limit,
    };
    successes(&mut story, &client).await?;
    refusals(&mut story, &client).await?;
    rate_limits(&mut story, &client).await?;
    outages(&mut story, &client).await?;
    lost_responses(&mut story, &client).await?;
    Ok(story.table.end())
}

/// Returns advice for the caller about an error. Copy this function and adapt the texts.
fn advice(error: &Error) -> String {
    let e = match error {
        Error::Status(e) => e,
        Error::Service(_) if !error.may_have_been_applied() => return "try again later".into(),
        Error::Service(_) => return "check, then resend".into(),
    };
    // All other stop reasons are for idempotent requests.
    let only_once = [StopReason::NotRetryable, StopReason::NotIdempotent];
    match e.kind() {
        StatusKind::BadRequest | StatusKind::OtherClientError => "fix the request".into(),
        StatusKind::Unauthorized => "check credentials".into(),
        StatusKind::Forbidden => "ask for permission".into(),
        StatusKind::NotFound => "check path and id".into(),
        StatusKind::MethodNotAllowed => match e.headers().get(ALLOW).map(HeaderValue::to_str) {
            Some(Ok(methods)) => format!("use {methods}"),
            _ => "use another method".into(),
        },
        StatusKind::NotImplemented => "do without it".into(),
        _ if e.may_have_been_applied() && only_once.contains(&e.stop_reason()) => {
            "check, then resend".into()
        }
        _ => match e.retry_after().map(|wait| wait.as_millis().div_ceil(1000)) {
            Some(seconds @ ..=120) => format!("wait {seconds} s"),
            Some(seconds) => format!("wait {} min", seconds.div_ceil(60)),
            None => "try again later".into(),
        },
    }
}

async fn successes(story: &mut Story, client: &ApiClient) -> Result<(), BoxError> {
    let location = story.api.uri("/v1/Notes/11027");
    let promise = format!("attempts 1, applied 1, location {location}: 201 Created, id 11027");
    story.post(client, "/v1/Notes", NOTE, &promise).await?;

    let promise = "attempts 1, applied 1: 200 OK, id 7";
    story.get(client, "/v1/Customers/7", promise).await?;
    Ok(())
}

/// The caller's errors are not retried.
async fn refusals(story: &mut Story, client: &ApiClient) -> Result<(), BoxError> {
    let note = r#"{"body": "Whose note is this?"}"#;
    let promise = "attempts 1, bad_request, not_retryable: 400 customer_id missing";
    story.post(client, "/v1/Notes", note, promise).await?;

    let mut request = story.request(Method::GET, "/v1/Customers/7", "")?;
    request.headers_mut().remove(KEY);
    let promise = "attempts 1, unauthorized, not_retryable: 401 Access denied due to missing \
        subscription key. Make sure to include subscription key when making requests to an API.";
    story.send(client, request, promise).await;

    let promise = "attempts 1, forbidden, not_retryable: 403 No access to users";
    story.get(client, "/v1/Users", promise).await?;

    // A 403 of the gateway: the account's calls are used up.
    let promise = "attempts 1, quota_exceeded, not_retryable, retry after 1800s: \
        403 Out of call volume quota. Quota will be replenished in 00:30:00.";
    story.get(client, "/v1/Bills", promise).await?;
    story.cooldown.clear(); // else the next requests would be refused for five minutes

    let promise = "attempts 1, not_found, not_retryable: 404 Resource not found";
    story.get(client, "/v1/Custmers/7", promise).await?;

    let request = story.request(Method::PATCH, "/v1/Bills/31", "[]")?;
    let promise = "attempts 1, method_not_allowed, not_retryable, allow GET, PUT: \
        405 The requested resource does not support http method 'PATCH'.";
    story.send(client, request, promise).await;
    Ok(())
}

/// A 429 is retried only if the policy opts in: a retry uses up calls that others share.
async fn rate_limits(story: &mut Story, client: &ApiClient) -> Result<(), BoxError> {
    let promise = "attempts 1, too_many_requests, not_retryable, retry after 1s: \
        429 Rate limit is exceeded. Try again in 1 seconds.";
    story.get(client, "/v1/Services", promise).await?;
    cool_down(story, client).await?;

    let policy = StandardPolicy::default().retry_on(StatusCode::TOO_MANY_REQUESTS);
    let layer = RevioStatusLayer::new().policy(policy);
    let patient = ServiceBuilder::new()
        .layer(layer.cooldown(story.cooldown.clone()))
        .layer(story.limit.clone())
        .service(Client::builder(TokioExecutor::new()).build_http());
    let promise = "attempts 2, applied 1: 200 OK, id 7";
    let call = story.get(&patient, "/v1/Services", promise).await?;
    story.check(&call, call.waited >= SECOND, "waits a second");
    Ok(())
}

/// The 429 started a cool-down of one second. Of three requests two are held until it ends; the third has
/// a time limit of half a second and is refused.
async fn cool_down(story: &mut Story, client: &ApiClient) -> Result<(), BoxError> {
    let charge = r#"{"customer_id": 7, "amount": 12.5}"#;
    let held = [
        story.request(Method::GET, "/v1/Customers/7", "")?,
        story.request(Method::POST, "/v1/Charges", charge)?,
    ];
    let mut hurried = story.request(Method::GET, "/v1/Users", "")?;
    hurried.extensions_mut().insert(TimeLimit(SECOND / 2));

    let location = story.api.uri("/v1/Charges/11028");
    let created = format!("attempts 1, applied 1, location {location}: 201 Created, id 11028");
    let promises = [
        "attempts 1, applied 1: 200 OK, id 7",
        &created,
        "attempts 0, too_many_requests, cooling_down, retry after 1s: 429 Too Many Requests",
    ];
    let requests = held.into_iter().chain([hurried]);
    let calls = story.send_all(client, requests, promises).await;
    let waited = calls.iter().map(|call| call.waited.as_secs());
    let is_kept = waited.eq([1, 1, 0]);
    story.check(
        &calls[0],
        is_kept,
        "waits a second, as the second does; the third does not wait",
    );
    Ok(())
}

/// The server's errors are retried if a retry may help, within limits.
async fn outages(story: &mut Story, client: &ApiClient) -> Result<(), BoxError> {
    let payment = r#"{"customer_id": 7, "amount": 12.5}"#;
    let promise = "attempts 1, internal_server_error, not_retryable, may have been applied: \
        500 An error has occurred.";
    story.post(client, "/v1/Payments", payment, promise).await?;

    let refund = r#"{"payment_id": 3}"#;
    let promise = "attempts 1, not_implemented, not_retryable: 501 Refunds: not yet";
    story.post(client, "/v1/Refunds", refund, promise).await?;

    // 503 with `Retry-After: 1`, then 200.
    let promise = "attempts 2, applied 1: 200 OK, id 7";
    let call = story.get(client, "/v1/Contacts/7", promise).await?;
    story.check(&call, call.waited >= SECOND, "waits a second");

    // A lasting 503, as an HTML page.
    let promise = "attempts 3, service_unavailable, attempts_exhausted, may have been applied: \
        503 Service Unavailable";
    story.get(client, "/v1/Products", promise).await?;

    // 503 with `Retry-After: 3600`: too long to wait; the caller learns the time.
    let promise = "attempts 1, service_unavailable, retry_after_too_long, \
        may have been applied, retry after 3600s: 503 Maintenance";
    let call = story.get(client, "/v1/Orders", promise).await?;
    story.check(&call, call.waited < SECOND, "ends at once");
    Ok(())
}

/// After a 504 the request may have been applied: only idempotent requests are resent.
async fn lost_responses(story: &mut Story, client: &ApiClient) -> Result<(), BoxError> {
    let promise = "attempts 2, applied 2: 200 OK, id 7";
    story.get(client, "/v1/Requests/7", promise).await?;

    // The note was created, once, but the response was lost.
    let promise = "attempts 1, applied 1, gateway_timeout, not_idempotent, \
        may have been applied: 504 Gateway Timeout";
    story.post(client, "/v1/Notes", NOTE, promise).await?;

    // The caller accepts a second copy. Two were created.
    let mut request = story.request(Method::POST, "/v1/Notes", NOTE)?;
    request.extensions_mut().insert(Idempotent(true));
    let location = story.api.uri("/v1/Notes/11031");
    let promise = format!("attempts 2, applied 2, location {location}: 201 Created, id 11031");
    story.send(client, request, &promise).await;

    // 503, then 200. The body is recorded while it streams.
    let pieces = [r#"{"line_1": "1 Main"#, r#" St", "city": "#, r#""Macon"}"#];
    let request = story.request(Method::PUT, "/v1/Addresses/7", "")?;
    let request = request.map(|_| streamed(pieces));
    let promise = "attempts 2, applied 1: 200 OK, id 7";
    let call = story.send(client, request, promise).await;
    let bodies: Vec<_> = call.received.iter().map(|r| &r.body).collect();
    let is_same = bodies.iter().all(|body| **body == pieces.concat());
    let promise = format!("brings the same bytes again, not {bodies:?}");
    story.check(&call, is_same, &promise);
    Ok(())
}

/// Returns a body that streams these pieces with short pauses.
fn streamed(pieces: [&'static str; 3]) -> Body {
    let frames = stream::iter(pieces).then(|piece| async move {
        tokio::time::sleep(SECOND / 20).await;
        Ok(Frame::data(Bytes::from(piece)))
    });
    BodyExt::boxed(StreamBody::new(frames))
}
