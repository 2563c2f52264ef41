//! Checks the result that the caller gets.

use http::{Response, StatusCode};
use revio_status::{Error, ResendCount, StatusError, StatusKind, StopReason};

use super::{
    cooldown::whole_micros,
    drive::RETRY,
    model::Judge,
    service::Mark,
    upload::{Broken, Script},
};

impl Judge<'_> {
    /// Returns the balance that the budget must have now.
    pub fn finish(&mut self, result: &Result<Response<Script>, Error>) -> u64 {
        match result {
            Ok(response) => self.good(response),
            Err(Error::Status(error)) => self.failed(error),
            Err(error @ Error::Service(cause)) => {
                let is_unready = self.plan.as_ref().is_some_and(|plan| plan.is_unready());
                assert!(self.is_broken || is_unready, "an error without a cause");
                assert!(cause.get_ref().is::<Broken>());
                assert_eq!(cause.is_unsent(), is_unready);
                assert_eq!(error.may_have_been_applied(), self.applied || !is_unready);
                assert_eq!(error.attempts(), self.attempts);
            }
        }
        let is_given_up = match result {
            Ok(_) => false,
            Err(Error::Status(error)) => error.stop_reason() != StopReason::NotRetryable,
            // An error without a response is final; a lost resend is reported.
            Err(Error::Service(_)) => self.attempts > u32::from(self.is_broken),
        };
        assert_eq!(self.given_up, u32::from(is_given_up), "the event GivenUp");
        self.balance
    }

    fn good(&mut self, response: &Response<Script>) {
        assert_eq!(Some(response.status()), self.good, "another response");
        let script = self.job.script(self.attempts);
        assert_eq!(*response.headers(), script.wait.headers());
        let extensions = response.extensions();
        assert_eq!(
            extensions.get(),
            Some(&Mark(response.status().as_u16().into()))
        );
        let resends = (self.attempts > 1).then_some(ResendCount(self.attempts - 1));
        assert_eq!(extensions.get(), resends.as_ref());
        self.deposit();
    }

    /// Checks the error of a request that was never sent.
    fn refused(&mut self, error: &StatusError) {
        let (until, status) = self.held_by.expect("refused without a cool-down");
        assert_eq!(error.status(), status);
        assert_eq!(error.kind(), kind(status, true));
        assert_eq!(error.attempts(), 0);
        assert!(!error.may_have_been_applied() && error.body().is_empty());
        let left = whole_micros(until.saturating_sub(self.now));
        assert_eq!(error.retry_after(), Some(left));
        let seconds = left.as_nanos().div_ceil(1_000_000_000).to_string();
        assert_eq!(error.headers().len(), 1);
        assert_eq!(error.headers()["retry-after"], *seconds);
    }

    fn failed(&mut self, error: &StatusError) {
        assert!(
            !self.is_broken && self.good.is_none(),
            "a failure without a cause"
        );
        self.stopped(error.stop_reason());
        if self.attempts == 0 {
            return self.refused(error);
        }
        let failure = self.failure.as_ref().expect("a failure");
        let script = self.job.script(self.attempts);
        let wait = script.wait.get();
        assert_eq!(error.status(), failure.status);
        assert_eq!(error.kind(), kind(failure.status, wait.is_some()));
        assert_eq!(*error.headers(), script.wait.headers());
        assert_eq!(*error.body(), failure.body);
        assert_eq!(error.is_body_truncated(), failure.is_truncated);
        let remaining = self.cooling_down().map(|(left, _)| whole_micros(left));
        let is_refused = error.stop_reason() == StopReason::CoolingDown;
        assert_eq!(
            error.retry_after(),
            wait.max(remaining.filter(|_| is_refused))
        );
        assert_eq!(error.attempts(), self.attempts);
        assert_eq!(error.may_have_been_applied(), self.applied);
    }

    fn stopped(&mut self, reason: StopReason) {
        if self.plan.is_some() && reason == StopReason::CoolingDown {
            let (left, _) = self.cooling_down().expect("refused without a cool-down");
            assert!(self.spread(left).is_none(), "refused, and not held");
            self.held_by = self.cooldown.active;
            return;
        }
        if self.plan.is_some() {
            assert_eq!(reason, StopReason::DeadlineExceeded, "a retry was planned");
            assert!(self.is_late_at_end, "given up before the deadline");
            return;
        }
        let failure = self.failure.as_ref().expect("a failure");
        let verdict = failure.verdict.as_ref().expect("a verdict");
        assert!(
            verdict.stop.contains(&reason),
            "{reason} instead of {verdict:?}"
        );
        if reason == StopReason::NotRetryable {
            self.deposit();
        }
    }

    fn deposit(&mut self) {
        if let Some((reserve, ratio)) = self.settings.budget {
            let full = RETRY * u64::from(reserve.get());
            self.balance = (self.balance + ratio.millionths()).min(full);
        }
    }
}

/// The table of statuses, written again.
fn kind(status: StatusCode, waits: bool) -> StatusKind {
    match (status.as_u16(), waits) {
        (400, _) => StatusKind::BadRequest,
        (401, _) => StatusKind::Unauthorized,
        (403, false) => StatusKind::Forbidden,
        (403, true) => StatusKind::QuotaExceeded,
        (404, _) => StatusKind::NotFound,
        (405, _) => StatusKind::MethodNotAllowed,
        (429, _) => StatusKind::TooManyRequests,
        (402..=499, _) => StatusKind::OtherClientError,
        (500, _) => StatusKind::InternalServerError,
        (501, _) => StatusKind::NotImplemented,
        (503, _) => StatusKind::ServiceUnavailable,
        (504, _) => StatusKind::GatewayTimeout,
        _ => StatusKind::OtherServerError,
    }
}
