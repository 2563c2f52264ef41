//! Two budgets: one is soon exhausted, the other one's balance must be exact.

use revio_status::Budget;

use super::audit::{self, Books};

/// The scarce budget's reserve.
const RESERVE: u32 = 20;
const PER_REQUEST: f64 = 0.1;
/// Deposits for one retry. All balances are in tenths.
const TENTHS: i64 = 10;
/// Half of the ample budget's reserve. The budget starts half full and never reaches an end.
const HALF: u32 = 1_000_000;

pub struct Budgets {
    pub scarce: Budget,
    pub ample: Budget,
    /// The expected balance of the ample budget.
    expected: i64,
}

impl Budgets {
    pub fn new() -> Self {
        let ample = Budget::new(2 * HALF, PER_REQUEST);
        for _ in 0..HALF {
            assert!(ample.withdraw());
        }
        Self {
            scarce: Budget::new(RESERVE, PER_REQUEST),
            ample,
            expected: TENTHS * i64::from(HALF),
        }
    }

    /// Replaces the scarce budget, once for each run.
    pub fn refill(&mut self) {
        self.scarce = Budget::new(RESERVE, PER_REQUEST);
    }

    /// Returns the differences between the budgets and the books of the last run.
    pub fn problems(&mut self, books: &Books) -> Vec<String> {
        let sum = |name| books.sums[name] as i64;
        self.expected += sum(audit::AMPLE_EARNED) - TENTHS * sum(audit::AMPLE_RETRIES);
        let (expected, balance) = (self.expected, self.balance());
        let wrong = (balance != expected)
            .then(|| format!("{balance} tenths of a retry in the budget instead of {expected}"));
        let most = i64::from(RESERVE) * TENTHS + sum(audit::SCARCE);
        let spent = sum(audit::SCARCE_RETRIES);
        let overspent =
            (TENTHS * spent > most).then(|| format!("{spent} retries for {most} tenths"));
        wrong.into_iter().chain(overspent).collect()
    }

    /// Returns the balance in tenths. Only whole retries are visible, so this fills up to the next one.
    fn balance(&mut self) -> i64 {
        let whole = self.ample.available();
        let mut missing = 0;
        while self.ample.available() == whole {
            self.ample.deposit();
            missing += 1;
        }
        self.expected += missing;
        TENTHS * i64::from(whole + 1) - missing
    }
}
