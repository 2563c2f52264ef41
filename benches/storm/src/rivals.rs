//! The clients of the batch: this crate's layer with several settings, and its peers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use revio_status::{Attempt, BoxError, ReplayBody, RetryPolicy, RevioStatusLayer, StandardPolicy};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};

use super::{
    allowance::{Allowance, Failure},
    batch::{Answer, Call, Client, Gateway},
    clock::Clock,
    judge::{Retry, judge},
    policies::{OURS, Policy, peers_over_the_limit},
};

/// A name, and the constructor of a process's client.
pub struct Rival {
    pub name: String,
    pub client: Box<dyn Fn(Clock, Gateway) -> Client>,
}

/// Worth a picture.
pub const NO_COOLDOWN: &str = "no cool-down";
pub const BATCH: &str = "StandardPolicy::batch()";

/// The table has them in this order.
pub fn all() -> Vec<Rival> {
    let retrying = || StandardPolicy::default().retry_on(StatusCode::TOO_MANY_REQUESTS);
    let minute = Duration::from_secs(60);
    let layer = RevioStatusLayer::with_timer;
    let mut rivals = vec![
        ours("no retry", move |clock| layer(clock).never_retry()),
        ours(NO_COOLDOWN, move |clock| layer(clock).no_cooldown()),
        ours("no cool-down, retry 429", move |clock| {
            let policy = retrying().max_retry_after(minute);
            layer(clock).policy(policy).no_cooldown()
        }),
        ours(OURS, layer),
        ours("retry_on(429)", move |clock| {
            layer(clock).policy(retrying())
        }),
        ours(BATCH, move |clock| {
            layer(clock).policy(StandardPolicy::batch())
        }),
    ];
    rivals.extend(peers_over_the_limit().into_iter().map(peer));
    rivals
}

/// The layer itself.
fn ours<P: RetryPolicy + Clone + Send + Sync + 'static>(
    name: &str,
    layer: impl Fn(Clock) -> RevioStatusLayer<P> + 'static,
) -> Rival {
    let client = move |clock, gateway: Gateway| {
        let server = service_fn(move |_: http::Request<ReplayBody<Full<Bytes>>>| {
            let gateway = gateway.clone();
            async move { Ok::<_, BoxError>(gateway.answer().await) }
        });
        layer(clock)
            .layer(server)
            .map_err(BoxError::from)
            .boxed_clone()
    };
    Rival {
        name: name.into(),
        client: Box::new(client),
    }
}

/// A loop that puts each failure before the peer's policy.
fn peer(policy: Policy) -> Rival {
    let name = policy.name.clone();
    let policy = Arc::new(policy);
    let client = move |clock, gateway: Gateway| {
        let allowance = Arc::new(Mutex::new((policy.allowance)()));
        let policy = policy.clone();
        let call = move |call: Call| {
            let (policy, allowance) = (policy.clone(), allowance.clone());
            let gateway = gateway.clone();
            async move { persist(&policy, &allowance, clock, &gateway, call).await }
        };
        service_fn(call).boxed_clone()
    };
    Rival {
        name,
        client: Box::new(client),
    }
}

async fn persist(
    policy: &Policy,
    allowance: &Mutex<Allowance>,
    clock: Clock,
    gateway: &Gateway,
    call: Call,
) -> Result<Answer, BoxError> {
    let (call, _) = call.into_parts();
    let mut retried = None;
    for number in 1.. {
        let answer = gateway.answer().await;
        let now = clock.nanos();
        if answer.status() == StatusCode::OK {
            locked(allowance).succeed(now, retried);
            return Ok(answer);
        }
        let (answer, _) = answer.into_parts();
        let body = Bytes::new();
        let attempt = Attempt::new(&call, &answer, &body).with_number(number);
        let next = judge(&*policy.rules, &mut locked(allowance), false, &attempt, now);
        let Some(Retry { after, .. }) = next else {
            return Err(answer.status.to_string().into());
        };
        retried = Some(Failure::of(answer.status));
        sleep(after).await;
    }
    unreachable!("there are fewer attempts than numbers")
}

fn locked(allowance: &Mutex<Allowance>) -> MutexGuard<'_, Allowance> {
    allowance.lock().unwrap_or_else(PoisonError::into_inner)
}
