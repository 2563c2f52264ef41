//! What a process was told of its account: this crate's cool-down, in virtual time.
//!
//! The crate's own runs on a clock of instants, inside the layer. That both hold and refuse the same
//! requests, for as long, shows a test.

use revio_status::{Attempt, RetryPolicy};

use super::events::{MINUTE, Nanos, SECOND};

/// Until when a process sends nothing.
#[derive(Default)]
pub struct Quiet(Nanos);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Send,
    Hold(Nanos),
    Refuse,
}

impl Quiet {
    /// The most that one answer can ask for.
    const MAX: Nanos = 5 * MINUTE;
    const SPREAD: (Nanos, Nanos) = (SECOND / 10, 5 * SECOND);

    /// An answer is here.
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

    /// Before a request is sent, for the first time or once more. `held`: for how long it was held.
    ///
    /// Who asked for quiet itself has waited as long already, and finds no rest.
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
