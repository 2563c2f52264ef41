//! Turns over Redis: evenly spaced, shared fairly, and refused where they come too late.

mod support;

use std::{future::ready, time::Duration};

use bytes::Bytes;
use fleet::shared::{Limit, Settings, due_in};
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use revio_status::{
    Backoff, Cooldown, ReplayBody, ResendCount, RevioStatusLayer, StandardPolicy, StopReason,
    TimeLimit,
};
use support::{PATIENT, account, bounded, command, redis, scripts, settings, signal, turn, until};
use tokio::{sync::mpsc, time::Instant};
use tower::{ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

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
            request.extensions_mut().insert(TimeLimit(deadline));
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
            assert_eq!(error.attempts(), 1);
            assert!(begin.elapsed() <= deadline, "{:?}", begin.elapsed());
        }
    }
}

/// Promise (load): Processes that share an account keep to its quota together, in fair shares.
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

/// Promise (load): Processes that share an account keep to its quota together, in fair shares.
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

/// Promise (load): No clock, turn or key in Redis stops a process for more than five minutes.
///
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
        let key = account(&url).limit_key();
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
        max_wait: PATIENT,
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

/// It gives up while Redis is silent, which then books its turn all the same. Nobody waits for the next
/// one, in twenty seconds.
#[tokio::test]
async fn a_turn_booked_for_a_request_that_is_gone_is_left_to_the_next() {
    let Some(redis) = redis(&[]) else { return };
    let settings = Settings {
        calls: 2,
        per: 20 * SECOND,
        max_wait: 15 * SECOND,
        answer: MINUTE,
        ..settings(&Cooldown::default())
    };
    let limit = Limit::shared(settings, &account(&redis.url())).await;
    signal(&redis, "STOP");
    let mut hasty = Request::default();
    hasty.extensions_mut().insert(TimeLimit(SECOND / 10));
    turn(&limit, hasty).await.expect_err("silent");
    signal(&redis, "CONT");
    let next = turn(&limit, Request::default()).await;
    next.expect("the turn of the one that is gone");
}

/// Who waits for its end books one turn then, which is the second script: the first one has looked.
#[tokio::test]
async fn no_turn_is_booked_while_the_account_cools_down() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let cooldown = Cooldown::default();
    let limit = Limit::shared(settings(&cooldown), &account(&url)).await;
    let end = Instant::now() + SECOND;
    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, end.into_std());
    turn(&limit, Request::default()).await.expect("a turn");
    assert!(Instant::now() >= end);
    assert_eq!(scripts(&url), 2);
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

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
///
/// The last one that was booked may be used already.
#[tokio::test]
async fn the_first_turn_without_redis_is_a_share_away() {
    let Some(mut redis) = redis(&[]) else { return };
    let settings = Settings {
        calls: 2,
        per: Duration::from_millis(200),
        ..settings(&Cooldown::default())
    };
    let limit = Limit::shared(settings, &account(&redis.url())).await;
    turn(&limit, Request::default()).await.expect("at once");
    redis.kill();
    let begin = Instant::now();
    turn(&limit, Request::default()).await.expect("a turn");
    let time = begin.elapsed();
    assert!(!limit.is_shared());
    assert!(time >= Duration::from_millis(600), "{time:?}");
}

/// One turn in 1.2 s. Nobody has taken one for long: 1 % of the limit, that is five, and the next one.
#[tokio::test]
async fn turns_that_nobody_took_are_made_up_for_but_few_of_them() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let settings = Settings {
        calls: 500,
        per: 10 * MINUTE,
        ..settings(&Cooldown::default())
    };
    let limit = Limit::shared(settings, &account(&url)).await;
    command(&url, &["SET", &account(&url).limit_key(), "1 1"]);
    let begin = Instant::now();
    for _ in 0..6 {
        turn(&limit, Request::default()).await.expect("at once");
    }
    assert!(begin.elapsed() < 2 * SECOND, "{:?}", begin.elapsed());
    let begin = Instant::now();
    turn(&limit, Request::default()).await.expect("a turn");
    assert!(begin.elapsed() > SECOND / 10, "{:?}", begin.elapsed());
}
