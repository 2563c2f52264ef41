//! Resends: equal to the first attempt, and what the layer keeps for them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::support::{self, AnyBody, Refused, body::*, get, hasty, layer, script::*, with_body};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use revio_status::{Attempt, Decision, ResendCount, RetryPolicy, StandardPolicy, StopReason};
use tower::{Layer, ServiceExt, util::MapResponse};

/// Returns the headers in order, each with its sensitivity.
fn fields(headers: &HeaderMap) -> Vec<(String, Bytes, bool)> {
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let bytes = Bytes::copy_from_slice(value.as_bytes());
        (name.to_string(), bytes, value.is_sensitive())
    };
    headers.iter().map(field).collect()
}

/// Promise (once): A resend has the method, URI, version, headers and extensions of the first
/// attempt, and its own number.
#[tokio::test(start_paused = true)]
async fn resend_equals_first_attempt() {
    let script = Script::new([503, 503, 200]);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-checksum", http::HeaderValue::from_static("9"));
    let body = Steps::new([
        data("odd "),
        Step::Yield,
        data("chunks"),
        Step::Trailers(trailers.clone()),
    ]);
    let mut request = with_body(Method::PUT, body);
    *request.version_mut() = http::Version::HTTP_2;
    let headers = request.headers_mut();
    for (name, value) in [
        ("x-tag", "a"),
        ("x-key", "secret"),
        ("accept", "*/*"),
        ("x-tag", "b"),
    ] {
        let mut value = http::HeaderValue::from_static(value);
        value.set_sensitive(value == "secret");
        headers.append(name, value);
    }
    request.extensions_mut().insert("the caller's own");
    let original = fields(request.headers());

    let response = hasty()
        .layer(script.clone())
        .oneshot(request)
        .await
        .expect("retried");

    assert_eq!(response.extensions().get(), Some(&ResendCount(2)));
    let sent = script.sent();
    assert_eq!(sent.len(), 3);
    for (resend, sent) in sent.iter().enumerate() {
        let head = &sent.head;
        assert_eq!(
            (&head.method, head.version),
            (&Method::PUT, http::Version::HTTP_2)
        );
        assert_eq!(head.uri, support::URI);
        assert_eq!(fields(&head.headers), original);
        assert_eq!(head.extensions.get(), Some(&"the caller's own"));
        let count = (resend > 0).then_some(ResendCount(resend as u32));
        assert_eq!(head.extensions.get::<ResendCount>(), count.as_ref());
        assert_eq!(
            (&sent.body, &sent.trailers),
            (&Bytes::from("odd chunks"), &Some(trailers.clone()))
        );
    }
}

#[tokio::test]
async fn first_response_has_no_resend_count() {
    let response = layer()
        .layer(Script::new([200]))
        .oneshot(get())
        .await
        .expect("200");
    assert_eq!(response.extensions().get::<ResendCount>(), None);
}

/// Promise (cause): The response after a resend carries its `ResendCount`.
///
/// An inner layer may set its own count.
#[tokio::test]
async fn response_has_own_or_inner_resend_count() {
    for (statuses, count) in [(&[200][..], 41), (&[503, 200], 1)] {
        let script = Script::new(statuses.iter().copied());
        let below = MapResponse::new(script, |mut response: http::Response<AnyBody>| {
            response.extensions_mut().insert(ResendCount(41));
            response
        });
        let response = hasty().layer(below).oneshot(get()).await.expect("200");
        assert_eq!(response.extensions().get(), Some(&ResendCount(count)));
    }
}

#[tokio::test(start_paused = true)]
async fn resend_overwrites_callers_resend_count() {
    let script = Script::new([503, 200]);
    let mut request = get();
    request.extensions_mut().insert(ResendCount(41));
    let response = hasty()
        .layer(script.clone())
        .oneshot(request)
        .await
        .expect("retried");
    let counts = script
        .sent()
        .into_iter()
        .map(|sent| sent.head.extensions.get().copied());
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [Some(ResendCount(41)), Some(ResendCount(1))]
    );
    assert_eq!(response.extensions().get(), Some(&ResendCount(1)));
}

type Shown = (Vec<(String, Bytes, bool)>, Option<ResendCount>);

/// A policy that agrees to every retry and records the requests it sees.
#[derive(Clone, Default)]
struct Witness {
    shown: Arc<Mutex<Vec<Shown>>>,
    limit: Option<u32>,
}

impl RetryPolicy for Witness {
    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        let request = attempt.request();
        let count = request.extensions.get().copied();
        let shown = (fields(&request.headers), count);
        self.shown.lock().expect("no panic").push(shown);
        Decision::Retry {
            after: Duration::ZERO,
        }
    }

    fn attempt_limit(&self, _: &http::request::Parts) -> u32 {
        self.limit.unwrap_or(u32::MAX)
    }
}

/// Promise (cause): A policy is shown the request as it was sent.
#[tokio::test]
async fn policy_sees_the_sent_request() {
    let witness = Witness::default();
    let script = Script::new([503, 503, 503, 200]);
    let mut request = get();
    let mut key = http::HeaderValue::from_static("secret");
    key.set_sensitive(true);
    request.headers_mut().insert("x-key", key);
    let headers = fields(request.headers());
    let service = layer().policy(witness.clone()).layer(script);
    service.oneshot(request).await.expect("retried");
    let counts = [None, Some(ResendCount(1)), Some(ResendCount(2))];
    let shown = witness.shown.lock().expect("no panic");
    assert_eq!(*shown, counts.map(|count| (headers.clone(), count)));
}

#[tokio::test]
async fn last_attempt_is_not_decided() {
    for limit in [0, 1, 2, 3] {
        let witness = Witness {
            limit: Some(limit),
            ..Witness::default()
        };
        let script = Script::new([503]);
        let service = layer()
            .policy(Arc::new(witness.clone()))
            .layer(script.clone());
        let error = service.oneshot(get()).await.refused();
        assert_eq!(error.stop_reason(), StopReason::AttemptsExhausted);
        assert_eq!(error.attempts(), limit.max(1));
        assert_eq!(script.count(), error.attempts() as usize);
        let asked = witness.shown.lock().expect("no panic").len();
        assert_eq!(asked, script.count() - 1);
    }
}

/// Returns bytes whose owners can be counted.
fn watched() -> (Arc<()>, Bytes) {
    struct Text(#[allow(dead_code)] Arc<()>);
    impl AsRef<[u8]> for Text {
        fn as_ref(&self) -> &[u8] {
            b"text"
        }
    }
    let watch = Arc::new(());
    (watch.clone(), Bytes::from_owner(Text(watch)))
}

#[tokio::test]
async fn last_attempt_keeps_no_body() {
    for attempts in [1, 2, 3] {
        let (watch, text) = watched();
        let holders = Arc::new(Mutex::new(Vec::new()));
        let (seen, weak) = (holders.clone(), Arc::downgrade(&watch));
        drop(watch);
        let api = tower::service_fn(move |request: http::Request<revio_status::ReplayBody<_>>| {
            let (seen, weak) = (seen.clone(), weak.clone());
            async move {
                drop(http_body_util::BodyExt::collect(request.into_body()).await);
                seen.lock().expect("no panic").push(weak.strong_count());
                let mut response = http::Response::new(support::no_body());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let policy = StandardPolicy::default()
            .max_attempts(attempts)
            .backoff(revio_status::Backoff::none());
        let service = layer().policy(policy).layer(api);
        let put = with_body(Method::PUT, http_body_util::Full::new(text));
        service.oneshot(put).await.refused();
        let mut expected = vec![1; attempts as usize];
        expected[attempts as usize - 1] = 0;
        assert_eq!(*holders.lock().expect("no panic"), expected);
    }
}

/// A policy whose attempt limit rises with each call.
#[derive(Clone)]
struct Rising(Arc<AtomicU32>);

impl RetryPolicy for Rising {
    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Retry {
            after: Duration::ZERO,
        }
    }

    fn attempt_limit(&self, _: &http::request::Parts) -> u32 {
        self.0.fetch_add(1, SeqCst)
    }
}

#[tokio::test]
async fn rising_attempt_limit_changes_nothing() {
    for limit in [1, 2] {
        let script = Script::new([503, 503, 200]);
        let service = layer()
            .policy(Rising(Arc::new(limit.into())))
            .layer(script.clone());
        let put = with_body(Method::PUT, http_body_util::Full::<Bytes>::from("text"));
        let error = service.oneshot(put).await.refused();
        assert_eq!(error.stop_reason(), StopReason::AttemptsExhausted);
        let sent = script.sent();
        assert_eq!(sent.len(), limit as usize);
        for sent in sent {
            assert_eq!(
                (sent.head.method, sent.head.uri),
                (Method::PUT, support::URI.parse().expect("valid"))
            );
            assert_eq!(sent.body, "text");
        }
    }
}

/// Promise (bounds): A kept request holds the text of its headers, not the caller's buffer.
#[tokio::test]
async fn kept_header_drops_callers_buffer() {
    let (holder, text) = watched();
    let watch = Arc::downgrade(&holder);
    drop(holder);
    let mut request = get();
    let value = http::HeaderValue::from_maybe_shared(text).expect("valid");
    request.headers_mut().insert("authorization", value);
    let script = Script::new([503, 200]);
    let api = script.clone();
    let below = tower::service_fn(move |request: http::Request<_>| {
        assert_eq!(request.headers()["authorization"], "text");
        let head = http::Request::new(request.into_body());
        assert_eq!(watch.strong_count(), 0, "the caller's buffer is kept");
        api.clone().oneshot(head)
    });
    hasty().layer(below).oneshot(request).await.expect("200");
    assert_eq!(script.count(), 2);
}

#[tokio::test]
async fn any_number_of_headers_is_resent() {
    for names in [1, 20_000] {
        let mut request = get();
        for number in 0..24_000 {
            let name = format!("x-{}", number % names);
            let name = http::HeaderName::try_from(name).expect("valid");
            request.headers_mut().append(name, number.into());
        }
        let original = fields(request.headers());
        let script = Script::new([503, 200]);
        let sent = hasty().layer(script.clone()).oneshot(request).await;
        sent.expect("retried");
        assert!(fields(&script.sent()[1].head.headers) == original);
    }
}

/// Promise (once): A resend has the method, URI, version, headers and extensions of the first
/// attempt, and its own number.
#[tokio::test]
async fn sensitive_header_values_are_resent() {
    for marks in 0..32_u32 {
        let mut request = get();
        for (place, value) in ["a", "", "ccc", "dd", ""].into_iter().enumerate() {
            let name = http::HeaderName::try_from(format!("x-{}", place / 2)).expect("valid");
            let mut value = http::HeaderValue::from_static(value);
            value.set_sensitive(marks >> place & 1 == 1);
            request.headers_mut().append(name, value);
        }
        let original = fields(request.headers());
        let script = Script::new([503, 503, 200]);
        let sent = hasty().layer(script.clone()).oneshot(request).await;
        sent.expect("retried");
        for sent in script.sent() {
            assert_eq!(fields(&sent.head.headers), original, "{marks:05b}");
        }
    }
}
