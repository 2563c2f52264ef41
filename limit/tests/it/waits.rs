//! L3, L4: how long a request waits, and how it is refused.

use std::time::Duration;

use http::{Request, StatusCode, header::RETRY_AFTER};
use hyper_util::rt::TokioTimer;
use revio_status::{
    Cooldown, Deadline, Error, ResendCount, RevioStatusLayer, StatusError, StopReason,
};
use revio_status_limit::{LimitLayer, Quota};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use crate::support::*;

/// One call a second, and no burst.
fn slow() -> LimitLayer {
    LimitLayer::new(Quota::new(50, 49 * SECOND))
}

fn until(time: Duration) -> std::time::Instant {
    Instant::now().into_std() + time
}

fn with<T: Clone + Send + Sync + 'static>(extension: T) -> Request<()> {
    let mut request = get("/with");
    request.extensions_mut().insert(extension);
    request
}

fn assert_refused(error: &StatusError, reason: StopReason, retry_after: &str) {
    assert_eq!(error.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(error.stop_reason(), reason);
    assert_eq!(error.headers()[RETRY_AFTER], retry_after);
    assert!(!error.may_have_been_applied());
}

/// Promise (load): A request whose turn comes too late is refused at once, unsent, and told the turn.
#[tokio::test(start_paused = true)]
async fn late_turn_is_refused_at_once() {
    let (layer, api) = (slow().max_wait(3 * SECOND), Api::default());
    let calls = spawn(&layer, &api, 4); // now, and in 1, 2, 3 s
    sleep(MS).await;
    let start = Instant::now();
    let error = refused(send(&layer, &api, get("/late")).await);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_refused(&error, StopReason::DeadlineExceeded, "4");
    assert_eq!(error.attempts(), 0);
    for call in calls {
        call.await.expect("no panic").expect("in time");
    }
    assert_eq!(api.calls().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn deadline_ends_the_wait_earlier() {
    let (layer, api) = (slow(), Api::default());
    send(&layer, &api, get("/")).await.expect("200");
    let error = refused(send(&layer, &api, with(Deadline(until(SECOND / 2)))).await);
    assert_refused(&error, StopReason::DeadlineExceeded, "1");
    let later = with(Deadline(until(SECOND)));
    send(&layer, &api, later).await.expect("200");
    let long = layer.max_wait(SECOND);
    let late = with(Deadline(until(9 * SECOND)));
    spawn(&long, &api, 1);
    sleep(MS).await;
    let error = refused(send(&long, &api, late).await);
    assert_refused(&error, StopReason::DeadlineExceeded, "2");
}

#[tokio::test(start_paused = true)]
async fn refusal_counts_the_resends_made() {
    let (layer, api) = (slow().max_wait(Duration::ZERO), Api::default());
    send(&layer, &api, get("/")).await.expect("200");
    let error = refused(send(&layer, &api, with(ResendCount(2))).await);
    assert_eq!(error.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn layer_above_returns_the_refusal_unchanged() {
    let (limit, api) = (slow().max_wait(Duration::ZERO), Api::default());
    send(&limit, &api, get("/")).await.expect("200");
    let layer = RevioStatusLayer::with_timer(TokioTimer::new());
    let service = layer.layer(limit.layer(api));
    let request = Request::post("/v1/Payments").body(http_body_util::Empty::<bytes::Bytes>::new());
    let error = service.oneshot(request.expect("valid")).await.map(drop);
    let Err(Error::Status(error)) = error else {
        panic!("{error:?}")
    };
    assert_refused(&error, StopReason::DeadlineExceeded, "1");
    assert_eq!(error.attempts(), 0);
}

/// Promise (load): No turn is booked or used while the cool-down lasts.
#[tokio::test(start_paused = true)]
async fn no_turn_is_used_in_a_cooldown() {
    let (cooldown, api) = (Cooldown::default(), Api::default());
    let layer = slow().cooldown(cooldown.clone());
    let start = Instant::now();
    let calls = spawn(&layer, &api, 3);
    sleep(SECOND / 2).await;
    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until(10 * SECOND));
    for call in calls {
        call.await.expect("no panic").expect("200");
    }
    let times = api.times(start);
    assert_eq!(times[0], Duration::ZERO);
    assert!(times[1] >= 10 * SECOND + SECOND / 2, "{times:?}");
    assert!(times[1] <= 10 * SECOND + SECOND / 2 + MS, "{times:?}");
    assert!(times[2] >= times[1] + SECOND && times[2] <= times[1] + SECOND + MS);
    assert_eq!(api.paths(), ["/0", "/1", "/2"]);
}

/// Promise (load): A cool-down that outlasts a waiting request refuses it within a second.
#[tokio::test(start_paused = true)]
async fn outlasting_cooldown_refuses_within_a_second() {
    let (cooldown, api) = (Cooldown::default(), Api::default());
    let layer = LimitLayer::new(Quota::new(2, 10 * SECOND)).cooldown(cooldown.clone());
    let calls = spawn(&layer, &api, 3);
    sleep(5 * SECOND + SECOND / 2).await;
    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until(60 * SECOND));
    let start = Instant::now();
    let mut refusals = 0;
    for call in calls {
        if let Err(error) = call.await.expect("no panic") {
            let error = refused(Err(error));
            assert_eq!(error.stop_reason(), StopReason::CoolingDown);
            assert!(error.retry_after() >= Some(60 * SECOND - SECOND), "{error}");
            refusals += 1;
        }
    }
    assert!(start.elapsed() <= SECOND, "{:?}", start.elapsed());
    assert_eq!((refusals, api.calls().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn cooldown_refuses_on_arrival_at_once() {
    let (cooldown, api) = (Cooldown::default(), Api::default());
    let layer = slow().cooldown(cooldown.clone());
    cooldown.extend_until(StatusCode::FORBIDDEN, until(31 * SECOND));
    let start = Instant::now();
    let error = refused(send(&layer, &api, get("/")).await);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    cooldown.clear();
    cooldown.extend_until(StatusCode::FORBIDDEN, until(29 * SECOND));
    send(&layer, &api, get("/")).await.expect("200");
    assert!(start.elapsed() >= 29 * SECOND);
}

/// Promise (load): A `Cooldown` in the request's extensions counts instead of the layer's.
#[tokio::test(start_paused = true)]
async fn own_cooldown_replaces_the_layers() {
    let [layers, own] = [Cooldown::default(), Cooldown::default()];
    let (layer, api) = (slow().cooldown(layers.clone()), Api::default());
    layers.extend_until(StatusCode::TOO_MANY_REQUESTS, until(20 * SECOND));
    let start = Instant::now();
    send(&layer, &api, with(own.clone())).await.expect("200");
    assert_eq!(start.elapsed(), Duration::ZERO);
    layers.clear();
    own.extend_until(StatusCode::TOO_MANY_REQUESTS, until(20 * SECOND));
    let waiting = {
        let (layer, api) = (layer.clone(), api.clone());
        tokio::spawn(async move { send(&layer, &api, with(own)).await })
    };
    sleep(SECOND / 2).await;
    for call in spawn(&layer, &api, 3) {
        call.await.expect("no panic").expect("200");
    }
    assert_eq!(start.elapsed(), 3 * SECOND, "not behind the one that waits");
    waiting.await.expect("no panic").expect("200");
    assert!(start.elapsed() >= 20 * SECOND);
}
