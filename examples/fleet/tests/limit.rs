//! Turns of a process on its own: evenly spaced, and refused where they come too late.

mod support;

use std::time::Duration;

use fleet::shared::{Limit, Settings};
use futures_util::future::join_all;
use http::{Request, StatusCode};
use revio_status::{Cooldown, StopReason, TimeLimit};
use support::{Log, account, settings, turn};
use tokio::time::{Instant, advance, timeout};

const MINUTE: Duration = Duration::from_secs(60);

/// One of four on its own: 490 calls a minute by four.
fn quarter() -> Limit {
    Limit::own(Settings::new(4, Cooldown::default()))
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
    let deadline = TimeLimit(Duration::from_millis(400));
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

/// The next turn is in a minute and a half.
#[tokio::test(start_paused = true)]
async fn no_attempt_waits_longer_than_it_may_and_the_whole_wait_is_told() {
    let limit = Limit::own(Settings {
        calls: 2,
        per: Duration::from_millis(90_500),
        ..Settings::new(1, Cooldown::default())
    });
    turn(&limit, Request::default()).await.expect("at once");
    for deadline in [None, Some(TimeLimit(2 * MINUTE))] {
        let mut request = Request::default();
        deadline.map(|deadline| request.extensions_mut().insert(deadline));
        let begin = Instant::now();
        let error = turn(&limit, request).await.expect_err("longer than 30 s");
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(91)));
    }
}

/// Where Redis would be there is nothing. A turn in 31 ms, for ten seconds.
#[tokio::test(start_paused = true)]
async fn redis_is_looked_for_once_a_second() {
    let log = Log::start();
    let nowhere = account("redis+unix:///nowhere/redis.sock");
    let limit = Limit::shared(settings(&Cooldown::default()), &nowhere).await;
    let begin = Instant::now();
    while begin.elapsed() < MINUTE / 6 {
        turn(&limit, Request::default()).await.expect("a turn");
    }
    let looks = log.text().matches("still no Redis").count();
    assert!((8..=10).contains(&looks), "{looks}");
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
    go_away(&limit).await;
    turn(&limit, Request::default()).await.expect("in 390 ms");
    assert!(
        begin.elapsed() < Duration::from_millis(495),
        "{:?}",
        begin.elapsed()
    );
}

/// And whoever can wait for it has it.
#[tokio::test(start_paused = true)]
async fn a_turn_that_is_left_and_comes_too_late_for_the_next_is_told_at_once() {
    let limit = Limit::own(Settings {
        calls: 2,
        per: MINUTE / 6,
        ..Settings::new(1, Cooldown::default())
    });
    turn(&limit, Request::default()).await.expect("at once");
    let begin = Instant::now();
    let gone = turn(&limit, Request::default());
    let _ = timeout(Duration::from_secs(1), gone).await;
    let mut hasty = Request::default();
    let deadline = TimeLimit(Duration::from_secs(2));
    hasty.extensions_mut().insert(deadline);
    let error = turn(&limit, hasty).await.expect_err("in nine seconds");
    assert_eq!(begin.elapsed().as_secs(), 1);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    turn(&limit, Request::default()).await.expect("a turn");
    assert_eq!(begin.elapsed().as_secs(), 10);
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
    cooldown.extend_until(status, end.into_std());
    waiting.await.expect("no panic").expect("a turn");
    assert!(Instant::now() >= end);
    assert!(begin.elapsed() < Duration::from_secs(21));

    cooldown.extend_until(status, (Instant::now() + MINUTE).into_std());
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
    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, end.into_std());
    let waiting = tokio::spawn({
        let limit = limit.clone();
        async move { turn(&limit, Request::default()).await }
    });
    advance(Duration::from_secs(1)).await;
    let mut request = Request::default();
    request.extensions_mut().insert(TimeLimit(MINUTE / 6));
    let begin = Instant::now();
    let error = turn(&limit, request).await.expect_err("in ten seconds");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(error.stop_reason(), StopReason::CoolingDown);
    assert!(error.retry_after() >= Some(Duration::from_secs(19)));
    waiting.await.expect("no panic").expect("a turn");
}

/// A request that waits for its turn, and is dropped after 100 ms.
async fn go_away(limit: &Limit) {
    let gone = tokio::spawn({
        let limit = limit.clone();
        async move { turn(&limit, Request::default()).await }
    });
    advance(Duration::from_millis(100)).await;
    gone.abort();
    let _ = gone.await;
}

/// Else it would be one more than there are, as soon as somebody comes.
#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_used_in_time_is_over() {
    let limit = quarter();
    turn(&limit, Request::default()).await.expect("at once");
    go_away(&limit).await;
    advance(MINUTE).await;
    let begin = Instant::now();
    let turns = [(); 2].map(|()| turn(&limit, Request::default()));
    for result in join_all(turns).await {
        result.expect("a turn");
    }
    let time = begin.elapsed();
    assert!(time >= Duration::from_millis(489), "{time:?}");
}
