//! The books: what must hold of every request, and the sums.

use std::{collections::BTreeMap, fmt, sync::atomic::Ordering::Relaxed, time::Duration};

use revio_status::StopReason;

use super::{
    accounts,
    caller::DEADLINE,
    case::Case,
    ledger::{Ledger, Outcome},
    plan::{Door, Manner, Plan, When},
};

/// Beside what the machine was seen to be late by.
const SLACK: Duration = Duration::from_millis(500);

/// A rule's words, and whether a request keeps it.
type Rule = (&'static str, fn(&Case<'_>) -> bool);

const RULES: [Rule; 25] = [
    ("every request has an outcome", |case| {
        !matches!(case.outcome, Outcome::Hung)
    }),
    ("a POST is sent again only if nothing came of it", |case| {
        (1..case.last()).all(|attempt| case.resend(attempt))
    }),
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
    ("each attempt that was answered arrived", |case| {
        let is_answered = |attempt: &_| case.status(*attempt).is_some();
        let mut answered = (1..=case.last()).filter(is_answered);
        answered.all(|attempt| case.arrived(attempt))
    }),
    (
        "what is reported as success was executed",
        |case| match case.outcome {
            Outcome::Success { attempt } => case.executed(*attempt),
            _ => true,
        },
    ),
    ("what is called not applied was not executed", |case| {
        case.told(|told| told.applied || case.page.executed.is_empty())
    }),
    ("each execution has the whole upload", |case| {
        let mut executed = case.page.executed.iter();
        executed.all(|execution| execution.is_whole)
    }),
    ("an upload that breaks is not executed", |case| {
        !case.order.upload.breaks || case.page.executed.is_empty()
    }),
    ("the outcome is the last attempt's", |case| case.is_honest()),
    ("may_have_been_applied looks at all attempts", |case| {
        case.told(|told| told.applied == case.may_be_applied_by(case.last()))
    }),
    ("what is called unsent did not arrive", |case| {
        case.told_unsent().all(|attempt| !case.arrived(attempt))
    }),
    (
        "what could not connect is called unsent, and no other",
        |case| case.told(|told| told.is_unsent == case.is_unsent(case.last())),
    ),
    ("connections are refused by the plan", |case| {
        (1..=case.last()).all(|attempt| case.connects_by_plan(attempt))
    }),
    (
        "the attempts before the last are told as they were",
        |case| case.remembers(),
    ),
    ("attempts are counted", |case| match case.outcome {
        Outcome::Success { attempt } | Outcome::Broken { attempt } => *attempt == case.last(),
        _ => case.told(|told| told.attempts == case.last()),
    }),
    ("what no setting names is not sent again", |case| {
        let mut resent = 1..case.last();
        resent.len() <= 2 && resent.all(|attempt| case.is_retryable(attempt) != Some(false))
    }),
    ("nothing is sent before Retry-After", |case| {
        (1..case.last()).all(|attempt| case.pause(attempt) >= case.asked(attempt))
    }),
    ("Retry-After is read as it was written", |case| {
        case.answered(|told, act| match told.reason {
            // Or the account's, if that is longer.
            StopReason::CoolingDown => told.retry_after >= act.wait.asked(),
            _ => told.retry_after == act.wait.asked(),
        })
    }),
    ("a body that is cut is called cut, and no other", |case| {
        let is_sure = case.order.door == Door::One && case.page.took < DEADLINE;
        case.answered(|told, act| match (act.manner, act.when) {
            (Manner::CutBody | Manner::ResetBody | Manner::Hang | Manner::Endless, _) => {
                told.is_truncated
            }
            (Manner::Plain, When::Late) if is_sure => !told.is_truncated,
            _ => true,
        })
    }),
    ("nothing is sent while its account is to be quiet", |case| {
        case.keeps_quiet()
    }),
    ("what is refused never left", |case| {
        let never = case.page.arrived.is_empty() && case.page.executed.is_empty();
        case.told(|told| told.attempts > 0 || case.was_never_sent() && never && !told.applied)
    }),
    ("the stop reason is true", |case| {
        case.told(|told| case.has_true_reason(told))
    }),
    ("nothing is sent again after the deadline", |case| {
        let mut resent = case.page.sent.iter().skip(1);
        resent.all(|sent| case.since_called(sent.at) < DEADLINE + case.lateness)
    }),
    (
        "nothing outlasts its deadline and its last answer",
        |case| {
            let last = case.page.sent.last().and_then(|sent| sent.answer);
            let last = last.map(|(at, _)| case.since_called(at));
            let end = DEADLINE.max(last.unwrap_or_default());
            case.page.took <= end + SLACK + 2 * case.lateness
        },
    ),
];

/// Sums that are looked at.
pub const SCARCE: &str = "requests under a scarce budget";
pub const SCARCE_RETRIES: &str = "retries under a scarce budget";
pub const AMPLE_EARNED: &str = "requests that earned for an ample budget";
pub const AMPLE_RETRIES: &str = "retries under an ample budget";

/// What can become of a request, at least.
const OUTCOMES: usize = 18;

/// Everything that is worth counting.
#[derive(Default)]
pub struct Books {
    pub outcomes: BTreeMap<String, usize>,
    pub manners: BTreeMap<String, usize>,
    pub sums: BTreeMap<&'static str, usize>,
    /// By rule: the requests that broke it.
    pub broken: Vec<(&'static str, Vec<usize>)>,
    pub longest: Duration,
    pub lateness: Duration,
}

impl Books {
    /// Goes through all pages.
    pub fn close(plan: &Plan, ledger: &Ledger) -> Self {
        let mut books = Self {
            broken: RULES.map(|(words, _)| (words, Vec::new())).into(),
            lateness: *ledger.lateness(),
            ..Self::default()
        };
        for (manner, count) in ledger.manners().iter() {
            books.manners.insert(format!("{manner:?}"), *count);
        }
        let armed = accounts::armed(plan, ledger);
        for id in 0..ledger.requests() {
            let order = plan.order(id);
            let page = &ledger.page(id);
            let case = Case {
                plan,
                armed: order.account.map_or(&[], |account| &armed[account]),
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

    /// Enters one request.
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
                usize::from(!case.told(|told| told.applied)),
            ),
            ("retries", resent),
            ("retries after a refusal", after_refusals),
            ("retries after a lost answer", after_losses),
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
        for ((words, keeps), (_, broken)) in RULES.iter().zip(&mut self.broken) {
            if !keeps(case) {
                if broken.is_empty() {
                    println!("{words}: not here:\n{case:?}");
                }
                broken.push(case.order.id);
            }
        }
        self.longest = self.longest.max(page.took);
    }

    /// What was to happen and never did: rules that nobody tried prove nothing.
    pub fn gaps(&self) -> impl Iterator<Item = String> {
        let manners = (self.manners.len(), 18, "manners");
        let outcomes = (self.outcomes.len(), OUTCOMES, "outcomes");
        let short = [manners, outcomes].into_iter();
        let short = short.filter(|(count, all, _)| count < all);
        let short = short.map(|(count, all, name)| format!("{count} {name} of {all} were met"));
        let never = self.sums.iter().filter(|(_, sum)| **sum == 0);
        short.chain(never.map(|(name, _)| format!("no {name}")))
    }

    /// The rules that were broken.
    pub fn failures(&self) -> impl Iterator<Item = &'static str> {
        let broken = self.broken.iter().filter(|(_, ids)| !ids.is_empty());
        broken.map(|(words, _)| *words)
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, "outcomes", &self.outcomes)?;
        table(f, "how attempts that arrived were treated", &self.manners)?;
        table(f, "sums", &self.sums)?;
        writeln!(f, "broken rules:")?;
        for (words, ids) in &self.broken {
            let some = &ids[..ids.len().min(5)];
            writeln!(f, "  {:>7}  {words} {some:?}", ids.len())?;
        }
        let (longest, lateness) = (self.longest, self.lateness);
        writeln!(
            f,
            "longest: {longest:?}, the machine late by at most {lateness:?}"
        )
    }
}

/// One line for each name.
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
