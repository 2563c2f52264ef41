//! The layer under test, as a scene wants it, and its observer.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use revio_status::{
    Attempt, Budget, Cooldown, Decision, RetryPolicy, RevioStatusLayer, StandardPolicy,
};

use super::{
    cooldown::Account,
    settings::{Policy, Settings},
    world::{Asked, Event, World},
};

pub type AnyPolicy = Arc<dyn RetryPolicy + Send + Sync>;

/// With so many uniform draws, one half of the range is missed once in 2^63 times.
const DRAWS: u32 = 64;

pub fn layer(
    settings: &Settings,
    world: &World,
    budget: Option<Budget>,
    cooldown: Option<Cooldown>,
) -> RevioStatusLayer<AnyPolicy> {
    let layer = RevioStatusLayer::with_timer(world.clone());
    let layer = match (settings.account, &cooldown) {
        (Account::Layer(_), Some(cooldown)) => layer.cooldown(cooldown.clone()),
        _ => layer.no_cooldown(),
    };
    let layer = layer
        .on_event(observer(settings, world, cooldown))
        .policy(policy(&settings.policy, world))
        .error_body_limit(settings.error_body_limit.into())
        .error_body_timeout(settings.error_body_timeout.get())
        .replay_body_limit(settings.replay_body_limit.into());
    let layer = match budget {
        Some(budget) => layer.budget(budget),
        None => layer.no_budget(),
    };
    match settings.time_limit {
        Some(limit) => layer.time_limit(limit.get()),
        None => layer,
    }
}

pub fn observer(
    settings: &Settings,
    world: &World,
    cooldown: Option<Cooldown>,
) -> impl Fn(&revio_status::Event<'_>) + Send + Sync + 'static {
    use revio_status::Event as Told;
    let standard = !matches!(settings.policy, Policy::Closure(_));
    let standard = standard.then(|| policy(&settings.policy, world));
    let world = world.clone();
    move |event| {
        world.log(match event {
            Told::RetryScheduled { attempt, after, .. } => {
                let drawn = standard.as_ref().map(|policy| draw(policy, attempt));
                Event::Scheduled(*after, drawn)
            }
            Told::CooldownStarted {
                cooldown: started,
                status,
                until,
                ..
            } => {
                assert_eq!(cooldown.as_ref(), Some(*started), "another cool-down");
                Event::CooldownStarted(*status, world.time(*until))
            }
            Told::Held { remaining, .. } => Event::Held(*remaining),
            Told::GivenUp { .. } => Event::GivenUp,
            other => panic!("an unknown event: {other:?}"),
        });
    }
}

/// Returns the shortest and the longest of many delays that the policy draws for this attempt.
fn draw(policy: &AnyPolicy, attempt: &Attempt<'_>) -> (Duration, Duration) {
    let delays = (0..DRAWS).map(|_| match policy.decide(attempt) {
        Decision::Retry { after } => after,
        Decision::Stop(reason) => panic!("{reason} at a retry"),
    });
    let first = (Duration::MAX, Duration::ZERO);
    delays.fold(first, |(least, most), delay| {
        (least.min(delay), most.max(delay))
    })
}

fn policy(policy: &Policy, world: &World) -> AnyPolicy {
    match policy.clone() {
        Policy::Default => Arc::new(StandardPolicy::default()),
        Policy::Never => Arc::new(revio_status::NeverRetry),
        Policy::Standard {
            attempts,
            backoff,
            max_retry_after,
            retry_429,
            max_hold,
            cool_503,
        } => {
            let policy = StandardPolicy::default()
                .max_attempts(u32::from(attempts % 5) + 1)
                .backoff(backoff.build())
                .max_retry_after(max_retry_after.get())
                .max_hold(max_hold.get());
            let policy = match cool_503 {
                true => policy.cool_down_on(StatusCode::SERVICE_UNAVAILABLE),
                false => policy,
            };
            Arc::new(match retry_429 {
                true => policy.retry_on(StatusCode::TOO_MANY_REQUESTS),
                false => policy,
            })
        }
        Policy::Closure(words) => {
            let world = world.clone();
            Arc::new(ClosurePolicy(move |attempt: &Attempt<'_>| {
                world.log(Event::Asked(Asked {
                    number: attempt.number(),
                    elapsed: attempt.elapsed(),
                    remaining: attempt.remaining(),
                    wait: attempt.retry_after(),
                    body: attempt.body().cloned().unwrap_or_default(),
                }));
                Policy::closure_decision(&words, attempt.number())
            }))
        }
    }
}

/// Lets the closure decide about each failed response; errors are not retried.
struct ClosurePolicy<F>(F);

impl<F: Fn(&Attempt<'_>) -> Decision> RetryPolicy for ClosurePolicy<F> {
    fn is_retryable(&self, _: StatusCode) -> bool {
        true
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        (self.0)(attempt)
    }
}
