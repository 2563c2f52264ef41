//! The cool-down of a process, in virtual time.
//!
//! The crate's own cool-down needs real instants and the layer. A test shows that both hold and refuse
//! the same requests, for the same time.

use revio_status::{Attempt, RetryPolicy};

use super::events::{MINUTE, Nanos, SECOND};

/// The time until which a process sends nothing.
#[derive(Default)]
pub struct Quiet(Nanos);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Send,
    Hold(Nanos),
    Refuse,
}

impl Quiet {
    /// The longest cool-down that one response can start.
    const MAX: Nanos = 5 * MINUTE;
    const SPREAD: (Nanos, Nanos) = (SECOND / 10, 5 * SECOND);

    /// Starts or extends the cool-down after a response.
    pub fn hear(&mut self, rules: &dyn RetryPolicy, attempt: &Attempt<'_>, now: Nanos) {
        let cools_down = |status| rules.cools_down(status);
        if let Some(wait) = attempt
            .retry_after()
            .filter(|_| attempt.status().is_some_and(cools_down))
        {
            let wait = (wait.as_nanos() as Nanos).min(Self::MAX);
            self.0 = self.0.max(now + wait);
        }
    }

    /// Checks the cool-down before an attempt. `held` is the sum of the request's holds.
    ///
    /// A request whose own response started the cool-down has waited as long already: no time remains.
    pub fn look(&self, rules: &dyn RetryPolicy, now: Nanos, held: &mut Nanos) -> Look {
        let rest = self.0.saturating_sub(now);
        let Some(most) = rules.max_hold().map(|most| most.as_nanos() as Nanos) else {
            return Look::Send;
        };
        if rest == 0 {
            return Look::Send;
        }
        if *held + rest > most {
            return Look::Refuse;
        }
        let spread = (rest / 10).clamp(Self::SPREAD.0, Self::SPREAD.1);
        let time = rest + fastrand::u64(..=spread);
        *held += time;
        Look::Hold(time)
    }
}
