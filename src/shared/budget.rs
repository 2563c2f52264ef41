//! The retry budget: when most requests fail, most retries are not sent.

use std::{fmt, sync::atomic::Ordering::Relaxed};

use super::sync::{Arc, AtomicU64};

/// One retry. Amounts are in millionths of a retry, so that sums are exact.
const RETRY: u64 = 1_000_000;

/// A shared allowance for retries.
///
/// Every retry withdraws one. Every request that gets a response, and does not end in a retryable failure,
/// deposits a part of one, up to the reserve. While a server is down, the reserve is soon spent. Then
/// retries stay a fixed share of the successful requests, and cannot double the load on the server.
///
/// A *paced* retry, which waits as long as a cool-down's response asked for, is free, once per request.
///
/// The default is `Budget::new(100, 0.1)`: a reserve of 100 retries; ten requests earn one.
///
/// A clone is the same budget. Each [`RevioStatusLayer`] starts with its own; pass one budget to several
/// layers to share it. A budget is per process: if several processes share an account, give each one a
/// part of the reserve ([`guide::processes`](crate::guide::processes)).
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
pub struct Budget(Arc<State>);

struct State {
    balance: AtomicU64,
    reserve: u64,
    per_request: u64,
}

impl Budget {
    /// Creates a full budget of `reserve` retries. Each request that gets a response, and does not end in a
    /// retryable failure, earns `per_request` of a retry.
    ///
    /// `per_request` is rounded to a millionth; 0 earns nothing. A reserve of 0 allows only paced retries.
    ///
    /// # Panics
    ///
    /// If `per_request` is negative, infinite, not a number, or so small that it is rounded to 0.
    #[must_use]
    pub fn new(reserve: u32, per_request: f64) -> Self {
        assert!(
            per_request.is_finite() && per_request >= 0.0,
            "a budget cannot earn {per_request} retries per request"
        );
        let earned = (per_request * RETRY as f64).round() as u64;
        assert!(
            earned > 0 || per_request == 0.0,
            "a budget cannot earn {per_request} retries per request: the least is a millionth"
        );
        let reserve = u64::from(reserve) * RETRY;
        Self(Arc::new(State {
            balance: AtomicU64::new(reserve),
            reserve,
            per_request: earned,
        }))
    }

    /// Returns the number of whole retries left.
    pub fn available(&self) -> u32 {
        (self.0.balance.load(Relaxed) / RETRY) as u32
    }

    /// Deposits what one request earns. Costs one load if the budget is full.
    ///
    /// The layer does this itself. Call it for requests of other code that shares the budget.
    #[inline]
    pub fn deposit(&self) {
        self.credit(self.0.per_request);
    }

    /// Withdraws one retry, and returns `false` if none is left: then the retry must not be sent.
    ///
    /// The layer does this itself. Call it for retries of other code that shares the budget, right before
    /// the retry: it cannot be returned.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        let balance = &self.0.balance;
        balance
            .fetch_update(Relaxed, Relaxed, |balance| balance.checked_sub(RETRY))
            .is_ok()
    }

    pub(crate) fn hold(&self) -> Option<Withdrawal> {
        self.withdraw().then(|| Withdrawal(Some(self.clone())))
    }

    #[inline]
    fn credit(&self, amount: u64) {
        let State {
            balance, reserve, ..
        } = &*self.0;
        // An error means that the budget is full.
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

/// A retry that is withdrawn but not sent yet. If dropped unspent, it returns to the budget.
pub(crate) struct Withdrawal(Option<Budget>);

impl Withdrawal {
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
    fn concurrent_balance_is_exact() {
        const EACH: u32 = 50_000;
        let budget = Budget::new(8 * EACH, 0.25);
        // Half full, so that neither limit can hide a lost update.
        (0..4 * EACH).for_each(|_| assert!(budget.withdraw()));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..EACH {
                        let withdrawal = budget.hold().expect("the reserve covers all");
                        // Every fifth retry is cancelled.
                        if round % 5 != 0 {
                            withdrawal.spend();
                        }
                        budget.deposit();
                    }
                });
            }
        });
        // In 200,000 rounds four of five retries were spent, and each round earned a quarter.
        assert_eq!(budget.available(), 200_000 - 160_000 + 50_000);
    }

    #[test]
    fn concurrent_balance_never_negative() {
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
