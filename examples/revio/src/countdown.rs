//! Shows how long the client will be silent, and why: the layer tells of each wait, and whoever
//! waits for the answer prints it.

use std::{fmt, io::Write, sync::Arc, time::Duration};

use http::StatusCode;
use revio_status::Event;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::quiet::{Quiet, Told};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Wait {
    why: Why,
    until: Instant,
}

#[derive(Clone, Copy)]
enum Why {
    /// For a resend: what came before it, if anything did.
    Failed(Option<StatusCode>),
    /// For the account.
    Held(Option<Told>),
}

/// The waits that the layer tells of.
pub struct Waits {
    waits: watch::Sender<Option<Wait>>,
    quiet: Arc<Quiet>,
}

impl Waits {
    pub fn new(quiet: Arc<Quiet>) -> Self {
        let waits = watch::Sender::new(None);
        Self { waits, quiet }
    }

    pub fn countdown(&self) -> Countdown {
        Countdown(self.waits.subscribe())
    }

    pub fn note(&self, event: &Event<'_>) {
        self.quiet.note(event);
        let (why, time) = match event {
            Event::RetryScheduled { attempt, after, .. } => (Why::Failed(attempt.status()), *after),
            Event::Held { rest, .. } => (Why::Held(self.quiet.cause()), *rest),
            _ => return,
        };
        let until = Instant::now().checked_add(time);
        let wait = until.map(|until| Wait { why, until });
        self.waits.send_replace(wait);
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
        // What is printed next takes its place. Who cannot see it does not miss it.
        let _ = write!(screen, "{}\x1b[K\r", Line(wait.why, seconds));
        let _ = screen.flush();
        sleep(left - Duration::from_secs(seconds - 1)).await;
        left = time_left();
    }
    clear(screen);
}

struct Line(Why, u64);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.1;
        match self.0 {
            Why::Failed(status) => {
                let status = status.as_ref().map_or("no answer", StatusCode::as_str);
                write!(f, "{status}: next attempt in {seconds} s")
            }
            Why::Held(told) => {
                write!(f, "the account is asked to be quiet for {seconds} s")?;
                told.map_or(Ok(()), |told| write!(f, ", because of {told}"))
            }
        }
    }
}

pub fn clear(screen: &mut impl Write) {
    let _ = write!(screen, "\x1b[K");
    let _ = screen.flush();
}
