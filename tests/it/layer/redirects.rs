//! Redirects: which of the caller's extensions and headers reach the next request.

use std::time::Duration;

use crate::support::{
    self, AnyBody, Refused, hasty,
    script::*,
    wire::{Counter, Server, bounded},
};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use revio_status::{
    Backoff, Cooldown, Error, Idempotent, MaxAttempts, RevioStatusLayer, StandardPolicy,
    StopReason, TimeLimit,
};
use tokio::net::TcpSocket;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::{
    FollowRedirectLayer,
    policy::{
        Action, Attempt, FilterCredentials, Limited, Policy, PolicyExt, SameOrigin, Standard,
        redirect_fn,
    },
};

const ELSEWHERE: &str = "http://api.elsewhere/v1/Customers/1001";
const SECOND: Duration = Duration::from_secs(1);

async fn send<P>(
    policy: P,
    layer: RevioStatusLayer,
    script: &Script,
    request: Request<Full<Bytes>>,
) -> Result<Response<AnyBody>, Error>
where
    P: Policy<Full<Bytes>, Error> + Clone,
{
    ServiceBuilder::new()
        .layer(FollowRedirectLayer::with_policy(policy))
        .layer(layer)
        .service(script.clone())
        .oneshot(request)
        .await
}

/// The guide's careful policy: follows only safe methods, only to the same origin.
fn careful() -> impl Policy<Full<Bytes>, Error> + Clone {
    let reads = redirect_fn(|attempt: &Attempt<'_>| {
        Ok::<_, Error>(match attempt.previous_method().is_safe() {
            true => Action::Follow,
            false => Action::Stop,
        })
    });
    Limited::default()
        .and::<_, Full<Bytes>, Error>(SameOrigin::default())
        .and::<_, Full<Bytes>, Error>(reads)
}

/// The guide's policy that keeps this crate's extensions, with tower-http's credential filter.
fn keeping() -> impl Policy<Full<Bytes>, Error> + Clone {
    let ours = FilterCredentials::new()
        .allow_extension::<Idempotent>()
        .allow_extension::<MaxAttempts>()
        .allow_extension::<TimeLimit>()
        .allow_extension::<Cooldown>();
    Limited::default().and::<_, Full<Bytes>, Error>(ours)
}

fn moved(status: u16, location: &str) -> Answer {
    answer(status).header("location", location)
}

fn sent_once(method: Method) -> Request<Full<Bytes>> {
    let mut request = support::request(method);
    request.extensions_mut().insert(Idempotent(false));
    request
}

/// Promise (once): The redirect policies in the guide carry the caller's extensions along;
/// tower-http's own does not.
#[tokio::test]
async fn standard_redirect_drops_idempotent_false() {
    let script = || Script::new([moved(307, ELSEWHERE), answer(503)]);
    let forgotten = script();
    let error = send(
        Standard::default(),
        hasty(),
        &forgotten,
        sent_once(Method::PUT),
    )
    .await;
    assert_eq!(error.refused().attempts(), 3);

    let kept = script();
    let error = send(keeping(), hasty(), &kept, sent_once(Method::PUT)).await;
    let error = error.refused();
    assert_eq!(error.stop_reason(), StopReason::NotIdempotent);
    assert_eq!(kept.count(), 2);
}

/// Promise (once): The redirect policies in the guide carry the caller's extensions along;
/// tower-http's own does not.
#[tokio::test(start_paused = true)]
async fn keeping_redirect_keeps_all_extensions() {
    let script = Script::new([moved(307, ELSEWHERE), answer(503)]);
    let mut request = support::get();
    request.extensions_mut().insert(MaxAttempts(2));
    let error = send(keeping(), hasty(), &script, request).await;
    assert_eq!(error.refused().attempts(), 2);

    let script = Script::new([moved(307, ELSEWHERE), answer(503).retry_after("2")]);
    let mut request = support::get();
    request.extensions_mut().insert(TimeLimit(SECOND));
    let error = send(keeping(), hasty(), &script, request).await;
    assert_eq!(error.refused().stop_reason(), StopReason::DeadlineExceeded);

    let script = Script::new([moved(307, ELSEWHERE), answer(429).retry_after("2")]);
    let cooldown = Cooldown::default();
    let mut request = support::get();
    request.extensions_mut().insert(cooldown.clone());
    let error = send(keeping(), hasty().no_cooldown(), &script, request).await;
    error.refused();
    assert!(cooldown.until().is_some());
}

/// Promise (once): The careful redirect policy in the guide follows only reads, and only to the
/// same origin.
#[tokio::test]
async fn careful_redirect_follows_same_origin_reads() {
    let here = "/v2/Customers/1001";
    for (method, status, location, sent) in [
        (Method::GET, 301, here, 2),
        (Method::GET, 307, ELSEWHERE, 1),
        (Method::PUT, 307, here, 1),
        (Method::POST, 303, here, 1),
    ] {
        let script = Script::new([moved(status, location), answer(200)]);
        let request = support::request(method.clone());
        let response = send(careful(), hasty(), &script, request).await;
        let response = response.expect("no failure");
        assert_eq!(script.count(), sent, "{method} {status} {location}");
        let expected = if sent == 1 { status } else { 200 };
        assert_eq!(response.status().as_u16(), expected);
    }
}

/// tower-http filters only the credential headers of RFCs.
#[tokio::test]
async fn standard_redirect_sends_subscription_key() {
    let script = Script::new([moved(307, ELSEWHERE), answer(200)]);
    let mut request = support::get();
    let headers = request.headers_mut();
    headers.insert("authorization", "Basic Og==".parse().expect("valid"));
    headers.insert("ocp-apim-subscription-key", "k".parse().expect("valid"));
    let response = send(Standard::default(), hasty(), &script, request).await;
    response.expect("followed");
    let headers = script.sent().pop().expect("two").head.headers;
    assert!(headers.contains_key("ocp-apim-subscription-key"));
    assert!(!headers.contains_key("authorization"));
}

/// The POST succeeded; the 401 is the following GET's.
#[tokio::test]
async fn error_describes_the_last_redirect() {
    let script = Script::new([moved(303, "/v1/Payments/7"), answer(401)]);
    let error = send(Standard::default(), hasty(), &script, support::post()).await;
    let methods: Vec<_> = script.sent().into_iter().map(|s| s.head.method).collect();
    assert_eq!(methods, [Method::POST, Method::GET]);
    assert!(!error.refused().may_have_been_applied());
}

/// reqwest follows redirects itself: the POST was received, and the following GET cannot connect.
#[tokio::test]
async fn inner_redirect_makes_sent_post_look_unsent() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let dead = format!("http://{}/", socket.local_addr().expect("bound"));
    let received = Counter::default();
    let count = received.clone();
    let server = Server::start(move |_| {
        count.add(1);
        let response = Response::builder().status(303).header("location", &dead);
        std::future::ready(response.body(support::no_body()).expect("valid"))
    })
    .await;
    let client = reqwest::Client::builder().no_proxy().build().expect("one");
    let policy = StandardPolicy::default().backoff(Backoff::none());
    let stack = ServiceBuilder::new()
        .layer(RevioStatusLayer::new().policy(policy.retry_unsent()))
        .map_response(Response::<reqwest::Body>::from)
        .filter(|request: Request<_>| reqwest::Request::try_from(request.map(reqwest::Body::wrap)))
        .service(client);
    let post = Request::post(server.uri("/v1/Payments")).body(support::no_body());
    let error = bounded(stack.oneshot(post.expect("valid"))).await;
    assert!(error.is_err_and(|error| !error.may_have_been_applied()));
    assert_eq!(received.get(), 3);
}
