//! A failure in one line, and as a number for scripts.

use std::{
    error::Error as StdError,
    time::{Duration, SystemTime},
};

use http::{Method, Response, Uri, header::LOCATION};
use revio_status::{
    BoxError, Error, FailedAttempt, ServiceError, StatusError, StatusKind, StopReason,
};

use super::{account::Account, quiet::Told};

/// How it ended, as [`HELP`](super::args::HELP) lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Unsent = 1,
    Refused = 2,
    NotNow = 3,
    Unknown = 4,
    NoAnswer = 5,
    AnswerLost = 6,
}

/// What one has to know of a request to judge its failure.
#[derive(Clone, Copy)]
pub struct Sent {
    /// There is nothing that it could change.
    is_safe: bool,
    /// Sending it twice does no harm.
    is_repeatable: bool,
}

impl Sent {
    pub fn new(method: &Method, is_declared_idempotent: bool) -> Self {
        Self {
            is_safe: method.is_safe(),
            is_repeatable: is_declared_idempotent || method.is_idempotent(),
        }
    }

    /// What came of a request that may have been applied.
    fn unless_unknown(self, exit: Exit) -> Exit {
        if self.is_repeatable {
            exit
        } else {
            Exit::Unknown
        }
    }

    fn outcome(self, may_have_been_applied: bool) -> &'static str {
        match (may_have_been_applied, self.is_repeatable) {
            (_, _) if self.is_safe => "nothing was to be changed",
            (false, _) => "it was not applied",
            (true, true) => "it may have been applied, and may be repeated without harm",
            (true, false) => "it MAY HAVE BEEN APPLIED: look before you repeat it",
        }
    }
}

pub fn of_error(
    account: &Account,
    sent: Sent,
    told: Option<Told>,
    error: BoxError,
) -> (Exit, String) {
    match Error::from(error) {
        Error::Status(error) => of_status(account, sent, told, &error),
        Error::Service(error) => no_answer(sent, &error),
    }
}

fn of_status(
    account: &Account,
    sent: Sent,
    told: Option<Told>,
    error: &StatusError,
) -> (Exit, String) {
    use StatusKind as Kind;
    let exit = match error.kind() {
        Kind::TooManyRequests | Kind::QuotaExceeded => Exit::NotNow,
        Kind::NotImplemented => Exit::Refused,
        kind if kind.is_client() => Exit::Refused,
        _ => Exit::NotNow,
    };
    let exit = match error.may_have_been_applied() {
        true => sent.unless_unknown(exit),
        false => exit,
    };
    // Many an error page says no more than the status does.
    let reason = error.status().canonical_reason();
    let said = error.message().filter(|said| Some(*said) != reason);
    let said = match said {
        Some(said) => account.redact_message(said), // it is cut off where it is too long
        None => error.kind().explanation().into(),
    };
    let mut facts = vec![
        format!("{}: {said}", error.status()),
        attempts(error.attempts()),
        why(error.stop_reason()).into(),
    ];
    let told = told.filter(|_| error.stop_reason() == StopReason::CoolingDown);
    facts.extend(told.map(|told| format!("because of {told}")));
    facts.extend(error.retry_after().map(when));
    facts.push(sent.outcome(error.may_have_been_applied()).into());
    (exit, facts.join("; "))
}

fn attempts(number: u32) -> String {
    match number {
        0 => "not sent".into(),
        1 => "1 attempt".into(),
        _ => format!("{number} attempts"),
    }
}

fn why(reason: StopReason) -> &'static str {
    match reason {
        StopReason::NotRetryable => "such a status is not retried",
        StopReason::NotIdempotent => "not retried, because twice could be once too often",
        StopReason::BodyNotReplayable => "its body was too long to be kept for a retry",
        StopReason::AttemptsExhausted => "no attempts left",
        StopReason::RetryAfterTooLong => "the server asked for too long a wait",
        StopReason::DeadlineExceeded => "no time left for a retry",
        StopReason::BudgetExhausted => "too many retries of late",
        StopReason::CoolingDown => "the account is asked to be quiet",
        _ => "retries were stopped",
    }
}

fn when(wait: Duration) -> String {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    if wait > YEAR {
        return "come back in more than a year".into();
    }
    let seconds = wait.as_millis().div_ceil(1000);
    let at = httpdate::fmt_http_date(SystemTime::now() + wait + Duration::from_millis(999));
    format!("come back in {seconds} s, at {at}")
}

fn no_answer(sent: Sent, error: &ServiceError) -> (Exit, String) {
    let exit = match error.may_have_been_applied() {
        true => sent.unless_unknown(Exit::NoAnswer),
        false => Exit::NoAnswer,
    };
    let mut facts = vec![format!("no answer: {}", causes(error.get_ref()))];
    let earlier = error.earlier().iter().rev();
    if let Some(status) = earlier.filter_map(FailedAttempt::status).next() {
        facts.push(format!("before that {status}"));
        facts.push(attempts(error.attempts()));
    }
    facts.push(sent.outcome(error.may_have_been_applied()).into());
    (exit, facts.join("; "))
}

/// The layer lets redirects pass. Following them could carry the credentials elsewhere.
pub fn of_redirect<B>(sent: Sent, response: &Response<B>) -> (Exit, String) {
    let location = response.headers().get(LOCATION);
    let target = location.and_then(|value| target(value.to_str().ok()?));
    let target = target.map_or(String::new(), |target| format!(" to {target}"));
    let (status, outcome) = (response.status(), sent.outcome(true));
    let line = format!("{status}{target}: redirects are not followed; {outcome}");
    (sent.unless_unknown(Exit::Refused), line)
}

/// Without user info, query and fragment; nothing of what cannot be taken apart.
fn target(location: &str) -> Option<String> {
    let uri: Uri = location.parse().ok()?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => {
            let host = authority.as_str().rsplit('@').next()?;
            Some(format!("{scheme}://{host}{}", uri.path()))
        }
        (None, None) if !location.starts_with("//") => Some(uri.path().into()),
        _ => None,
    }
}

/// Every error's own words, from the outermost in, each once.
pub fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut words: Vec<String> = chain(error).map(ToString::to_string).collect();
    words.dedup();
    let line = words.join(": ");
    line.replace(char::is_control, " ")
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
