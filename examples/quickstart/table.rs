//! The table of results, and the comparison of each row with its promise.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Response,
    header::{ALLOW, LOCATION},
};
use revio_status::{Error, ResendCount};
use serde_json::Value;

use crate::server::Received;

/// A finished request, as its caller and the server saw it.
pub struct Call {
    /// Method and path.
    pub operation: String,
    pub waited: Duration,
    pub advice: String,
    pub result: Result<Response<Bytes>, Error>,
    pub received: Vec<Received>,
}

impl Call {
    fn attempts(&self) -> u32 {
        match &self.result {
            Ok(response) => 1 + response.extensions().get().map_or(0, |ResendCount(n)| *n),
            Err(Error::Status(e)) => e.attempts(),
            Err(Error::Service(_)) => 1,
        }
    }

    fn outcome(&self) -> String {
        match &self.result {
            Ok(response) => {
                let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
                format!("{}, id {}", response.status(), body["id"])
            }
            Err(Error::Status(e)) => match e.message() {
                Some(message) => format!("{} {message}", e.status().as_str()),
                None => e.status().to_string(),
            },
            Err(Error::Service(e)) => format!("no response: {e}"),
        }
    }

    /// Returns all facts that a promise can name, in one line.
    fn facts(&self) -> String {
        let attempts = self.attempts();
        let ours = |r: &&Received| r.operation == self.operation;
        let received = self.received.iter().filter(ours).count();
        let applied = self.received.iter().filter(|r| r.is_applied).count();

        let mut facts = vec![format!("attempts {attempts}")];
        if received != attempts as usize {
            facts.push(format!("but received {received}"));
        }
        if applied > 0 {
            facts.push(format!("applied {applied}"));
        }
        match &self.result {
            Ok(response) => facts.extend(header(response.headers(), LOCATION)),
            Err(Error::Status(e)) => {
                facts.push(format!("{}, {}", e.kind(), e.stop_reason()));
                if e.may_have_been_applied() {
                    facts.push("may have been applied".into());
                }
                if let Some(wait) = e.retry_after() {
                    let seconds = wait.as_millis().div_ceil(1000);
                    facts.push(format!("retry after {seconds}s"));
                }
                facts.extend(header(e.headers(), ALLOW));
            }
            Err(Error::Service(_)) => {}
        }
        format!("{}: {}", facts.join(", "), self.outcome())
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(&name)?.to_str().ok()?;
    Some(format!("{name} {value}"))
}

/// Prints a row per request, and collects broken promises.
pub struct Table {
    began: Instant,
    rows: u32,
    broken: Vec<String>,
}

impl Table {
    pub fn begin() -> Self {
        println!("REQUEST         ATTEMPTS WAITED  OUTCOME                  WHAT TO DO");
        Self {
            began: Instant::now(),
            rows: 0,
            broken: Vec::new(),
        }
    }

    pub fn row(&mut self, call: &Call, promise: &str) {
        let (method, path) = call.operation.split_once(' ').unwrap_or_default();
        let (attempts, seconds) = (call.attempts(), call.waited.as_secs_f32());
        let (outcome, advice) = (cut(&call.outcome(), 23), &call.advice);
        println!("{method:<5} {path:<15}{attempts:>3}{seconds:>6.1}s  {outcome:<23}  {advice}");
        self.rows += 1;

        let facts = call.facts();
        let difference = format!("{promise}\n  actual: {facts}");
        self.check(call, facts == promise, &difference);
    }

    pub fn check(&mut self, call: &Call, is_kept: bool, promise: &str) {
        if !is_kept {
            let (operation, waited) = (&call.operation, call.waited);
            let broken = format!("{operation} ({waited:.1?})\n  promised: {promise}");
            self.broken.push(broken);
        }
    }

    pub fn end(self) -> ExitCode {
        let (rows, seconds) = (self.rows, self.began.elapsed().as_secs_f32());
        println!();
        if self.broken.is_empty() {
            println!("{rows} requests in {seconds:.1}s, and every outcome is as promised.");
            return ExitCode::SUCCESS;
        }
        for promise in self.broken {
            eprintln!("Not as promised: {promise}");
        }
        ExitCode::FAILURE
    }
}

fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some(_) => text.chars().take(width - 1).chain(['…']).collect(),
        None => text.into(),
    }
}
