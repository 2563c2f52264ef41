//! Two budgets: one that is soon used up, and one whose balance must come out exact.

use revio_status::Budget;

use super::audit::{self, Books};

/// Of the scarce one.
const RESERVE: u32 = 20;
const PER_REQUEST: f64 = 0.1;
/// What `PER_REQUEST` is of one retry: all balances are counted in it.
const TENTHS: i64 = 10;
/// Of the ample one, which starts half full: neither end of it is ever reached.
const HALF: u32 = 1_000_000;

pub struct Budgets {
    pub scarce: Budget,
    pub ample: Budget,
    /// What must be in the ample one.
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

    /// One for each run, beside the ample one for all of them.
    pub fn refill(&mut self) {
        self.scarce = Budget::new(RESERVE, PER_REQUEST);
    }

    /// What is wrong after the run that these books tell of.
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

    /// To the tenth. Only whole retries can be seen, so it is filled up to the next one.
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
