//! Metrics of the layer for Prometheus, through the `metrics` facade: one file, to be copied.

use std::time::Duration;

use http::{HeaderValue, Response, header::CONTENT_TYPE};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use revio_status::{Budget, Event};

const ATTEMPTS: &str = "revio_attempts_total";
const RETRIES: &str = "revio_retries_total";
const DELAY: &str = "revio_retry_delay_seconds";
const GIVEN_UP: &str = "revio_given_up_total";
const HOLDS: &str = "revio_holds_total";
const COOLDOWNS: &str = "revio_cooldowns_total";
const REFUSED: &str = "revio_refused_total";
const BUDGET: &str = "revio_budget_available_retries";

/// Counts an event: for the layer's `on_event`.
pub fn record(event: &Event<'_>) {
    match event {
        Event::RetryScheduled { attempt, after, .. } => {
            let status = attempt.status();
            let status = match &status {
                Some(status) => status.as_str(),
                None if attempt.is_unsent() => "unsent",
                None => "no_response",
            };
            counter!(RETRIES, "status" => status.to_owned()).increment(1);
            histogram!(DELAY).record(*after);
        }
        Event::GivenUp { error, .. } => {
            if error.attempts() == 0 {
                counter!(REFUSED).increment(1);
            }
            let reason = error.stop_reason().to_string();
            counter!(GIVEN_UP, "stop_reason" => reason).increment(1);
        }
        Event::Held { .. } => counter!(HOLDS).increment(1),
        Event::CooldownStarted { status, .. } => {
            counter!(COOLDOWNS, "status" => status.as_str().to_owned()).increment(1);
        }
        _ => {} // future events
    }
}

/// Counts an attempt: for `map_request(attempt)`, right below the layer.
pub fn attempt<R>(request: R) -> R {
    counter!(ATTEMPTS).increment(1);
    request
}

/// The page that Prometheus scrapes.
#[derive(Clone)]
pub struct Page {
    handle: PrometheusHandle,
    budget: Budget,
}

impl Page {
    /// Installs the process's recorder, and a task that keeps its memory small.
    ///
    /// # Errors
    ///
    /// If the process already has a recorder.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn install(budget: Budget) -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(
                Matcher::Full(DELAY.into()),
                &[0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0],
            )?
            .install_recorder()?;
        describe_counter!(ATTEMPTS, "Attempts, first attempts included.");
        describe_counter!(RETRIES, "Retries, by the outcome of the attempt before.");
        describe_histogram!(DELAY, "Delays before retries.");
        describe_counter!(GIVEN_UP, "Requests given up, or refused.");
        describe_counter!(COOLDOWNS, "Cool-downs started or extended.");
        describe_counter!(HOLDS, "Requests and resends held by a cool-down.");
        describe_counter!(REFUSED, "Requests refused by a cool-down.");
        describe_gauge!(BUDGET, "Retries left in the budget.");
        // Without upkeep the histogram stores each delay until the next scrape.
        let upkeep = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { handle, budget })
    }

    /// Returns the page, with the budget as it is now.
    pub fn response(&self) -> Response<String> {
        gauge!(BUDGET).set(self.budget.available());
        let mut response = Response::new(self.handle.render());
        let text = HeaderValue::from_static("text/plain; version=0.0.4");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    }
}
