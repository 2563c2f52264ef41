//! Cancelled requests: a dropped future leaves nothing behind, in any state.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use crate::support::{self, AnyBody, any_body, body::*, hasty, with_body};
use bytes::Bytes;
use futures_util::{future::FutureExt, task::noop_waker};
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use revio_status::{Budget, ReplayBody};
use tower::{Layer, Service};

/// A marker in everything that the request and its service hold.
#[derive(Clone)]
struct Trace(#[allow(dead_code)] Arc<()>);

/// A request body that carries the trace.
struct Traced(Steps, #[allow(dead_code)] Trace);

impl Body for Traced {
    type Data = Bytes;
    type Error = revio_status::BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stuck {
    Sending,
    ReadingError,
    Sleeping,
    Readying,
}

/// A service whose requests stop in one state.
#[derive(Clone)]
struct Stucks {
    stuck: Stuck,
    trace: Trace,
}

impl Service<Request<ReplayBody<Traced>>> for Stucks {
    type Response = Response<AnyBody>;
    type Error = std::convert::Infallible;
    type Future = futures_util::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.stuck {
            Stuck::Readying => Poll::Pending,
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request<ReplayBody<Traced>>) -> Self::Future {
        let (stuck, trace) = (self.stuck, self.trace.clone());
        async move {
            let _holds = (trace.clone(), request);
            if stuck == Stuck::Sending {
                std::future::pending::<()>().await;
            }
            let steps = match stuck {
                Stuck::ReadingError => vec![data("x"), Step::Hang],
                _ => vec![data("x")],
            };
            let mut response = Response::new(any_body(Steps::new(steps)));
            *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            if stuck != Stuck::Readying {
                response
                    .headers_mut()
                    .insert("retry-after", http::HeaderValue::from_static("5"));
            }
            Ok(response)
        }
        .boxed()
    }
}

/// Promise (bounds): A request that is dropped at any time leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn dropped_request_leaves_nothing() {
    for stuck in [
        Stuck::Sending,
        Stuck::ReadingError,
        Stuck::Sleeping,
        Stuck::Readying,
    ] {
        let alive = Arc::new(());
        let dead: Weak<()> = Arc::downgrade(&alive);
        let trace = Trace(alive);
        let budget = Budget::new(5, 0.0);
        let inner = Stucks {
            stuck,
            trace: trace.clone(),
        };
        let mut service = hasty().budget(budget.clone()).layer(inner);
        let body = Traced(Steps::new([data("a"), Step::Hang]), trace);

        let mut future = Box::pin(service.call(with_body(Method::PUT, body)));
        let waker = noop_waker();
        for _ in 0..3 {
            assert!(
                future
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        let debug = format!("{future:?}");
        assert!(
            debug.contains(&format!("{stuck:?}")),
            "{debug} is not {stuck:?}"
        );
        let withdrawn = matches!(stuck, Stuck::Sleeping | Stuck::Readying);
        assert_eq!(budget.available(), 5 - u32::from(withdrawn), "{stuck:?}");

        drop((future, service));
        assert_eq!(
            dead.strong_count(),
            0,
            "something outlives a request dropped while  {stuck:?}"
        );
        assert_eq!(budget.available(), 5);
    }
}

#[tokio::test]
async fn poll_after_completion_panics() {
    for status in [200, 404] {
        let mut service = hasty().layer(support::script::Script::new([status]));
        let mut future = Box::pin(service.call(support::get()));
        assert_eq!(future.as_mut().await.is_ok(), status == 200);
        let again = AssertUnwindSafe(|| future.as_mut().now_or_never().is_some());
        let panic = catch_unwind(again).expect_err("a panic");
        let message = panic.downcast_ref::<&str>().expect("a message");
        assert_eq!(*message, "ResponseFuture polled after completion");
    }
}

#[tokio::test(start_paused = true)]
async fn outer_timeout_ends_request() {
    let script = support::script::Script::new([support::script::answer(503).retry_after("20")]);
    let service = hasty().layer(script.clone());
    let request = tower::ServiceExt::oneshot(service, support::get());
    let result = tokio::time::timeout(Duration::from_secs(1), request).await;
    assert!(result.is_err());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(script.count(), 1, "no attempt in the background");
}
