//! The shared allowance for retries: when most requests fail, most retries are not sent.

use std::{fmt, sync::atomic::Ordering::Relaxed};

use super::sync::{Arc, AtomicU64};

/// The price of one retry. All amounts are millionths of a retry, so that sums are exact.
const RETRY: u64 = 1_000_000;

/// An allowance for retries that many requests share.
///
/// Every retry takes one from the budget. Every request that is answered and does not end in a
/// retryable failure puts a part of one back, up to the reserve. While a server is down the
/// reserve is soon spent, and from then on retries stay a fixed share of the requests that work:
/// retries cannot double the load on a server that is already overloaded.
///
/// The default is `Budget::new(100, 0.1)`: 100 retries in reserve, one earned by ten requests.
///
/// A clone is the same budget, not a second one. Each [`RevioStatusLayer`] starts with its own;
/// give one to several layers to share it. A budget knows its own process only: where several share
/// an account, give each its part of the reserve
/// ([`guide::processes`](crate::guide::processes)).
///
/// ```
/// use revio_status::{Budget, RevioStatusLayer};
///
/// let budget = Budget::new(20, 0.2);
/// # #[cfg(feature = "tokio")] {
/// let customers = RevioStatusLayer::new().budget(budget.clone());
/// let payments = RevioStatusLayer::new().budget(budget.clone());
/// # }
/// assert_eq!(budget.available(), 20);
/// ```
///
/// [`RevioStatusLayer`]: crate::RevioStatusLayer
#[derive(Clone)]
pub struct Budget(Arc<Account>);

struct Account {
    balance: AtomicU64,
    reserve: u64,
    per_request: u64,
}

impl Budget {
    /// A full budget of `reserve` retries that earns `per_request` of a retry with each request
    /// that is answered and does not end in a retryable failure.
    ///
    /// `per_request` is rounded to a millionth; 0 earns nothing. A reserve of 0 allows no retry.
    ///
    /// # Panics
    ///
    /// If `per_request` is negative, infinite or not a number, or so small that it would be
    /// rounded to nothing.
    #[must_use]
    pub fn new(reserve: u32, per_request: f64) -> Self {
        assert!(
            per_request.is_finite() && per_request >= 0.0,
            "a budget cannot earn {per_request} retries per request"
        );
        let earned = (per_request * RETRY as f64).round() as u64;
        assert!(
            earned > 0 || per_request == 0.0,
            "a budget that earns {per_request} retries per request earns none: a millionth is the least"
        );
        let reserve = u64::from(reserve) * RETRY;
        Self(Arc::new(Account {
            balance: AtomicU64::new(reserve),
            reserve,
            per_request: earned,
        }))
    }

    /// The number of whole retries that could be withdrawn now.
    pub fn available(&self) -> u32 {
        (self.0.balance.load(Relaxed) / RETRY) as u32
    }

    /// Earns for one request. A full budget costs one load.
    ///
    /// The layer does this for its own requests. Call it for requests that are retried elsewhere,
    /// by code that shares the allowance.
    #[inline]
    pub fn deposit(&self) {
        self.credit(self.0.per_request);
    }

    /// Takes one retry, for good. False: there is none, and the retry must not be made.
    ///
    /// The layer does this for its own requests. Call it for retries that are made elsewhere, by
    /// code that shares the allowance, when nothing can come between the answer and the retry.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        let balance = &self.0.balance;
        balance
            .fetch_update(Relaxed, Relaxed, |balance| balance.checked_sub(RETRY))
            .is_ok()
    }

    /// Takes one retry, which goes back if it is not sent after all.
    pub(crate) fn hold(&self) -> Option<Withdrawal> {
        self.withdraw().then(|| Withdrawal(Some(self.clone())))
    }

    #[inline]
    fn credit(&self, amount: u64) {
        let Account {
            balance, reserve, ..
        } = &*self.0;
        // An error says that nothing changes: the budget is full.
        let _ = balance.fetch_update(Relaxed, Relaxed, |balance| {
            (balance < *reserve).then(|| balance.saturating_add(amount).min(*reserve))
        });
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(100, 0.1)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("available", &self.available())
            .field("reserve", &(self.0.reserve / RETRY))
            .finish()
    }
}

/// One retry, withdrawn but not yet sent. Dropped before it is spent, it goes back.
pub(crate) struct Withdrawal(Option<Budget>);

impl Withdrawal {
    /// What a layer without a budget holds.
    pub(crate) fn free() -> Self {
        Self(None)
    }

    pub(crate) fn spend(mut self) {
        self.0 = None;
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if let Some(budget) = &self.0 {
            budget.credit(RETRY);
        }
    }
}

#[cfg(all(test, not(revio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn four_threads_leave_the_balance_exact() {
        const EACH: u32 = 50_000;
        let budget = Budget::new(8 * EACH, 0.25);
        // Half full: neither the floor nor the ceiling can hide a lost update.
        (0..4 * EACH).for_each(|_| assert!(budget.withdraw()));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for turn in 0..EACH {
                        let withdrawal = budget.hold().expect("the reserve covers all");
                        // Every fifth retry is cancelled and goes back.
                        if turn % 5 != 0 {
                            withdrawal.spend();
                        }
                        budget.deposit();
                    }
                });
            }
        });
        // In 200,000 turns four of five retries were spent and each turn earned a quarter.
        assert_eq!(budget.available(), 200_000 - 160_000 + 50_000);
    }

    #[test]
    fn it_never_goes_below_zero() {
        let budget = Budget::new(1_000, 0.0);
        let granted: u32 = std::thread::scope(|scope| {
            let take = || (0..1_000).filter(|_| budget.withdraw());
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(move || take().count()))
                .collect();
            threads
                .into_iter()
                .map(|t| t.join().expect("no panic") as u32)
                .sum()
        });
        assert_eq!((granted, budget.available()), (1_000, 0));
    }
}
