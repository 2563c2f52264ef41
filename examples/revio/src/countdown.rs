//! Shows how long the client will be silent: a policy notes what was decided, and whoever waits
//! for the answer prints it.

use std::{error::Error, io::Write, time::Duration};

use http::{StatusCode, request};
use revio_status::{Attempt, Decision, Resend, RetryPolicy, StandardPolicy};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Wait {
    /// What came before it, if anything did.
    status: Option<StatusCode>,
    until: Instant,
}

/// Decides what [`StandardPolicy`] decides, and notes how long it takes.
#[derive(Clone)]
pub struct Noted {
    policy: StandardPolicy,
    waits: watch::Sender<Option<Wait>>,
}

impl Noted {
    pub fn new(policy: StandardPolicy) -> Self {
        let waits = watch::Sender::new(None);
        Self { policy, waits }
    }

    pub fn countdown(&self) -> Countdown {
        Countdown(self.waits.subscribe())
    }
}

impl RetryPolicy for Noted {
    fn is_retryable(&self, status: StatusCode) -> bool {
        self.policy.is_retryable(status)
    }

    fn is_retryable_error(&self, error: &(dyn Error + 'static), is_unsent: bool) -> bool {
        self.policy.is_retryable_error(error, is_unsent)
    }

    fn may_resend(&self, request: &request::Parts) -> Resend {
        self.policy.may_resend(request)
    }

    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        let decision = self.policy.decide(attempt);
        if let Decision::Retry { after } = decision {
            let status = attempt.status();
            let until = Instant::now().checked_add(after);
            self.waits
                .send_replace(until.map(|until| Wait { status, until }));
        }
        decision
    }

    fn attempt_limit(&self, request: &request::Parts) -> u32 {
        self.policy.attempt_limit(request)
    }
}

pub struct Countdown(watch::Receiver<Option<Wait>>);

impl Countdown {
    /// Never ends: drop it when the answer is there, then [`clear`] the line.
    pub async fn show(mut self, mut screen: impl Write) {
        while self.0.changed().await.is_ok() {
            let wait = *self.0.borrow_and_update();
            if let Some(wait) = wait {
                count_down(wait, &mut screen).await;
            }
        }
        std::future::pending().await
    }
}

async fn count_down(wait: Wait, screen: &mut impl Write) {
    let time_left = || wait.until.saturating_duration_since(Instant::now());
    let mut left = time_left();
    if left <= SECOND {
        return;
    }
    while !left.is_zero() {
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0); // at least one
        let status = wait.status.as_ref().map_or("no answer", StatusCode::as_str);
        // What is printed next takes its place. Who cannot see it does not miss it.
        let _ = write!(screen, "{status}: next attempt in {seconds} s\x1b[K\r");
        let _ = screen.flush();
        sleep(left - Duration::from_secs(seconds - 1)).await;
        left = time_left();
    }
    clear(screen);
}

pub fn clear(screen: &mut impl Write) {
    let _ = write!(screen, "\x1b[K");
    let _ = screen.flush();
}
