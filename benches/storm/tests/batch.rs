//! The batch: a job above its quota, with and without a cool-down.

use std::sync::OnceLock;

use storm::{
    account::{Account, Refusals},
    batch::{self, Batch, duration},
    burst,
    events::{MINUTE, SECOND},
    measure::Measures,
    policies::OURS,
    rivals::{self, BATCH},
    table,
};

type Rows = Vec<(String, Measures)>;

fn run(processes: usize, name: &str) -> Measures {
    let batch = Batch::new(processes, Refusals::AreFree);
    let mut rivals = rivals::all().into_iter();
    batch::run(&batch, 1, &rivals.find(|rival| rival.name == name).unwrap())
}

fn all(batch: &Batch) -> Rows {
    let rivals = rivals::all().into_iter();
    rivals
        .map(|rival| (rival.name.clone(), batch::run(batch, 1, &rival)))
        .collect()
}

/// Returns all rows of all batches, which run once.
fn tables() -> impl Iterator<Item = (&'static Batch, &'static Rows)> {
    static TABLES: OnceLock<Vec<Rows>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| batch::ALL.iter().map(all).collect());
    batch::ALL.iter().zip(tables)
}

#[test]
fn every_call_ends_once() {
    for (_, rows) in tables() {
        for (name, measures) in rows {
            assert_eq!(measures.asked, Batch::CALLS, "{name}");
            assert_eq!(measures.good + measures.bad, Batch::CALLS, "{name}");
            assert_eq!(measures.waits.len(), Batch::CALLS, "{name}");
            // Each call that the gateway did not refuse succeeded.
            assert_eq!(measures.sent, measures.good + measures.refused, "{name}");
        }
    }
}

#[test]
fn no_cooldown_loses_all_but_first_minute() {
    for processes in [1, 8] {
        let measures = run(processes, rivals::NO_COOLDOWN);
        assert_eq!((measures.good, measures.refused), (500, 4_500));
        assert!(duration(&measures) < 10.0);
    }
}

/// Promise (load): A job above its quota paces itself: nearly all calls succeed, in the time that
/// the quota takes.
#[test]
fn cooldown_completes_batch_in_quota_time() {
    for processes in [1, 8] {
        // The calls of the tenth minute begin after nine minutes.
        let (least, most) = (540.0, 550.0);
        for (name, good) in [(OURS, 4_600), ("retry_on(429)", 4_800), (BATCH, 5_000)] {
            let measures = run(processes, name);
            let seconds = duration(&measures);
            assert!(measures.good >= good, "{name}: {}", measures.good);
            assert!((least..most).contains(&seconds), "{name}: {seconds} s");
        }
    }
}

/// Promise (load): No other policy that finishes as much of a job is refused as seldom.
#[test]
fn no_equal_policy_is_refused_less() {
    for (batch, rows) in tables() {
        let find = |wanted| &rows.iter().find(|(name, _)| name == wanted).unwrap().1;
        let ours = [find(OURS), find("retry_on(429)"), find(BATCH)];
        let most = ours
            .map(|measures| measures.refused)
            .into_iter()
            .max()
            .unwrap();
        assert!(most < 250, "{}: {most}", batch.title());
        for (name, measures) in rows {
            if !ours.contains(&measures) {
                assert!(measures.refused > 2 * most, "{}, {name}", batch.title());
            }
        }
    }
}

#[test]
fn same_seed_gives_same_output() {
    let output = || {
        let rows = all(&batch::ALL[1]);
        table::batch(&batch::ALL[1], &rows) + &burst::plot(&rows).unwrap()
    };
    assert_eq!(output(), output());
}

#[test]
fn account_has_500_calls_a_minute() {
    let mut account = Account::new(MINUTE, Refusals::AreFree);
    (0..500).for_each(|_| assert_eq!(account.count(20 * SECOND), Ok(())));
    assert_eq!(account.count(20 * SECOND), Err(40));
    assert_eq!(account.count(MINUTE - 1), Err(1));
    (0..500).for_each(|_| assert_eq!(account.count(MINUTE), Ok(())));
    assert_eq!(account.count(MINUTE), Err(60));
}

#[test]
fn counted_refusals_lock_out_callers() {
    let account = || {
        let mut account = Account::new(MINUTE, Refusals::Count);
        (0..500).for_each(|_| assert_eq!(account.count(0), Ok(())));
        account
    };
    let mut polite = account();
    assert_eq!(polite.count(SECOND), Err(59));
    assert_eq!(polite.count(60 * SECOND), Ok(()));
    let mut impatient = account();
    for tick in 1..1_000 {
        let verdict = impatient.count(tick * SECOND / 10);
        assert!(verdict.is_err(), "{tick}: {verdict:?}");
    }
}
