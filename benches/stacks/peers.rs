//! The peers, set up as in their documentation, and their baselines.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    sync::Arc,
    time::Duration,
};

use http::{Request, Response};
use tower::{
    Layer, Service,
    retry::{
        Policy, Retry, RetryLayer,
        budget::{Budget, TpsBudget},
    },
};
use tower_resilience_retry as resilience;

use super::{Api, Received, Scenario, Sent};

fn is_retryable<R>(response: &Response<R>) -> bool {
    matches!(response.status().as_u16(), 503 | 504)
}

/// Calls the API as often as a resent request does, with minimal requests after the first.
pub fn three_calls(mut api: Api) -> impl Service<Sent, Response = Received, Error = Infallible> {
    tower::service_fn(move |request: Sent| {
        drop(black_box(api.call(request)));
        drop(black_box(api.call(Sent::default())));
        api.call(Sent::default())
    })
}

/// The clones that a resend needs if the head is kept unchanged: one of the head and one of the service,
/// and one more of the head for each attempt but the last. No clone is held over an await, so that the
/// future stays small.
pub fn head_clone(
    scenario: Scenario,
    mut api: Api,
) -> impl Service<Sent, Response = Received, Error = Infallible> {
    tower::service_fn(move |request: Sent| {
        let (head, body) = request.into_parts();
        let (kept, mut again) = ((head.clone(), body.clone()), black_box(api.clone()));
        let mut response = api.call(Request::from_parts(head, body));
        if scenario == Scenario::Retry {
            let (head, body) = kept;
            drop(black_box(response));
            let second = Request::from_parts(head.clone(), body.clone());
            drop(black_box(again.call(second)));
            response = again.call(Request::from_parts(head, body));
        } else {
            drop(black_box(kept));
        }
        response
    })
}

/// tower's documentation clones every request, of any method.
#[derive(Clone)]
pub struct Statuses {
    attempts: u32,
    budget: Arc<TpsBudget>,
}

impl<R, E> Policy<Sent, Response<R>, E> for Statuses {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Sent, result: &mut Result<Response<R>, E>) -> Option<Ready<()>> {
        if !result.as_ref().is_ok_and(is_retryable) {
            self.budget.deposit();
            return None;
        }
        self.attempts += 1;
        (self.attempts < 3 && self.budget.withdraw()).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Sent) -> Option<Sent> {
        Some(request.clone())
    }
}

pub fn tower_retry<S: Clone>(scenario: Scenario, service: S) -> Retry<Statuses, S> {
    let budget = match scenario {
        Scenario::Retry => TpsBudget::new(Duration::from_secs(10), 1_000_000, 0.1),
        _ => TpsBudget::default(),
    };
    let policy = Statuses {
        attempts: 0,
        budget: Arc::new(budget),
    };
    RetryLayer::new(policy).layer(service)
}

pub fn resilience_retry(
    scenario: Scenario,
    api: Api,
) -> resilience::Retry<Api, Sent, Received, Infallible> {
    let bucket = resilience::RetryBudgetBuilder::new().token_bucket();
    let bucket = match scenario {
        Scenario::Retry => bucket.max_tokens(1_000_000_000),
        _ => bucket,
    };
    resilience::RetryLayer::builder()
        .max_attempts(3)
        .fixed_backoff(Duration::ZERO)
        .retry_on_response(is_retryable)
        .budget(bucket.build().expect("valid"))
        .build()
        .layer(api)
}
