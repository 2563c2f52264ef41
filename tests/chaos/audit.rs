//! The books: what must hold of every request, and the sums.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use http::Method;
use revio_status::StopReason;

use super::{
    caller::{DEADLINE, PAUSE},
    ledger::{Answer, Ledger, Outcome, Page, Told},
    plan::{Door, Manner, Order, Plan, REPLAY_LIMIT, When, may_execute},
};

/// Beside what the machine was seen to be late by.
const SLACK: Duration = Duration::from_millis(500);

/// One request with all that is known about it.
#[derive(Debug)]
struct Case<'a> {
    plan: &'a Plan,
    order: Order,
    page: &'a Page,
    outcome: Outcome,
    lateness: Duration,
}

/// A rule's words, and whether a request keeps it.
type Rule = (&'static str, fn(&Case<'_>) -> bool);

const RULES: [Rule; 18] = [
    ("every request has an outcome", |case| {
        !matches!(case.outcome, Outcome::Hung)
    }),
    ("a POST is sent once", |case| {
        !case.is_post() || case.page.sent.len() <= 1
    }),
    ("a POST is executed at most once", |case| {
        !case.is_post() || case.page.executed.len() <= 1
    }),
    ("no attempt arrives twice, or unsent", |case| {
        let arrived = &case.page.arrived;
        let sent = 1..=case.page.sent.len() as u32;
        let count = |attempt| arrived.iter().filter(|&&one| one == attempt).count();
        arrived
            .iter()
            .all(|&one| sent.contains(&one) && count(one) == 1)
    }),
    (
        "what is reported as success was executed",
        |case| match case.outcome {
            Outcome::Success { attempt } => case.executed(attempt),
            _ => true,
        },
    ),
    ("what was executed is a success or may be one", |case| {
        case.page.executed.is_empty()
            || !matches!(case.outcome, Outcome::Status(told) if !told.applied)
    }),
    ("each execution has the whole upload", |case| {
        case.page
            .executed
            .iter()
            .all(|execution| execution.is_whole)
    }),
    ("an upload that breaks is not executed", |case| {
        !case.order.upload.breaks || case.page.executed.is_empty()
    }),
    ("the outcome is the last attempt's", |case| case.is_honest()),
    (
        "may_have_been_applied looks at all attempts",
        |case| match case.outcome {
            Outcome::Status(told) => told.applied == case.statuses().any(may_execute),
            Outcome::Service { applied } => applied || case.page.executed.is_empty(),
            _ => true,
        },
    ),
    ("attempts are counted", |case| match case.outcome {
        Outcome::Success { attempt: told }
        | Outcome::Broken { attempt: told }
        | Outcome::Status(Told { attempts: told, .. }) => told as usize == case.page.sent.len(),
        _ => true,
    }),
    ("only 503 and 504 are sent again, twice at most", |case| {
        let resends = case.page.sent.len() - 1;
        let mut again = case.page.sent[..resends].iter();
        resends <= 2
            && again.all(|sent| matches!(sent.answer, Some((_, Answer::Status(503 | 504)))))
    }),
    ("nothing is sent before Retry-After", |case| {
        case.is_patient()
    }),
    ("Retry-After is read as it was written", |case| {
        case.told(|told, act| told.retry_after == act.wait.asked())
    }),
    ("a body that is cut is called cut, and no other", |case| {
        let is_sure = case.order.door == Door::One && case.page.took < DEADLINE;
        case.told(|told, act| match (act.manner, act.when) {
            (Manner::CutBody | Manner::ResetBody | Manner::Hang | Manner::Endless, _) => {
                told.is_truncated
            }
            (Manner::Plain, When::Late) if is_sure => !told.is_truncated,
            _ => true,
        })
    }),
    ("the stop reason is true", |case| case.has_true_reason()),
    ("nothing is sent again after the deadline", |case| {
        let mut resent = case.page.sent.iter().skip(1);
        resent.all(|sent| case.since_first(sent.at) < DEADLINE + case.lateness)
    }),
    (
        "nothing outlasts its deadline and its last answer",
        |case| {
            let last = case.page.sent.last().and_then(|sent| sent.answer);
            let last = last.map(|(at, _)| case.since_first(at));
            let end = DEADLINE.max(last.unwrap_or_default());
            case.page.took <= end + SLACK + 2 * case.lateness
        },
    ),
];

impl Case<'_> {
    /// What must never happen twice.
    fn is_post(&self) -> bool {
        self.order.method == Method::POST
    }

    /// The time from the first attempt to then.
    fn since_first(&self, then: Instant) -> Duration {
        then - self.page.sent[0].at
    }

    /// Whether this attempt had its effect.
    fn executed(&self, attempt: u32) -> bool {
        let mut executed = self.page.executed.iter();
        executed.any(|execution| execution.attempt == attempt)
    }

    /// Of all attempts that were answered.
    fn statuses(&self) -> impl Iterator<Item = u16> {
        let answers = self.page.sent.iter().filter_map(|sent| sent.answer);
        answers.filter_map(|(_, answer)| match answer {
            Answer::Status(status) => Some(status),
            Answer::Error => None,
        })
    }

    /// Answered, and not in the end by a retryable failure.
    fn earns(&self) -> bool {
        match self.outcome {
            Outcome::Success { .. } | Outcome::Broken { .. } | Outcome::Hung => true,
            Outcome::Status(told) => told.reason == StopReason::NotRetryable,
            Outcome::Service { .. } | Outcome::Cancelled => false,
        }
    }

    /// The caller was told what the layer was told.
    fn is_honest(&self) -> bool {
        let last = self.page.sent.last().and_then(|sent| sent.answer);
        match (self.outcome, last.map(|(_, answer)| answer)) {
            (Outcome::Cancelled | Outcome::Hung, _) => true,
            (Outcome::Service { .. }, Some(Answer::Error)) => true,
            (Outcome::Status(told), Some(Answer::Status(status))) => told.status == status,
            (Outcome::Success { .. } | Outcome::Broken { .. }, Some(Answer::Status(status))) => {
                status < 400
            }
            _ => false,
        }
    }

    /// Each pause is as long as the answer before it asked for.
    fn is_patient(&self) -> bool {
        self.page.sent.windows(2).zip(1..).all(|(pair, attempt)| {
            let act = self.plan.act(&self.order, attempt);
            let asked = act.wait.asked().unwrap_or_default();
            pair[0]
                .answer
                .is_some_and(|(at, _)| pair[1].at - at >= asked)
        })
    }

    /// Whether what the error says fits what the server did; true where there is no such error.
    fn told(&self, fits: impl Fn(Told, super::plan::Act) -> bool) -> bool {
        match self.outcome {
            Outcome::Status(told) => {
                let act = self.plan.act(&self.order, told.attempts);
                told.status == act.status && fits(told, act)
            }
            _ => true,
        }
    }

    /// The stop reason fits what is known.
    fn has_true_reason(&self) -> bool {
        let upload = &self.order.upload;
        let Outcome::Status(told) = self.outcome else {
            return true;
        };
        let is_retryable = matches!(told.status, 503 | 504);
        let is_short = told.retry_after.unwrap_or_default() <= Duration::from_secs(30);
        // The questions before the deadline, the body and the budget were answered yes.
        let is_open = is_retryable && !self.is_post() && told.attempts < 3 && is_short;
        match told.reason {
            StopReason::NotRetryable => !is_retryable,
            StopReason::NotIdempotent => is_retryable && self.is_post(),
            StopReason::AttemptsExhausted => is_retryable && told.attempts == 3,
            StopReason::RetryAfterTooLong => is_retryable && told.attempts < 3 && !is_short,
            // The longest pause that may have been meant would have ended at it, or after.
            StopReason::DeadlineExceeded => {
                let pause = PAUSE.saturating_add(told.retry_after.unwrap_or_default());
                is_open && self.page.took.saturating_add(pause) >= DEADLINE
            }
            StopReason::BodyNotReplayable => {
                is_open && (upload.breaks || upload.bytes.len() > REPLAY_LIMIT)
            }
            StopReason::BudgetExhausted => is_open && self.order.is_thrifty,
            _ => false,
        }
    }
}

/// Sums that are looked at.
pub const SCARCE: &str = "requests under a scarce budget";
pub const SCARCE_RETRIES: &str = "retries under a scarce budget";
pub const AMPLE_EARNED: &str = "requests that earned for an ample budget";
pub const AMPLE_RETRIES: &str = "retries under an ample budget";

/// Everything that is worth counting.
#[derive(Default)]
pub struct Books {
    pub outcomes: BTreeMap<&'static str, usize>,
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
        for id in 0..ledger.requests() {
            let page = &ledger.page(id);
            let case = Case {
                plan,
                order: plan.order(id),
                page,
                outcome: page.outcome.expect("every request ended"),
                lateness: books.lateness,
            };
            books.add(&case);
        }
        books
    }

    /// Enters one request.
    fn add(&mut self, case: &Case<'_>) {
        *self.outcomes.entry(case.outcome.name()).or_default() += 1;
        let page = case.page;
        let executed = page.executed.len();
        let resent = page.sent.len() - 1;
        let is_success = matches!(case.outcome, Outcome::Success { .. });
        let is_two = matches!(case.order.door, Door::Two(_));
        let is_thrifty = case.order.is_thrifty;
        let sums = [
            ("attempts sent", page.sent.len()),
            (
                "attempts sent over HTTP/2",
                page.sent.len() * usize::from(is_two),
            ),
            ("attempts arrived", page.arrived.len()),
            ("executions", executed),
            (
                "executions of a POST",
                executed * usize::from(case.is_post()),
            ),
            ("executed more than once", usize::from(executed > 1)),
            (
                "executed, and no success",
                usize::from(executed > 0 && !is_success),
            ),
            ("retries", resent),
            (SCARCE, usize::from(is_thrifty)),
            (SCARCE_RETRIES, resent * usize::from(is_thrifty)),
            (AMPLE_EARNED, usize::from(!is_thrifty && case.earns())),
            (AMPLE_RETRIES, resent * usize::from(!is_thrifty)),
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
        let manners = [(self.manners.len(), 18, "manners")];
        let outcomes = [(self.outcomes.len(), 11, "outcomes")];
        let short = manners.into_iter().chain(outcomes);
        let short = short.filter(|(count, all, _)| count < all);
        short.map(|(count, all, name)| format!("{count} {name} of {all} were met"))
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
