//! The books: the rules for every request, and the sums.

use std::{collections::BTreeMap, fmt, sync::atomic::Ordering::Relaxed, time::Duration};

use revio_status::StopReason;

use super::{
    accounts,
    caller::DEADLINE,
    case::Case,
    ledger::{Ledger, Outcome},
    plan::{Door, Manner, Plan, When},
};

/// Tolerance beyond the measured lateness of the machine.
const SLACK: Duration = Duration::from_millis(500);

/// A rule's text, and whether a request keeps it.
type Rule = (&'static str, fn(&Case<'_>) -> bool);

const RULES: [Rule; 25] = [
    ("every request has an outcome", |case| {
        !matches!(case.outcome, Outcome::Hung)
    }),
    (
        "a POST is resent only if it cannot have been applied",
        |case| (1..case.last()).all(|attempt| case.resend(attempt)),
    ),
    ("a POST is executed at most once", |case| {
        !case.is_post() || case.page.executed.len() <= 1
    }),
    ("no attempt arrives twice, or unsent", |case| {
        let count = |attempt| {
            let arrived = case.page.arrived.iter();
            arrived.filter(|&&one| one == attempt).count()
        };
        let sent = 1..=case.last();
        let is_sent = |attempt| sent.contains(attempt) && !case.is_unsent(*attempt);
        case.page.arrived.iter().all(is_sent) && sent.clone().all(|one| count(one) <= 1)
    }),
    ("each attempt with a response arrived", |case| {
        let is_answered = |attempt: &_| case.status(*attempt).is_some();
        let mut answered = (1..=case.last()).filter(is_answered);
        answered.all(|attempt| case.arrived(attempt))
    }),
    ("each reported success was executed", |case| {
        match case.outcome {
            Outcome::Success { attempt } => case.executed(*attempt),
            _ => true,
        }
    }),
    ("no request reported as not applied was executed", |case| {
        case.error_fits(|report| report.applied || case.page.executed.is_empty())
    }),
    ("each execution has the whole upload", |case| {
        let mut executed = case.page.executed.iter();
        executed.all(|execution| execution.is_whole)
    }),
    ("a failing upload is not executed", |case| {
        !case.order.upload.breaks || case.page.executed.is_empty()
    }),
    ("the outcome is the last attempt's", |case| case.is_honest()),
    ("may_have_been_applied covers all attempts", |case| {
        case.error_fits(|report| report.applied == case.may_be_applied_by(case.last()))
    }),
    ("no attempt reported as unsent arrived", |case| {
        case.reported_unsent().all(|attempt| !case.arrived(attempt))
    }),
    ("only failures to connect are unsent", |case| {
        case.error_fits(|report| report.is_unsent == case.is_unsent(case.last()))
    }),
    ("connections are refused by the plan", |case| {
        (1..=case.last()).all(|attempt| case.connects_by_plan(attempt))
    }),
    ("the previous attempts are reported correctly", |case| {
        case.remembers()
    }),
    ("attempts are counted", |case| match case.outcome {
        Outcome::Success { attempt } | Outcome::Broken { attempt } => *attempt == case.last(),
        _ => case.error_fits(|report| report.attempts == case.last()),
    }),
    ("only failures named by a setting are retried", |case| {
        let mut resent = 1..case.last();
        resent.len() <= 2 && resent.all(|attempt| case.is_retryable(attempt) != Some(false))
    }),
    ("nothing is sent before Retry-After", |case| {
        (1..case.last()).all(|attempt| case.pause(attempt) >= case.asked(attempt))
    }),
    ("Retry-After is read correctly", |case| {
        case.response_fits(|report, act| match report.reason {
            // Or the remaining time of the cool-down, if that is longer.
            StopReason::CoolingDown => report.retry_after >= act.wait.asked(),
            _ => report.retry_after == act.wait.asked(),
        })
    }),
    ("only truncated bodies are reported as truncated", |case| {
        let is_sure = case.order.door == Door::One && case.page.took < DEADLINE;
        case.response_fits(|report, act| match (act.manner, act.when) {
            (Manner::CutBody | Manner::ResetBody | Manner::Hang | Manner::Endless, _) => {
                report.is_truncated
            }
            (Manner::Plain, When::Late) if is_sure => !report.is_truncated,
            _ => true,
        })
    }),
    ("no attempt is sent during a cool-down", |case| {
        case.obeys_cooldown()
    }),
    ("a refused request was never sent", |case| {
        let never = case.page.arrived.is_empty() && case.page.executed.is_empty();
        case.error_fits(|report| {
            report.attempts > 0 || case.was_never_sent() && never && !report.applied
        })
    }),
    ("the stop reason is correct", |case| {
        case.error_fits(|report| case.has_true_reason(report))
    }),
    ("no resend after the deadline", |case| {
        let mut resent = case.page.sent.iter().skip(1);
        resent.all(|sent| case.since_called(sent.at) < DEADLINE + case.lateness)
    }),
    (
        "no request outlasts its deadline and its last response",
        |case| {
            let last = case.page.sent.last().and_then(|sent| sent.result);
            let last = last.map(|(at, _)| case.since_called(at));
            let end = DEADLINE.max(last.unwrap_or_default());
            case.page.took <= end + SLACK + 2 * case.lateness
        },
    ),
];

/// The names of sums that `budgets` reads.
pub const SCARCE: &str = "requests under a scarce budget";
pub const SCARCE_RETRIES: &str = "retries under a scarce budget";
pub const AMPLE_EARNED: &str = "requests that earned for an ample budget";
pub const AMPLE_RETRIES: &str = "retries under an ample budget";

/// The least number of different outcomes.
const OUTCOMES: usize = 18;

/// All counts of a run.
#[derive(Default)]
pub struct Books {
    pub outcomes: BTreeMap<String, usize>,
    pub manners: BTreeMap<String, usize>,
    pub sums: BTreeMap<&'static str, usize>,
    /// The requests that broke each rule.
    pub broken: Vec<(&'static str, Vec<usize>)>,
    pub longest: Duration,
    pub lateness: Duration,
}

impl Books {
    /// Checks and counts all pages.
    pub fn close(plan: &Plan, ledger: &Ledger) -> Self {
        let mut books = Self {
            broken: RULES.map(|(rule, _)| (rule, Vec::new())).into(),
            lateness: *ledger.lateness(),
            ..Self::default()
        };
        for (manner, count) in ledger.manners().iter() {
            books.manners.insert(format!("{manner:?}"), *count);
        }
        let started = accounts::started(plan, ledger);
        for id in 0..ledger.requests() {
            let order = plan.order(id);
            let page = &ledger.page(id);
            let case = Case {
                plan,
                started: order.account.map_or(&[], |account| &started[account]),
                order,
                page,
                outcome: page.outcome.as_ref().expect("every request ended"),
                lateness: books.lateness,
            };
            books.add(&case);
        }
        books.sums.insert("holds", ledger.held.load(Relaxed));
        books
    }

    /// Counts one request and checks its rules.
    fn add(&mut self, case: &Case<'_>) {
        *self.outcomes.entry(case.outcome.name()).or_default() += 1;
        let page = case.page;
        let executed = page.executed.len();
        let resent = page.sent.len().saturating_sub(1);
        let is_success = matches!(case.outcome, Outcome::Success { .. });
        let is_two = matches!(case.order.door, Door::Two(_));
        let is_thrifty = case.order.setting.is_thrifty;
        let (last, all) = (1..case.last(), 1..=case.last());
        let paced = last
            .clone()
            .filter(|&attempt| case.is_paced(attempt))
            .count();
        let is_never_sent = case.was_never_sent();
        let refused = all.filter(|&attempt| case.is_refused(attempt)).count();
        let (after_refusals, after_losses, after_429s) = (
            last.clone()
                .filter(|&attempt| case.is_unsent(attempt))
                .count(),
            last.clone()
                .filter(|&attempt| case.is_lost(attempt))
                .count(),
            last.filter(|&attempt| case.status(attempt) == Some(429))
                .count(),
        );
        let of_post = usize::from(case.is_post());
        let sums = [
            ("attempts sent", page.sent.len()),
            (
                "attempts sent over HTTP/2",
                page.sent.len() * usize::from(is_two),
            ),
            ("attempts arrived", page.arrived.len()),
            ("executions", executed),
            ("executions of a POST", executed * of_post),
            ("executed more than once", usize::from(executed > 1)),
            (
                "executed, and no success",
                usize::from(executed > 0 && !is_success),
            ),
            ("attempts refused", refused),
            (
                "errors that say not applied",
                usize::from(!case.error_fits(|report| report.applied)),
            ),
            ("retries", resent),
            ("retries after a refusal", after_refusals),
            ("retries after a lost response", after_losses),
            (
                "retries of a POST after a refusal",
                after_refusals * of_post,
            ),
            ("retries of a POST after a 429", after_429s * of_post),
            (SCARCE, usize::from(is_thrifty)),
            ("retries that a cool-down paced", paced),
            ("requests that were never sent", usize::from(is_never_sent)),
            (SCARCE_RETRIES, (resent - paced) * usize::from(is_thrifty)),
            (AMPLE_EARNED, usize::from(!is_thrifty && case.earns())),
            (AMPLE_RETRIES, (resent - paced) * usize::from(!is_thrifty)),
        ];
        for (name, count) in sums {
            *self.sums.entry(name).or_default() += count;
        }
        for ((rule, keeps), (_, broken)) in RULES.iter().zip(&mut self.broken) {
            if !keeps(case) {
                if broken.is_empty() {
                    println!("broken: {rule}:\n{case:?}");
                }
                broken.push(case.order.id);
            }
        }
        self.longest = self.longest.max(page.took);
    }

    /// Returns planned events that never happened: an untested rule proves nothing.
    pub fn gaps(&self) -> impl Iterator<Item = String> {
        let manners = (self.manners.len(), 18, "manners");
        let outcomes = (self.outcomes.len(), OUTCOMES, "outcomes");
        let short = [manners, outcomes].into_iter();
        let short = short.filter(|(count, all, _)| count < all);
        let short = short.map(|(count, all, name)| format!("{count} {name} of {all} were met"));
        let never = self.sums.iter().filter(|(_, sum)| **sum == 0);
        short.chain(never.map(|(name, _)| format!("no {name}")))
    }

    /// Returns the broken rules.
    pub fn failures(&self) -> impl Iterator<Item = &'static str> {
        let broken = self.broken.iter().filter(|(_, ids)| !ids.is_empty());
        broken.map(|(rule, _)| *rule)
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, "outcomes", &self.outcomes)?;
        table(f, "how attempts that arrived were treated", &self.manners)?;
        table(f, "sums", &self.sums)?;
        writeln!(f, "broken rules:")?;
        for (rule, ids) in &self.broken {
            let some = &ids[..ids.len().min(5)];
            writeln!(f, "  {:>7}  {rule} {some:?}", ids.len())?;
        }
        let (longest, lateness) = (self.longest, self.lateness);
        writeln!(
            f,
            "longest: {longest:?}, the machine late by at most {lateness:?}"
        )
    }
}

/// Writes one line for each name.
fn table(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    rows: &BTreeMap<impl AsRef<str>, usize>,
) -> fmt::Result {
    writeln!(f, "{title}:")?;
    for (name, count) in rows {
        writeln!(f, "  {count:>7}  {}", name.as_ref())?;
    }
    Ok(())
}
