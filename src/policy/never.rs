//! The policy that only gives typed errors.

use std::time::Duration;

use http::{StatusCode, request};

use super::{Attempt, Decision, Resend, RetryPolicy};
use crate::failure::StopReason;

/// A policy for typed errors alone: nothing is kept, retried or held, and no cool-down is started.
///
/// [`RevioStatusLayer::never_retry`](crate::RevioStatusLayer::never_retry) sets it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NeverRetry;

impl RetryPolicy for NeverRetry {
    fn is_retryable(&self, _: StatusCode) -> bool {
        false
    }

    fn resend(&self, _: &request::Parts) -> Resend {
        Resend::Never
    }

    fn decide(&self, _: &Attempt<'_>) -> Decision {
        Decision::Stop(StopReason::NotRetryable)
    }

    fn cools_down(&self, _: StatusCode) -> bool {
        false
    }

    fn max_hold(&self) -> Option<Duration> {
        None
    }

    fn attempt_limit(&self, _: &request::Parts) -> u32 {
        1
    }
}
