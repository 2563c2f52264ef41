//! Requests without a response: the error's facts, and when they are retried.

use std::{
    collections::VecDeque,
    error::Error as StdError,
    fmt, io,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use crate::support::{
    self, AnyBody, Refused, body::*, get, hasty, layer, post, request, with_body,
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use revio_status::{
    Attempt, Backoff, BoxError, Budget, Decision, Error, Idempotent, PreviousAttempt, ReplayBody,
    RetryPolicy, ServiceError, StandardPolicy, StatusError, StopReason, policy_fn,
};
use tower::{Layer, Service, ServiceExt, service_fn};

/// The scripted result of one attempt.
#[derive(Clone, Copy, Debug)]
enum Act {
    Status(u16),
    /// Nothing was sent.
    Dead,
    /// The same error, but the body was read before.
    DeadAfterBody,
    Lost(io::ErrorKind),
}

#[derive(Debug)]
struct Dead;

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no route")
    }
}

impl StdError for Dead {}

/// A body and its trailers.
type Received = (Bytes, Option<HeaderMap>);

/// A service that follows a script, repeats its last act, and records complete bodies.
#[derive(Clone)]
struct Acts {
    acts: Arc<Mutex<VecDeque<Act>>>,
    seen: Arc<Mutex<Vec<Received>>>,
}

fn acts<const N: usize>(acts: [Act; N]) -> Acts {
    Acts {
        acts: Arc::new(Mutex::new(acts.into())),
        seen: Arc::default(),
    }
}

impl Acts {
    /// Returns the number of completely received attempts.
    fn received(&self) -> usize {
        self.seen.lock().expect("no panic").len()
    }

    fn next(&self) -> Act {
        let mut acts = self.acts.lock().expect("no panic");
        match acts.len() {
            1 => acts[0],
            _ => acts.pop_front().expect("more than one"),
        }
    }
}

impl<B> Service<Request<B>> for Acts
where
    B: http_body::Body<Data = Bytes, Error: fmt::Debug> + Send + 'static,
{
    type Response = Response<AnyBody>;
    type Error = BoxError;
    type Future = futures_util::future::BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (acts, act) = (self.clone(), self.next());
        Box::pin(async move {
            if let Act::Dead = act {
                return Err(Dead.into());
            }
            let body = request.into_body().collect().await.expect("whole");
            let trailers = body.trailers().cloned();
            if let Act::DeadAfterBody = act {
                return Err(Dead.into());
            }
            let seen = (body.to_bytes(), trailers);
            acts.seen.lock().expect("no panic").push(seen);
            match act {
                Act::Status(status) => {
                    let response = Response::builder().status(status);
                    Ok(response.body(support::no_body())?)
                }
                Act::Lost(kind) => Err(io::Error::from(kind).into()),
                Act::Dead | Act::DeadAfterBody => unreachable!("returned above"),
            }
        })
    }
}

const LOST: Act = Act::Lost(io::ErrorKind::ConnectionReset);

/// A policy that treats `Dead` as unsent, and otherwise forwards to the wrapped one.
#[derive(Clone)]
struct KnowsDead(StandardPolicy);

impl RetryPolicy for KnowsDead {
    fn is_retryable(&self, status: StatusCode) -> bool {
        self.0.is_retryable(status)
    }

    fn is_unsent(&self, error: &(dyn StdError + 'static)) -> bool {
        error.is::<Dead>() || self.0.is_unsent(error)
    }

    fn is_retryable_error(&self, error: &(dyn StdError + 'static), is_unsent: bool) -> bool {
        self.0.is_retryable_error(error, is_unsent)
    }

    fn resend(&self, request: &http::request::Parts) -> revio_status::Resend {
        self.0.resend(request)
    }

    fn attempt_limit(&self, request: &http::request::Parts) -> u32 {
        self.0.attempt_limit(request)
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        self.0.decide(attempt)
    }
}

fn policy() -> StandardPolicy {
    StandardPolicy::default().backoff(Backoff::none())
}

async fn call<B>(policy: StandardPolicy, acts: &Acts, request: Request<B>) -> Result<u16, Error>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = layer().policy(KnowsDead(policy)).layer(acts.clone());
    Ok(service.oneshot(request).await?.status().as_u16())
}

async fn failed<B>(policy: StandardPolicy, acts: &Acts, request: Request<B>) -> Error
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    call(policy, acts, request).await.expect_err("a failure")
}

fn into_service_error(error: Error) -> ServiceError {
    match error {
        Error::Service(error) => error,
        Error::Status(error) => panic!("a response: {error}"),
    }
}

fn statuses(earlier: &[PreviousAttempt]) -> Vec<Option<u16>> {
    let status = |attempt: &PreviousAttempt| Some(attempt.status()?.as_u16());
    earlier.iter().map(status).collect()
}

/// Promise (once): A request without a response is not resent by default.
#[tokio::test]
async fn no_response_is_not_retried_by_default() {
    for method in [Method::GET, Method::POST] {
        for act in [LOST, Act::Dead] {
            let error = failed(policy(), &acts([act]), request(method.clone())).await;
            assert_eq!(
                (
                    error.attempts(),
                    error.stop_reason(),
                    error.previous_attempts().len()
                ),
                (1, StopReason::NotRetryable, 0)
            );
            assert_eq!((error.kind(), error.retry_after()), (None, None));
            let is_unsent = matches!(act, Act::Dead);
            assert_eq!(error.may_have_been_applied(), !is_unsent);
            assert_eq!(into_service_error(error).is_unsent(), is_unsent);
        }
    }
}

#[tokio::test]
async fn service_error_holds_the_inner_error() {
    let error = into_service_error(failed(policy(), &acts([Act::Dead]), get()).await);
    assert!(error.get_ref().is::<Dead>() && error.source().expect("the inner error").is::<Dead>());
    assert!(error.into_inner().is::<Dead>());
}

#[tokio::test(start_paused = true)]
async fn display_has_sent_attempts_and_stop_reason() {
    let unsent = failed(policy(), &acts([Act::Dead]), get()).await;
    assert_eq!(unsent.to_string(), "the request was not sent");
    let lost = failed(policy(), &acts([LOST]), get()).await;
    assert_eq!(lost.to_string(), "no response from the API");
    let unsent = failed(policy().retry_unsent(), &acts([Act::Dead]), post()).await;
    assert_eq!(
        unsent.to_string(),
        "the request was not sent (3 attempts, attempts_exhausted)"
    );
    let after = acts([Act::Status(503), Act::Dead]);
    let unsent = failed(policy().retry_unsent().max_attempts(2), &after, get()).await;
    assert_eq!(
        unsent.to_string(),
        "the resend was not sent (2 attempts, attempts_exhausted)"
    );
    let lost = failed(policy().retry_transient(), &acts([LOST]), post()).await;
    assert_eq!(
        lost.to_string(),
        "no response from the API (not_idempotent)"
    );
}

/// Promise (cause): An error lists the failures before the last one, at most 16 of them.
#[tokio::test(start_paused = true)]
async fn no_response_after_503_keeps_both() {
    let wait = Duration::from_secs(3);
    let policy = StandardPolicy::default().backoff(Backoff::fixed(wait));
    let error = failed(policy, &acts([Act::Status(503), Act::Dead]), get()).await;
    let [earlier] = error.previous_attempts() else {
        panic!("{:?}", error.previous_attempts());
    };
    assert_eq!(earlier.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!((earlier.delay(), earlier.is_unsent()), (wait, false));
    assert_eq!(
        (error.attempts(), error.stop_reason()),
        (2, StopReason::NotRetryable)
    );
    assert!(error.may_have_been_applied(), "the 503 may have been");
    assert!(
        into_service_error(error).is_unsent(),
        "only the last attempt is unsent"
    );
}

#[tokio::test(start_paused = true)]
async fn status_after_no_response_keeps_both() {
    let acts = acts([Act::Dead, LOST, Act::Status(404)]);
    let error = failed(policy().retry_transient(), &acts, get()).await;
    assert_eq!(statuses(error.previous_attempts()), [None, None]);
    assert!(error.previous_attempts()[0].is_unsent() && !error.previous_attempts()[1].is_unsent());
    assert!(
        error.may_have_been_applied(),
        "the second attempt may have been"
    );
}

#[tokio::test(start_paused = true)]
async fn possibly_applied_outlasts_three_attempts() {
    let policy = policy().retry_on(StatusCode::TOO_MANY_REQUESTS);
    let acts = acts([Act::Status(503), Act::Status(429), Act::Status(404)]);
    let error = failed(policy, &acts, get()).await;
    assert_eq!(statuses(error.previous_attempts()), [Some(503), Some(429)]);
    assert!(error.may_have_been_applied());
}

/// Promise (cause): An error lists the failures before the last one, at most 16 of them.
#[tokio::test(start_paused = true)]
async fn last_sixteen_attempts_are_kept() {
    let policy = policy_fn(|attempt| match attempt.number() {
        20 => Decision::Stop(StopReason::StoppedByPolicy),
        number => Decision::Retry {
            after: Duration::from_secs(number.into()),
        },
    });
    let service = layer().policy(policy).layer(acts([LOST]));
    let error = service.oneshot(get()).await.map(drop).expect_err("lost");
    let delays: Vec<_> = error
        .previous_attempts()
        .iter()
        .map(PreviousAttempt::delay)
        .collect();
    let expected: Vec<_> = (4..20).map(Duration::from_secs).collect();
    assert_eq!((error.attempts(), delays), (20, expected));
}

#[tokio::test(start_paused = true)]
async fn retry_unsent_resends_every_method() {
    for method in [Method::GET, Method::POST] {
        for policy in [policy().retry_unsent(), policy().retry_transient()] {
            let acts = acts([Act::Dead, Act::Dead, Act::Status(200)]);
            let body = with_body(method.clone(), Full::<Bytes>::from("pay"));
            assert_eq!(call(policy, &acts, body).await.expect("sent"), 200);
            assert_eq!(acts.received(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_transient_resends_only_idempotent() {
    use io::ErrorKind::*;
    for kind in [
        BrokenPipe,
        ConnectionAborted,
        ConnectionReset,
        NotConnected,
        TimedOut,
        UnexpectedEof,
    ] {
        let script = acts([Act::Lost(kind), Act::Status(200)]);
        let status = call(policy().retry_transient(), &script, get()).await;
        assert_eq!(
            (status.expect("resent"), script.received()),
            (200, 2),
            "{kind}"
        );

        let script = acts([Act::Lost(kind), Act::Status(200)]);
        let error = failed(policy().retry_transient(), &script, post()).await;
        assert_eq!(
            (error.stop_reason(), script.received()),
            (StopReason::NotIdempotent, 1)
        );
        assert!(error.may_have_been_applied());

        let script = acts([Act::Lost(kind), Act::Status(200)]);
        let error = failed(policy().retry_unsent(), &script, get()).await;
        assert_eq!(
            (error.stop_reason(), script.received()),
            (StopReason::NotRetryable, 1)
        );
    }
}

/// Promise (once): An error that no resend can fix ends the request at once.
#[tokio::test(start_paused = true)]
async fn permanent_io_error_is_not_retried() {
    use io::ErrorKind::*;
    for kind in [
        ConnectionRefused,
        InvalidData,
        InvalidInput,
        NotFound,
        Other,
    ] {
        let script = acts([Act::Lost(kind), Act::Status(200)]);
        let error = failed(policy().retry_transient(), &script, get()).await;
        assert_eq!(
            (error.stop_reason(), script.received()),
            (StopReason::NotRetryable, 1)
        );
        assert!(
            error.may_have_been_applied(),
            "an io::ErrorKind alone is never unsent: {kind}"
        );
    }
}

/// The search follows `source`, but stops at an error of this crate.
#[test]
fn transient_error_is_found_in_source_chain() {
    let policy = policy().retry_transient();
    let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
    let hidden = io::Error::other(reset());
    assert!(policy.is_retryable_error(&reset(), false));
    assert!(policy.is_retryable_error(&hidden, false));
    let ours = Error::from(ServiceError::new(reset()));
    assert!(!policy.is_retryable_error(&ours, false));
    assert!(!policy.is_retryable_error(&io::Error::other(ours), false));
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn tower_timeout_is_transient_not_unsent() {
    let silent =
        service_fn(|_: Request<_>| std::future::pending::<Result<Response<AnyBody>, BoxError>>());
    let service = tower::ServiceBuilder::new()
        .layer(layer().policy(policy().retry_transient()))
        .timeout(Duration::from_secs(1))
        .service(silent);
    let error = service
        .clone()
        .oneshot(get())
        .await
        .map(drop)
        .expect_err("late");
    assert_eq!(error.attempts(), 3);
    assert!(!into_service_error(error).is_unsent());
    let error = service.oneshot(post()).await.map(drop).expect_err("late");
    assert_eq!((error.attempts(), error.may_have_been_applied()), (1, true));
}

/// Promise (once): A request that is not idempotent is not resent after an attempt that may have
/// been applied.
#[tokio::test(start_paused = true)]
async fn non_idempotent_stops_after_possible_apply() {
    let retrying = || {
        policy()
            .retry_transient()
            .retry_on(StatusCode::TOO_MANY_REQUESTS)
    };
    for (script, attempts) in [
        ([Act::Dead, LOST, Act::Status(200)], 2),
        ([Act::Status(429), Act::Status(503), Act::Status(200)], 2),
        ([Act::Status(429), LOST, Act::Status(200)], 2),
        ([Act::Status(504), Act::Status(200), Act::Status(200)], 1),
    ] {
        let put = Request::put(support::URI).extension(Idempotent(false));
        for request in [post(), put.body(Full::default()).expect("valid")] {
            let error = failed(retrying(), &acts(script), request).await;
            assert_eq!(
                (
                    error.stop_reason(),
                    error.attempts(),
                    error.may_have_been_applied()
                ),
                (StopReason::NotIdempotent, attempts, true),
                "{script:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn post_after_retried_429_is_resent_whole() {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, "\"7\"".parse().expect("valid"))]);
    let steps = [data("pay "), data("once"), Step::Trailers(trailers.clone())];
    let script = acts([Act::Status(429), Act::Dead, Act::Status(201)]);
    let policy = policy()
        .retry_on(StatusCode::TOO_MANY_REQUESTS)
        .retry_unsent();
    let status = call(policy, &script, with_body(Method::POST, Steps::new(steps))).await;
    assert_eq!(status.expect("at last"), 201);
    let whole = ("pay once".into(), Some(trailers));
    assert_eq!(
        *script.seen.lock().expect("no panic"),
        [whole.clone(), whole]
    );
}

/// Promise (once): An attempt whose recorded body was read does not count as unsent.
///
/// A policy's `is_unsent` may be wrong: a read body proves a connection.
#[tokio::test(start_paused = true)]
async fn attempt_with_read_body_is_not_unsent() {
    for attempts in [1, 2, 3] {
        let mut script = vec![Act::Dead; attempts - 1];
        script.push(Act::DeadAfterBody);
        let script = Acts {
            acts: Arc::new(Mutex::new(script.into())),
            seen: Arc::default(),
        };
        let post = with_body(Method::POST, Full::<Bytes>::from("pay"));
        let error = failed(policy().retry_unsent(), &script, post).await;
        assert_eq!(error.attempts() as usize, attempts);
        assert!(error.may_have_been_applied());
        assert!(!into_service_error(error).is_unsent());
    }
}

fn unready(
    error: fn() -> BoxError,
    after: usize,
) -> impl Service<
    Request<ReplayBody<Full<Bytes>>>,
    Response = Response<AnyBody>,
    Error = BoxError,
    Future: Send,
> + Clone {
    #[derive(Clone)]
    struct Unready(Acts, fn() -> BoxError, Arc<Mutex<usize>>);
    impl Service<Request<ReplayBody<Full<Bytes>>>> for Unready {
        type Response = Response<AnyBody>;
        type Error = BoxError;
        type Future = <Acts as Service<Request<ReplayBody<Full<Bytes>>>>>::Future;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            let mut left = self.2.lock().expect("no panic");
            Poll::Ready(match left.checked_sub(1) {
                Some(less) => {
                    *left = less;
                    Ok(())
                }
                None => Err((self.1)()),
            })
        }

        fn call(&mut self, request: Request<ReplayBody<Full<Bytes>>>) -> Self::Future {
            self.0.call(request)
        }
    }
    Unready(acts([Act::Status(503)]), error, Arc::new(Mutex::new(after)))
}

#[tokio::test]
async fn unready_service_sends_nothing() {
    let service = hasty().layer(unready(|| Dead.into(), 0));
    let error = service.oneshot(get()).await.map(drop).expect_err("dead");
    assert_eq!(
        (
            error.attempts(),
            error.stop_reason(),
            error.may_have_been_applied()
        ),
        (0, StopReason::NotRetryable, false)
    );
    assert_eq!(error.to_string(), "the request was not sent");
    assert!(into_service_error(error).is_unsent());
}

#[tokio::test(start_paused = true)]
async fn unready_before_resend_keeps_last_failure() {
    let budget = Budget::new(5, 0.0);
    let service = hasty().budget(budget.clone());
    let service = service.layer(unready(|| Dead.into(), 1));
    let error = service.oneshot(get()).await.map(drop).expect_err("dead");
    assert_eq!(
        (error.attempts(), error.stop_reason(), budget.available()),
        (1, StopReason::NotRetryable, 5)
    );
    assert_eq!(statuses(error.previous_attempts()), [Some(503)]);
    assert!(error.may_have_been_applied(), "the 503 may have been");
    assert_eq!(error.to_string(), "the resend was not sent");
    assert!(into_service_error(error).is_unsent());
}

/// Returns the error of a request whose inner layer returns `below`, and the number of calls.
async fn from_below(policy: StandardPolicy, below: fn() -> Error) -> (Error, usize) {
    let calls = Arc::new(Mutex::new(0));
    let inner = service_fn({
        let calls = calls.clone();
        move |_: Request<ReplayBody<Full<Bytes>>>| {
            *calls.lock().expect("no panic") += 1;
            async move { Err::<Response<AnyBody>, _>(below()) }
        }
    });
    let service = layer().policy(policy).layer(inner);
    let error = service.oneshot(get()).await.map(drop).expect_err("below");
    let calls = *calls.lock().expect("no panic");
    (error, calls)
}

fn lost_below() -> Error {
    let error = ServiceError::new("lost").with_attempts(7);
    error.with_stop_reason(StopReason::StoppedByPolicy).into()
}

fn refused_below() -> Error {
    let response = Response::builder().status(503).body(Bytes::new());
    let error = StatusError::from_response(response.expect("valid")).expect("a failure");
    let error = error.with_attempts(7);
    error.with_stop_reason(StopReason::BudgetExhausted).into()
}

#[tokio::test(start_paused = true)]
async fn inner_layers_error_is_kept() {
    for policy in [policy(), policy().retry_transient()] {
        let (error, calls) = from_below(policy.clone(), lost_below).await;
        assert_eq!((error.attempts(), calls), (7, 1));
        assert_eq!(error.stop_reason(), StopReason::StoppedByPolicy);
        let (error, calls) = from_below(policy, refused_below).await;
        assert_eq!((error.attempts(), calls), (7, 1));
        assert_eq!(error.stop_reason(), StopReason::BudgetExhausted);
    }
}

#[tokio::test(start_paused = true)]
async fn poll_ready_error_from_below_is_kept() {
    for after in [0, 1] {
        let service = hasty().layer(unready(|| lost_below().into(), after));
        let error = service.oneshot(get()).await.map(drop).expect_err("below");
        assert_eq!(error.attempts(), 7, "{error:?}");
    }
}

/// The inner layer does not retry; the outer one does.
#[tokio::test(start_paused = true)]
async fn unsent_from_below_is_unsent() {
    let script = acts([Act::Dead, Act::Dead, Act::Status(200)]);
    let below = layer().policy(KnowsDead(policy())).layer(script.clone());
    let service = layer().policy(policy().retry_unsent()).layer(below);
    let post = with_body(Method::POST, Full::<Bytes>::from("pay"));
    service.oneshot(post).await.expect("at last");
    assert_eq!(script.received(), 1);
}

/// The inner layer reports unsent, but the outer layer's recording was read.
#[tokio::test(start_paused = true)]
async fn read_body_overrides_unsent_from_below() {
    let script = acts([Act::DeadAfterBody]);
    let below = layer().policy(KnowsDead(policy())).layer(script);
    let service = layer().policy(policy().retry_unsent()).layer(below.clone());
    let pay = || with_body(Method::POST, Full::<Bytes>::from("pay"));
    let error = service.oneshot(pay()).await.map(drop).expect_err("dead");
    assert_eq!((error.attempts(), error.may_have_been_applied()), (1, true));
    assert!(!into_service_error(error).is_unsent());

    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let eager = policy_fn(move |_| {
        *count.lock().expect("no panic") += 1;
        Decision::Stop(StopReason::StoppedByPolicy)
    });
    let service = layer().policy(eager).layer(below);
    let error = service.oneshot(pay()).await.map(drop).expect_err("dead");
    assert!(error.may_have_been_applied());
    assert_eq!(
        *asked.lock().expect("no panic"),
        0,
        "a sent POST needs no decision"
    );
}

/// A wrapper that forwards `Display` and `source`.
#[derive(Debug)]
#[cfg(feature = "hyper-util")]
struct Transparent(Error);

#[cfg(feature = "hyper-util")]
impl fmt::Display for Transparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "hyper-util")]
impl StdError for Transparent {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// Returns hyper-util's error for a refused connection.
#[cfg(feature = "hyper-util")]
async fn connect_error() -> BoxError {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let uri = format!("http://{}/", socket.local_addr().expect("bound"));
    let client = support::wire::client::<Full<Bytes>>(support::wire::Http::One);
    let refused = client.get(uri.parse().expect("a URI")).await;
    refused.map(drop).expect_err("refused").into()
}

/// The layer below got a 503 before its connection was refused.
#[cfg(feature = "hyper-util")]
#[tokio::test]
async fn wrapped_layer_error_is_recognized() {
    let below = || async {
        let is_first = Arc::new(Mutex::new(true));
        let dying = service_fn(move |_: Request<ReplayBody<Full<Bytes>>>| {
            let is_first = std::mem::take(&mut *is_first.lock().expect("no panic"));
            async move {
                match is_first {
                    true => Ok(Response::builder().status(503).body(support::no_body())?),
                    false => Err(connect_error().await),
                }
            }
        });
        let error = hasty().layer(dying).oneshot(get()).await;
        error.map(drop).expect_err("dead")
    };
    let policy = policy().retry_transient();
    let shared: BoxError = Box::new(Arc::new(below().await));
    let hidden: BoxError = Box::new(Transparent(below().await));
    for error in [shared, hidden] {
        assert!(!policy.is_unsent(&*error), "{error:?}");
        assert!(!policy.is_retryable_error(&*error, false), "{error:?}");
    }
    assert!(policy.is_unsent(&*connect_error().await));
}

/// The body's error is about another connection than the request's.
#[cfg(feature = "hyper-util")]
#[tokio::test]
async fn body_connect_error_is_not_unsent() {
    let bare = service_fn(|request: Request<ReplayBody<AnyBody>>| async {
        let error = request.into_body().collect().await.map(drop);
        Err::<Response<AnyBody>, _>(error.expect_err("the body's own"))
    });
    for policy in [policy(), policy().retry_transient()] {
        let failed = Err::<http_body::Frame<Bytes>, _>(connect_error().await);
        let body = http_body_util::StreamBody::new(futures_util::stream::iter([failed]));
        let post = with_body(Method::POST, support::any_body(body));
        let service = layer().policy(policy).layer(bare);
        let error = service.oneshot(post).await.map(drop).expect_err("failed");
        assert!(error.may_have_been_applied(), "{error:?}");
        assert_eq!(error.stop_reason(), StopReason::NotRetryable);
    }
}

/// The inner error's own history is empty.
#[tokio::test(start_paused = true)]
async fn failure_before_error_from_below_is_kept() {
    let service = hasty().layer(unready(|| lost_below().into(), 1));
    let error = service.oneshot(get()).await.map(drop).expect_err("below");
    assert_eq!(
        (error.attempts(), statuses(error.previous_attempts())),
        (7, vec![Some(503)])
    );
}

/// `ServiceError` and `StatusError`, boxed without an `Error` around them.
#[tokio::test]
async fn bare_errors_from_below_are_recognized() {
    for below in [
        || BoxError::from(ServiceError::new("lost").with_attempts(7)),
        || {
            let response = Response::builder().status(404).body(Bytes::new());
            let error = StatusError::from_response(response.expect("valid"));
            BoxError::from(error.expect("a failure").with_attempts(7))
        },
    ] {
        let inner = service_fn(move |_: Request<ReplayBody<Full<Bytes>>>| async move {
            Err::<Response<AnyBody>, _>(below())
        });
        let error = hasty().layer(inner).oneshot(get()).await;
        assert_eq!(error.map(drop).expect_err("below").attempts(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn applied_below_is_not_unsent() {
    let script = acts([Act::Status(503), Act::Dead]);
    let below = layer().policy(KnowsDead(policy())).layer(script.clone());
    let service = layer().policy(policy().retry_unsent()).layer(below);
    let error = service.oneshot(get()).await.map(drop).expect_err("dead");
    assert_eq!((error.attempts(), script.received()), (2, 1), "not resent");
}

#[tokio::test(start_paused = true)]
async fn no_response_deposits_nothing() {
    let budget = Budget::new(1, 1.0);
    assert!(budget.withdraw());
    let service = layer().budget(budget.clone()).layer(acts([LOST]));
    service.oneshot(get()).await.map(drop).expect_err("lost");
    assert_eq!(budget.available(), 0);
    let service = layer()
        .budget(budget.clone())
        .layer(acts([Act::Status(404)]));
    service.oneshot(get()).await.refused();
    assert_eq!(budget.available(), 1);
}

#[tokio::test(start_paused = true)]
async fn first_no_is_the_stop_reason() {
    let retrying = || layer().policy(policy().retry_transient());
    let second = Duration::from_secs(1);
    let waiting = policy().retry_transient().backoff(Backoff::fixed(second));
    let broken = || with_body(Method::PUT, Steps::chunks(["too long"]));
    let small = || with_body(Method::PUT, Steps::chunks(["a"]));
    for (layer, request, reason) in [
        (
            retrying().replay_body_limit(2),
            broken(),
            StopReason::BodyNotReplayable,
        ),
        (
            retrying().budget(Budget::new(0, 0.0)).replay_body_limit(2),
            broken(),
            StopReason::BodyNotReplayable,
        ),
        (
            layer()
                .policy(waiting)
                .time_limit(second)
                .replay_body_limit(2),
            broken(),
            StopReason::DeadlineExceeded,
        ),
        (
            retrying().budget(Budget::new(0, 0.0)),
            small(),
            StopReason::BudgetExhausted,
        ),
        (retrying(), small(), StopReason::AttemptsExhausted),
    ] {
        let service = layer.layer(acts([LOST]));
        let error = service.oneshot(request).await.map(drop).expect_err("lost");
        assert_eq!(error.stop_reason(), reason);
    }
}

#[tokio::test(start_paused = true)]
async fn policy_fn_decides_without_response() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let policy = policy_fn({
        let seen = seen.clone();
        move |attempt: &Attempt<'_>| {
            let error = attempt.error().map(ToString::to_string);
            let facts = (attempt.number(), error, attempt.may_have_been_applied());
            seen.lock().expect("no panic").push(facts);
            Decision::Retry {
                after: Duration::ZERO,
            }
        }
    });
    let script = acts([Act::Status(404), LOST, Act::Status(404), Act::Status(200)]);
    let service = layer().policy(policy).layer(script);
    service.oneshot(get()).await.expect("at last");
    let reset = io::Error::from(io::ErrorKind::ConnectionReset).to_string();
    assert_eq!(
        *seen.lock().expect("no panic"),
        [(1, None, false), (2, Some(reset), true), (3, None, true)]
    );
}
