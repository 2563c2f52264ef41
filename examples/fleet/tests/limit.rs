//! Turns: evenly spaced, shared fairly, and refused where they come too late.

mod support;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    time::Duration,
};

use bytes::Bytes;
use fleet::shared::{Limit, Limited, Settings, due_in};
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use revio_status::{
    Backoff, Cooldown, Deadline, ReplayBody, ResendCount, RevioStatusLayer, StandardPolicy,
    StatusError, StopReason,
};
use support::{account, bounded, command, redis, scripts, settings, until};
use tokio::{
    sync::mpsc,
    time::{Instant, advance},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::ServiceFn};

const MINUTE: Duration = Duration::from_secs(60);

type Nothing = ServiceFn<fn(Request<()>) -> Ready<Result<(), Infallible>>>;

fn service(limit: &Limit) -> Limited<Nothing> {
    limit.layer(tower::service_fn(|_| ready(Ok(()))))
}

/// One of four on its own: 490 calls a minute by four.
fn quarter() -> Limit {
    Limit::own(Settings::new(4, Cooldown::default()))
}

async fn turn(limit: &Limit, request: Request<()>) -> Result<(), StatusError> {
    let turn = service(limit).call(request).await;
    turn.map_err(|error| *error.downcast::<StatusError>().expect("ours"))
}

#[tokio::test(start_paused = true)]
async fn its_own_share_is_sent_evenly() {
    let limit = Limit::own(Settings {
        max_wait: 2 * MINUTE,
        ..Settings::new(4, Cooldown::default())
    });
    let begin = Instant::now();
    let turns = (0..123).map(|_| turn(&limit, Request::default()));
    for result in join_all(turns).await {
        result.expect("a turn");
    }
    let time = begin.elapsed().as_secs_f64();
    assert!((59.7..60.0).contains(&time), "{time}");
}

#[tokio::test(start_paused = true)]
async fn whose_turn_comes_too_late_is_refused_at_once_and_unsent() {
    let limit = quarter();
    turn(&limit, Request::default()).await.expect("at once");
    let mut request = Request::default();
    let deadline = Deadline(Duration::from_millis(400));
    request.extensions_mut().insert(deadline);
    let begin = Instant::now();
    let error = turn(&limit, request).await.expect_err("in 490 ms");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(error.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(error.stop_reason(), StopReason::DeadlineExceeded);
    assert_eq!(error.attempts(), 0);
    assert!(!error.may_have_been_applied());
}

/// A second between two turns. The first attempt waits for one, and is told 503; its resend would have
/// to wait for another one.
#[tokio::test]
async fn a_resend_waits_no_longer_than_its_request_may() {
    let Some(redis) = redis(&[]) else { return };
    let settings = Settings {
        calls: 2,
        per: Duration::from_secs(1),
        ..settings(&Cooldown::default())
    };
    let limit = Limit::shared(settings, &account(&redis.url())).await;
    let (sender, mut sent) = mpsc::unbounded_channel();
    let policy = StandardPolicy::default().backoff(Backoff::none());
    let client = ServiceBuilder::new()
        .map_request(due_in(MINUTE))
        .layer(RevioStatusLayer::new().policy(policy))
        .layer(limit.clone())
        .service_fn(move |request: Request<ReplayBody<Full<Bytes>>>| {
            let count = request.extensions().get::<ResendCount>().copied();
            sender.send(count).expect("the test listens");
            let response = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
            ready(response.body(Full::<Bytes>::default()))
        });
    for (deadline, attempts) in [(None, 3), (Some(Duration::from_millis(1600)), 1)] {
        turn(&limit, Request::default()).await.expect("a turn");
        let mut request = Request::new(Full::default());
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(Deadline(deadline));
        }
        let begin = Instant::now();
        let error = bounded(client.clone().oneshot(request)).await;
        let error = error.expect_err("503");
        assert_eq!(
            std::iter::from_fn(|| sent.try_recv().ok()).count(),
            attempts
        );
        if let Some(deadline) = deadline {
            assert_eq!(error.stop_reason(), StopReason::DeadlineExceeded);
            assert!(begin.elapsed() <= deadline, "{:?}", begin.elapsed());
        }
    }
}

/// The whole account sends 245 in 30 s, this process 62.
#[tokio::test(start_paused = true)]
async fn who_comes_to_a_queue_that_is_too_long_is_refused_at_once() {
    let limit = quarter();
    let begin = Instant::now();
    let turns = (0..1000).map(|_| async {
        let turn = turn(&limit, Request::default()).await;
        (turn.is_ok(), begin.elapsed())
    });
    let turns = join_all(turns).await;
    let made = turns.iter().filter(|(is_made, _)| *is_made);
    assert_eq!(made.count(), 62);
    let at_once = turns.iter().filter(|(_, time)| time.is_zero());
    assert_eq!(at_once.count(), 1 + (999 - 246)); // the first is gone when the next ones come
    assert!(begin.elapsed() <= MINUTE / 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_away_leaves_its_turn_to_the_next() {
    let limit = quarter();
    turn(&limit, Request::default()).await.expect("at once");
    let begin = Instant::now();
    let gone = tokio::spawn({
        let limit = limit.clone();
        async move { turn(&limit, Request::default()).await }
    });
    advance(Duration::from_millis(100)).await;
    gone.abort();
    let _ = gone.await;
    turn(&limit, Request::default()).await.expect("in 390 ms");
    assert!(
        begin.elapsed() < Duration::from_millis(495),
        "{:?}",
        begin.elapsed()
    );
}

/// Requests that wait for their turn have passed the layer above when a cool-down begins.
#[tokio::test(start_paused = true)]
async fn no_turn_is_used_while_the_account_cools_down() {
    let cooldown = Cooldown::default();
    let limit = Limit::own(Settings::new(4, cooldown.clone()));
    turn(&limit, Request::default()).await.expect("at once");
    let begin = Instant::now();
    let waiting = tokio::spawn({
        let limit = limit.clone();
        async move { turn(&limit, Request::default()).await }
    });
    advance(Duration::from_millis(100)).await;
    let status = StatusCode::TOO_MANY_REQUESTS;
    let end = Instant::now() + Duration::from_secs(20);
    cooldown.begin(status, end.into_std());
    waiting.await.expect("no panic").expect("a turn");
    assert!(Instant::now() >= end);
    assert!(begin.elapsed() < Duration::from_secs(21));

    cooldown.begin(status, (Instant::now() + MINUTE).into_std());
    let error = turn(&limit, Request::default()).await;
    let error = error.expect_err("longer than it may wait");
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    assert!(error.retry_after() >= Some(MINUTE));
}

/// Others wait for its end, and have the queue.
#[tokio::test(start_paused = true)]
async fn who_cannot_wait_for_the_end_of_a_cool_down_is_refused_at_once() {
    let cooldown = Cooldown::default();
    let limit = Limit::own(Settings::new(4, cooldown.clone()));
    let end = Instant::now() + Duration::from_secs(20);
    cooldown.begin(StatusCode::TOO_MANY_REQUESTS, end.into_std());
    let waiting = tokio::spawn({
        let limit = limit.clone();
        async move { turn(&limit, Request::default()).await }
    });
    advance(Duration::from_secs(1)).await;
    let mut request = Request::default();
    request.extensions_mut().insert(Deadline(MINUTE / 6));
    let begin = Instant::now();
    let error = turn(&limit, request).await.expect_err("in ten seconds");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    assert!(error.retry_after() >= Some(Duration::from_secs(19)));
    waiting.await.expect("no panic").expect("a turn");
}

#[tokio::test]
async fn those_who_want_little_do_not_wait_for_the_one_who_wants_much() {
    let Some(redis) = redis(&[]) else { return };
    let (sender, mut order) = mpsc::unbounded_channel();
    let mut turns = Vec::new();
    let begin = Instant::now();
    for (process, wants) in [(1, 10), (2, 10), (3, 100)] {
        let cooldown = Cooldown::default();
        let limit = Limit::shared(settings(&cooldown), &account(&redis.url())).await;
        for _ in 0..wants {
            let (sender, limit) = (sender.clone(), limit.clone());
            turns.push(async move {
                turn(&limit, Request::default()).await.expect("a turn");
                sender.send(process).expect("the test listens");
            });
        }
    }
    bounded(join_all(turns)).await;
    // 120 turns at 98 a second, two of them made up for: together no faster than one alone.
    assert!(
        begin.elapsed() >= Duration::from_millis(1190),
        "{:?}",
        begin.elapsed()
    );
    order.close();
    let mut all = Vec::new();
    while let Some(process) = order.recv().await {
        all.push(process);
    }
    let last_of_little = all.iter().rposition(|&process| process != 3);
    // In turn that is the thirtieth; behind the queue of the third it would be the hundredth.
    assert!(last_of_little < Some(45), "{all:?}");
}

/// One turn in ten seconds, and nobody who books one that he cannot wait for.
#[tokio::test]
async fn over_redis_too_whose_turn_comes_too_late_is_refused_and_takes_none() {
    let Some(redis) = redis(&[]) else { return };
    let settings = Settings {
        calls: 2,
        per: Duration::from_secs(10),
        max_wait: Duration::from_secs(4),
        ..settings(&Cooldown::default())
    };
    let limit = Limit::shared(settings, &account(&redis.url())).await;
    turn(&limit, Request::default()).await.expect("at once");
    for _ in 0..5 {
        let error = turn(&limit, Request::default()).await;
        let error = error.expect_err("in ten seconds");
        assert_eq!(error.stop_reason(), StopReason::DeadlineExceeded);
        let wait = error.retry_after().expect("ten seconds").as_secs();
        assert!((5..=10).contains(&wait), "{wait}");
    }
    assert!(limit.is_shared());
}

#[tokio::test]
async fn a_share_that_nobody_wants_is_used_by_others() {
    let Some(redis) = redis(&[]) else { return };
    let idle = Limit::shared(settings(&Cooldown::default()), &account(&redis.url())).await;
    let busy = Limit::shared(settings(&Cooldown::default()), &account(&redis.url())).await;
    let begin = Instant::now();
    let turns = (0..98).map(|_| turn(&busy, Request::default()));
    bounded(join_all(turns)).await;
    // With a third of the limit it would be 2.97 s, on the fastest machine.
    assert!(
        begin.elapsed() < Duration::from_millis(2900),
        "{:?}",
        begin.elapsed()
    );
    assert!(idle.is_shared() && busy.is_shared());
}

/// As if what is booked had been booked later: by a minute, and by centuries.
#[tokio::test]
async fn a_clock_set_back_stops_nobody() {
    for seconds in [60, 7_000_000_000_u64] {
        let Some(redis) = redis(&[]) else { return };
        let url = redis.url();
        let settings = Settings {
            per: MINUTE,
            ..settings(&Cooldown::default())
        };
        let limit = Limit::shared(settings, &account(&url)).await;
        turn(&limit, Request::default()).await.expect("at once");
        let key = account(&url).key("limit");
        let step = format!(
            "local later = function(time) return string.format('%.0f', time + {seconds}e6) end
             local booked = string.gsub(redis.call('GET', '{key}'), '%d+', later)
             redis.call('SET', '{key}', booked)"
        );
        command(&url, &["EVAL", &step, "0"]);
        let begin = Instant::now();
        let turn = bounded(turn(&limit, Request::default())).await;
        turn.expect("a turn");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

/// A process that waits for less than the others have booked leaves it booked.
#[tokio::test]
async fn who_waits_for_little_takes_no_turn_of_those_who_wait_for_much() {
    let Some(redis) = redis(&[]) else { return };
    let patient = Settings {
        calls: 2,
        per: Duration::from_secs(5),
        ..settings(&Cooldown::default())
    };
    let hasty = Settings {
        max_wait: Duration::from_millis(1),
        ..patient.clone()
    };
    let url = redis.url();
    let (account, mut gone) = (account(&url), Vec::new());
    for _ in 0..4 {
        let limit = Limit::shared(patient.clone(), &account).await;
        gone.push(tokio::spawn(async move {
            turn(&limit, Request::default()).await
        }));
    }
    until(|| scripts(&url) >= 8).await; // four looks, four turns
    let hasty = Limit::shared(hasty, &account).await;
    let error = turn(&hasty, Request::default()).await;
    let error = error.expect_err("in twenty seconds");
    assert!(error.retry_after() >= Some(Duration::from_secs(12)));
    gone.iter().for_each(|turn| turn.abort());
}

/// Each of four books one turn, and together they are booked for longer than the period.
#[tokio::test]
async fn more_processes_than_calls_in_a_period_still_take_turns() {
    let Some(redis) = redis(&[]) else { return };
    let settings = Settings {
        calls: 2,
        per: Duration::from_millis(300),
        ..settings(&Cooldown::default())
    };
    let url = redis.url();
    let limits = join_all((0..4).map(|_| async {
        let account = account(&url);
        Limit::shared(settings.clone(), &account).await
    }))
    .await;
    let begin = Instant::now();
    let turns = limits.iter().map(|limit| turn(limit, Request::default()));
    for result in bounded(join_all(turns)).await {
        result.expect("a turn");
    }
    let time = begin.elapsed();
    assert!(time >= Duration::from_millis(895), "{time:?}");
}
