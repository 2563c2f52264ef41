//! Where no answer came: what the error tells, and when the request is sent again.

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

/// What the API, or the way to it, does with one attempt.
#[derive(Clone, Copy, Debug)]
enum Act {
    Status(u16),
    /// Nothing left this machine.
    Dead,
    /// As above, but the body was read before.
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
type Heard = (Bytes, Option<HeaderMap>);

/// Acts by a script, the last act again and again, and remembers whole bodies.
#[derive(Clone)]
struct Acts {
    acts: Arc<Mutex<VecDeque<Act>>>,
    seen: Arc<Mutex<Vec<Heard>>>,
}

fn acts<const N: usize>(acts: [Act; N]) -> Acts {
    Acts {
        acts: Arc::new(Mutex::new(acts.into())),
        seen: Arc::default(),
    }
}

impl Acts {
    /// How many attempts were heard whole.
    fn heard(&self) -> usize {
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

/// Knows `Dead`, and leaves the rest to the policy it wraps.
#[derive(Clone)]
struct Knowing(StandardPolicy);

impl RetryPolicy for Knowing {
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
    let service = layer().policy(Knowing(policy)).layer(acts.clone());
    Ok(service.oneshot(request).await?.status().as_u16())
}

async fn failed<B>(policy: StandardPolicy, acts: &Acts, request: Request<B>) -> Error
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    call(policy, acts, request).await.expect_err("it fails")
}

fn of_service(error: Error) -> ServiceError {
    match error {
        Error::Service(error) => error,
        Error::Status(error) => panic!("an answer came: {error}"),
    }
}

fn statuses(earlier: &[PreviousAttempt]) -> Vec<Option<u16>> {
    let status = |attempt: &PreviousAttempt| Some(attempt.status()?.as_u16());
    earlier.iter().map(status).collect()
}

/// Promise (once): A request without a response is not resent by default.
#[tokio::test]
async fn by_default_it_is_passed_on_and_not_retried() {
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
            assert_eq!(of_service(error).is_unsent(), is_unsent);
        }
    }
}

#[tokio::test]
async fn it_holds_the_inner_service_s_error() {
    let error = of_service(failed(policy(), &acts([Act::Dead]), get()).await);
    assert!(error.get_ref().is::<Dead>() && error.source().expect("it").is::<Dead>());
    assert!(error.into_inner().is::<Dead>());
}

#[tokio::test(start_paused = true)]
async fn display_says_whether_it_was_sent_how_often_and_why_no_more() {
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
async fn after_a_503_it_tells_both() {
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
    assert!(of_service(error).is_unsent(), "the last try alone");
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_no_answer_tells_both_too() {
    let acts = acts([Act::Dead, LOST, Act::Status(404)]);
    let error = failed(policy().retry_transient(), &acts, get()).await;
    assert_eq!(statuses(error.previous_attempts()), [None, None]);
    assert!(error.previous_attempts()[0].is_unsent() && !error.previous_attempts()[1].is_unsent());
    assert!(error.may_have_been_applied(), "the lost one may have been");
}

#[tokio::test(start_paused = true)]
async fn once_possibly_applied_is_possibly_applied_after_three_attempts_too() {
    let policy = policy().retry_on(StatusCode::TOO_MANY_REQUESTS);
    let acts = acts([Act::Status(503), Act::Status(429), Act::Status(404)]);
    let error = failed(policy, &acts, get()).await;
    assert_eq!(statuses(error.previous_attempts()), [Some(503), Some(429)]);
    assert!(error.may_have_been_applied());
}

/// Promise (cause): An error lists the failures before the last one, at most 16 of them.
#[tokio::test(start_paused = true)]
async fn of_many_attempts_the_last_sixteen_are_kept() {
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
async fn what_was_not_sent_is_retried_of_every_request_where_that_is_wanted() {
    for method in [Method::GET, Method::POST] {
        for policy in [policy().retry_unsent(), policy().retry_transient()] {
            let acts = acts([Act::Dead, Act::Dead, Act::Status(200)]);
            let body = with_body(method.clone(), Full::<Bytes>::from("pay"));
            assert_eq!(call(policy, &acts, body).await.expect("sent"), 200);
            assert_eq!(acts.heard(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_retried_of_what_may_be_applied_twice() {
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
            (status.expect("resent"), script.heard()),
            (200, 2),
            "{kind}"
        );

        let script = acts([Act::Lost(kind), Act::Status(200)]);
        let error = failed(policy().retry_transient(), &script, post()).await;
        assert_eq!(
            (error.stop_reason(), script.heard()),
            (StopReason::NotIdempotent, 1)
        );
        assert!(error.may_have_been_applied());

        let script = acts([Act::Lost(kind), Act::Status(200)]);
        let error = failed(policy().retry_unsent(), &script, get()).await;
        assert_eq!(
            (error.stop_reason(), script.heard()),
            (StopReason::NotRetryable, 1)
        );
    }
}

/// Promise (once): An error that no resend can fix ends the request at once.
#[tokio::test(start_paused = true)]
async fn what_sending_again_cannot_mend_ends_at_once() {
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
            (error.stop_reason(), script.heard()),
            (StopReason::NotRetryable, 1)
        );
        assert!(
            error.may_have_been_applied(),
            "nothing is unsent by its io::ErrorKind: {kind}"
        );
    }
}

/// It is looked for everywhere below, but not below an error of this crate.
#[test]
fn a_lost_answer_is_known_wherever_it_stands_in_the_chain() {
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
async fn tower_s_timeout_is_a_lost_answer_and_never_unsent() {
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
    assert!(!of_service(error).is_unsent());
    let error = service.oneshot(post()).await.map(drop).expect_err("late");
    assert_eq!((error.attempts(), error.may_have_been_applied()), (1, true));
}

/// Promise (once): A request that is not idempotent is not resent after an attempt that may have
/// been applied.
#[tokio::test(start_paused = true)]
async fn of_what_may_not_be_applied_twice_no_attempt_follows_one_that_may_have_been() {
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
async fn a_post_that_a_named_429_turned_away_is_sent_again_with_bytes_and_trailers() {
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
/// A policy may be wrong. Whoever read the body had a connection.
#[tokio::test(start_paused = true)]
async fn an_attempt_whose_recorded_body_was_read_is_not_unsent() {
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
        assert!(!of_service(error).is_unsent());
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
async fn a_service_that_is_not_ready_has_sent_nothing() {
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
    assert!(of_service(error).is_unsent());
}

#[tokio::test(start_paused = true)]
async fn readiness_that_fails_before_a_resend_is_the_end_and_the_failure_before_it_is_kept() {
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
    assert!(of_service(error).is_unsent());
}

/// What a layer of this kind further down says.
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
async fn an_error_of_such_a_layer_further_down_keeps_all_it_says() {
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
async fn in_poll_ready_too() {
    for after in [0, 1] {
        let service = hasty().layer(unready(|| lost_below().into(), after));
        let error = service.oneshot(get()).await.map(drop).expect_err("below");
        assert_eq!(error.attempts(), 7, "{error:?}");
    }
}

/// The layer below never retries, and is asked again by the one above.
#[tokio::test(start_paused = true)]
async fn what_such_a_layer_calls_unsent_is_unsent() {
    let script = acts([Act::Dead, Act::Dead, Act::Status(200)]);
    let below = layer().policy(Knowing(policy())).layer(script.clone());
    let service = layer().policy(policy().retry_unsent()).layer(below);
    let post = with_body(Method::POST, Full::<Bytes>::from("pay"));
    service.oneshot(post).await.expect("at last");
    assert_eq!(script.heard(), 1);
}

/// The layer below passes the body through, and says unsent; the recording above it knows better.
#[tokio::test(start_paused = true)]
async fn what_such_a_layer_calls_unsent_is_not_once_its_body_was_read() {
    let script = acts([Act::DeadAfterBody]);
    let below = layer().policy(Knowing(policy())).layer(script);
    let service = layer().policy(policy().retry_unsent()).layer(below.clone());
    let pay = || with_body(Method::POST, Full::<Bytes>::from("pay"));
    let error = service.oneshot(pay()).await.map(drop).expect_err("dead");
    assert_eq!((error.attempts(), error.may_have_been_applied()), (1, true));
    assert!(!of_service(error).is_unsent());

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
        "it was sent, and is a POST"
    );
}

/// An error type of one's own that shows what it holds as itself.
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

/// A connection to a port where nobody listens: what hyper-util says of it.
#[cfg(feature = "hyper-util")]
async fn connect_error() -> BoxError {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let uri = format!("http://{}/", socket.local_addr().expect("bound"));
    let client = support::wire::client::<Full<Bytes>>(support::wire::Http::One);
    let refused = client.get(uri.parse().expect("a URI")).await;
    refused.map(drop).expect_err("nobody listens").into()
}

/// The layer below got a 503 before its connection was refused.
#[cfg(feature = "hyper-util")]
#[tokio::test]
async fn an_error_of_this_crate_is_known_behind_an_arc_and_a_transparent_wrapper() {
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

/// Whoever sends it, and whatever that makes of it: its words are of another connection.
#[cfg(feature = "hyper-util")]
#[tokio::test]
async fn the_connect_error_of_a_request_body_is_not_the_request_s() {
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

/// Its own history is empty: the 503 before it is not forgotten.
#[tokio::test(start_paused = true)]
async fn the_failure_before_an_error_from_below_is_kept() {
    let service = hasty().layer(unready(|| lost_below().into(), 1));
    let error = service.oneshot(get()).await.map(drop).expect_err("below");
    assert_eq!(
        (error.attempts(), statuses(error.previous_attempts())),
        (7, vec![Some(503)])
    );
}

/// Boxed bare, without the `Error` around them.
#[tokio::test]
async fn both_kinds_from_below_are_known() {
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
async fn what_may_have_been_applied_below_is_not_unsent() {
    let script = acts([Act::Status(503), Act::Dead]);
    let below = layer().policy(Knowing(policy())).layer(script.clone());
    let service = layer().policy(policy().retry_unsent()).layer(below);
    let error = service.oneshot(get()).await.map(drop).expect_err("dead");
    assert_eq!((error.attempts(), script.heard()), (2, 1), "not again");
}

#[tokio::test(start_paused = true)]
async fn no_answer_earns_nothing() {
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
async fn the_first_no_is_the_reason_here_too() {
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
async fn a_closure_decides_about_missing_answers_too() {
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
