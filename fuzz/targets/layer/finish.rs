//! What the caller must get in the end.

use http::{Response, StatusCode};
use revio_status::{Error, ResendCount, StatusError, StatusKind, StopReason};

use super::{
    drive::RETRY,
    model::Judge,
    quiet::whole_micros,
    service::Mark,
    upload::{Broken, Script},
    world::Step,
};

impl Judge<'_> {
    /// Returns what must be in the budget now.
    pub fn finish(&mut self, result: &Result<Response<Script>, Error>) -> u64 {
        match result {
            Ok(response) => self.good(response),
            Err(Error::Status(error)) => self.failed(error),
            Err(error @ Error::Service(cause)) => {
                let is_unready = self.plan.as_ref().is_some_and(|plan| plan.is_unready());
                assert!(self.is_broken || is_unready, "an error out of nothing");
                assert!(cause.get_ref().is::<Broken>());
                assert_eq!(cause.is_unsent(), is_unready);
                assert_eq!(error.may_have_been_applied(), self.applied || !is_unready);
                assert_eq!(error.attempts(), self.attempts);
            }
        }
        self.balance
    }

    fn good(&mut self, response: &Response<Script>) {
        assert_eq!(Some(response.status()), self.good, "another response");
        let answer = self.job.answer(self.attempts);
        assert_eq!(*response.headers(), answer.wait.headers());
        let extensions = response.extensions();
        assert_eq!(
            extensions.get(),
            Some(&Mark(response.status().as_u16().into()))
        );
        let resends = (self.attempts > 1).then_some(ResendCount(self.attempts - 1));
        assert_eq!(extensions.get(), resends.as_ref());
        self.deposit();
    }

    /// It was never sent.
    fn refused(&mut self, error: &StatusError) {
        let (until, status) = self.heeded.expect("refused for nothing");
        assert_eq!(error.status(), status);
        assert_eq!(error.kind(), kind(status, true));
        assert_eq!(error.attempts(), 0);
        assert!(!error.may_have_been_applied() && error.body().is_empty());
        let left = whole_micros(self.rest(until));
        assert_eq!(error.retry_after(), Some(left));
        let seconds = left.as_nanos().div_ceil(1_000_000_000).to_string();
        assert_eq!(error.headers().len(), 1);
        assert_eq!(error.headers()["retry-after"], *seconds);
    }

    fn failed(&mut self, error: &StatusError) {
        assert!(
            !self.is_broken && self.good.is_none(),
            "a failure out of nothing"
        );
        self.stopped(error.stop_reason());
        if self.attempts == 0 {
            return self.refused(error);
        }
        let failure = self.failure.as_ref().expect("a failure");
        let answer = self.job.answer(self.attempts);
        let wait = answer.wait.get();
        assert_eq!(error.status(), failure.status);
        assert_eq!(error.kind(), kind(failure.status, wait.is_some()));
        assert_eq!(*error.headers(), answer.wait.headers());
        assert_eq!(*error.body(), failure.body);
        assert_eq!(error.is_body_truncated(), failure.is_truncated);
        let quiet = self.quiet().map(|(rest, _)| whole_micros(rest));
        let is_refused = error.stop_reason() == StopReason::CoolingDown;
        assert_eq!(error.retry_after(), wait.max(quiet.filter(|_| is_refused)));
        assert_eq!(error.attempts(), self.attempts);
        assert_eq!(error.may_have_been_applied(), self.applied);
    }

    fn stopped(&mut self, reason: StopReason) {
        if self.plan.is_some() && reason == StopReason::CoolingDown {
            let (rest, _) = self.quiet().expect("refused for nothing");
            assert!(self.spread(rest).is_none(), "refused, and not held");
            self.heeded = self.armed;
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

impl super::model::Plan {
    fn is_unready(&self) -> bool {
        self.ready().is_some_and(|step| *step == Step::Fail)
    }
}

/// The table of statuses, once more.
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
