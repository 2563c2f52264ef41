//! The simulated fleet decides like the layer, on a paused clock.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use revio_status::{
    Attempt, BoxError, Budget, Cooldown, ReplayBody, RevioStatusLayer, StandardPolicy,
};
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt};

use storm::{
    allowance::{Allowance, Failure},
    events::Nanos,
    judge::{Retry, judge},
    quiet::{Look, Quiet},
};

/// The server's responses.
#[derive(Clone, Copy)]
struct Server {
    failures: &'static [(u16, &'static str)],
    /// `true` if other requests of the account sometimes start a cool-down of 7 s.
    has_foreign_cooldown: bool,
}

/// Failures that reach each of the layer's questions.
const ALL: [(u16, &str); 7] = [
    (503, ""),
    (504, ""),
    (503, "2"),
    (503, "60"),
    (429, "5"),
    (429, "90"),
    (500, ""),
];
const SHORT: [(u16, &str); 5] = [(503, ""), (504, ""), (503, "2"), (429, "5"), (500, "")];

impl Server {
    const FOREIGN_WAIT: Duration = Duration::from_secs(7);

    fn response(self, index: usize) -> Response<Full<Bytes>> {
        // Every fifth response is a success.
        let (status, seconds) = match index % 5 {
            0 => (200, ""),
            _ => self.failures[index * 3 % self.failures.len()],
        };
        let mut response = Response::builder().status(status);
        if !seconds.is_empty() {
            response = response.header("retry-after", seconds);
        }
        response.body(Full::default()).unwrap()
    }

    fn has_foreign_cooldown_at(self, index: usize) -> bool {
        self.has_foreign_cooldown && index % 8 == 3
    }
}

fn request(index: usize) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = [Method::GET, Method::POST, Method::PUT][index % 3].clone();
    request
}

const REQUESTS: usize = 500;
/// The pause before each request.
const PAUSE: Duration = Duration::from_millis(2_300);

/// A request's duration and its number of attempts.
type Course = (Duration, usize);

struct Plan<'a> {
    policy: &'a StandardPolicy,
    server: Server,
    allowance: Allowance,
    quiet: Option<Quiet>,
    now: Nanos,
    responses: usize,
    held: usize,
    refused: usize,
}

impl Plan<'_> {
    fn start_foreign_cooldown(&mut self) {
        let response = Response::builder()
            .status(429)
            .header("retry-after", Server::FOREIGN_WAIT.as_secs());
        let (response, _) = response.body(()).unwrap().into_parts();
        let (head, _) = request(0).into_parts();
        let body = Bytes::new();
        let attempt = Attempt::new(&head, &response, &body);
        if let Some(quiet) = &mut self.quiet {
            quiet.hear(self.policy, &attempt, self.now);
        }
    }

    /// Returns the fleet's course of a request.
    fn course(&mut self, index: usize) -> Course {
        self.now += PAUSE.as_nanos() as Nanos;
        let (began, before) = (self.now, self.responses);
        let (head, _) = request(index).into_parts();
        let (mut held, mut retried, mut is_paid) = (0, None, false);
        let mut was_paced = false;
        loop {
            let look = self
                .quiet
                .as_ref()
                .map(|q| q.look(self.policy, self.now, &mut held));
            match look.unwrap_or(Look::Send) {
                Look::Send => {}
                Look::Hold(time) => {
                    self.held += 1;
                    self.now += time;
                    continue;
                }
                Look::Refuse => {
                    self.refused += 1;
                    if is_paid {
                        self.allowance.give_back();
                    }
                    break;
                }
            }
            if self.server.has_foreign_cooldown_at(self.responses) {
                self.start_foreign_cooldown();
            }
            let (answer, _) = self.server.response(self.responses).into_parts();
            self.responses += 1;
            if answer.status == StatusCode::OK {
                self.allowance.succeed(self.now, retried);
                break;
            }
            let (number, body) = ((self.responses - before) as u32, Bytes::new());
            let attempt = Attempt::new(&head, &answer, &body).with_number(number);
            if let Some(quiet) = &mut self.quiet {
                quiet.hear(self.policy, &attempt, self.now);
            }
            let can_be_paced = self.quiet.is_some() && !was_paced;
            let (rules, allowance) = (self.policy, &mut self.allowance);
            match judge(rules, allowance, can_be_paced, &attempt, self.now) {
                Some(Retry {
                    after,
                    is_paid: paid,
                }) => {
                    is_paid = paid;
                    was_paced |= !paid;
                    self.now += after.as_nanos() as Nanos;
                }
                None => break,
            }
            retried = Some(Failure::of(answer.status));
        }
        (
            Duration::from_nanos(self.now - began),
            self.responses - before,
        )
    }
}

/// Returns the layer's courses of the same requests.
async fn courses(
    policy: &StandardPolicy,
    cooldown: Option<Cooldown>,
    server: Server,
) -> Vec<Course> {
    let responses = AtomicUsize::new(0);
    let shared = cooldown.clone();
    let service = tower::service_fn(|_: Request<ReplayBody<Full<Bytes>>>| {
        let index = responses.fetch_add(1, Relaxed);
        if let Some(cooldown) = shared
            .as_ref()
            .filter(|_| server.has_foreign_cooldown_at(index))
        {
            let until = Instant::now() + Server::FOREIGN_WAIT;
            cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, until.into_std());
        }
        async move { Ok::<_, BoxError>(server.response(index)) }
    });
    let layer = RevioStatusLayer::new()
        .policy(policy.clone())
        .budget(Budget::new(5, 0.1));
    let client = match cooldown {
        Some(cooldown) => layer.cooldown(cooldown),
        None => layer.no_cooldown(),
    };
    let client = client.layer(service);
    let mut courses = Vec::new();
    for index in 0..REQUESTS {
        advance(PAUSE).await;
        let (began, before) = (Instant::now(), responses.load(Relaxed));
        let _ = client.clone().oneshot(request(index)).await;
        courses.push((began.elapsed(), responses.load(Relaxed) - before));
    }
    courses
}

/// Compares fleet and layer. Returns the numbers of holds and refusals.
async fn compare(policy: &StandardPolicy, has_cooldown: bool, server: Server) -> (usize, usize) {
    let mut plan = Plan {
        policy,
        server,
        allowance: Allowance::ours(Budget::new(5, 0.1)),
        quiet: has_cooldown.then(Quiet::default),
        now: 0,
        responses: 0,
        held: 0,
        refused: 0,
    };
    fastrand::seed(7);
    let planned: Vec<_> = (0..REQUESTS).map(|index| plan.course(index)).collect();
    fastrand::seed(7);
    let found = courses(policy, has_cooldown.then(Cooldown::default), server).await;
    for (index, (planned, found)) in planned.into_iter().zip(found).enumerate() {
        assert_eq!(found.1, planned.1, "request {index}");
        // The timer rounds each wait up to a millisecond.
        let more = found.0.abs_diff(planned.0);
        assert!(more < Duration::from_millis(5), "request {index}: {more:?}");
    }
    (plan.held, plan.refused)
}

/// Promise (load): The simulated fleet retries, holds and refuses as the layer does.
#[tokio::test(start_paused = true)]
async fn simulation_decides_like_the_layer() {
    let server = Server {
        failures: &ALL,
        has_foreign_cooldown: false,
    };
    compare(&StandardPolicy::default(), false, server).await;
}

/// Promise (load): The simulated fleet retries, holds and refuses as the layer does.
#[tokio::test(start_paused = true)]
async fn simulation_holds_like_the_layer() {
    let server = Server {
        failures: &ALL,
        has_foreign_cooldown: false,
    };
    let retrying = StandardPolicy::default().retry_on(StatusCode::TOO_MANY_REQUESTS);
    let cooling = StandardPolicy::default().cool_down_on(StatusCode::SERVICE_UNAVAILABLE);
    for policy in [StandardPolicy::default(), retrying, cooling] {
        let (held, refused) = compare(&policy, true, server).await;
        assert!(held > 10 && refused > 10, "{held}, {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn simulation_matches_foreign_cooldown() {
    let server = Server {
        failures: &SHORT,
        has_foreign_cooldown: true,
    };
    for policy in [StandardPolicy::default(), StandardPolicy::batch()] {
        let (held, refused) = compare(&policy, true, server).await;
        assert!(held > 10 && refused == 0, "{held}, {refused}");
    }
    let hasty = StandardPolicy::default().max_hold(Duration::from_secs(3));
    let (_, refused) = compare(&hasty, true, server).await;
    assert!(refused > 10, "{refused}");
}
