//! One process of the fleet. It reports what happens in lines on standard output.

use std::{net::SocketAddr, time::Duration};

use revio_status::{BoxError, Cooldown, Error};
use revio_status_limit::{Account, CooldownSync, LimitLayer, Quota};
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    args::Share,
    redis_server,
    stack::{Parts, post},
};

/// What a process is to do. The URL of Redis, which may contain a password, is in the environment
/// alone: everybody on a machine can read arguments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    pub server: SocketAddr,
    pub account: String,
    pub process: u32,
    pub processes: u32,
    pub limit: u32,
    pub window: Duration,
    pub share: Share,
    /// Requests in a second.
    pub per_second: f64,
    pub length: Duration,
}

impl Spec {
    pub fn to_arg(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }

    pub fn parse(arg: &str) -> Result<Self, BoxError> {
        Ok(serde_json::from_str(arg)?)
    }

    fn parts(&self, redis: Option<String>) -> Result<Parts, BoxError> {
        let cooldown = Cooldown::default();
        let quota = Quota::new(self.limit, self.window);
        let (limit, sync) = match self.share {
            Share::Redis => {
                let redis = redis_server::client(&redis.unwrap_or_default())?;
                let account = Account::new(redis, &self.account);
                let sync = CooldownSync::new(&account, &cooldown);
                let limit = LimitLayer::new(quota).shared(&account, self.processes);
                (Some(limit), Some(sync))
            }
            Share::Fixed => {
                let own = Quota::new(self.limit, self.window * self.processes);
                (Some(LimitLayer::new(own)), None)
            }
            Share::Nothing => (None, None),
        };
        Ok(Parts {
            cooldown,
            limit,
            sync,
        })
    }
}

pub async fn run(spec: Spec, redis: Option<String>) -> Result<(), BoxError> {
    let report = |line: &str| println!("{line}");
    let parts = spec.parts(redis)?;
    let sync = parts.sync.clone();
    let client = parts.client(report);
    let sent = send(
        &spec,
        |note| post(client.clone(), spec.server, note),
        report,
    )
    .await;
    if let Some(sync) = sync {
        sync.flush().await;
    }
    sent
}

/// Posts for the given time, and reports how each request ended. A request that panics stops no other
/// one, and its outcome is unknown.
///
/// # Errors
///
/// If a request panics; after all have ended.
pub async fn send<F>(
    spec: &Spec,
    post: impl Fn(String) -> F,
    report: impl Fn(&str) + Clone + Send + 'static,
) -> Result<(), BoxError>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut requests = JoinSet::new();
    let end = Instant::now() + spec.length;
    for number in 0.. {
        if Instant::now() >= end {
            break;
        }
        report("asked");
        let note = format!("{}-{number}", spec.process);
        let request = post(note.clone());
        let report = report.clone();
        requests.spawn(async move {
            let start = Instant::now();
            let result = request.await;
            let time = start.elapsed().as_millis();
            report(&format!("{} {time} {note}", outcome(&result)));
        });
        let wait = (0.5 + fastrand::f64()) / spec.per_second;
        let next = Instant::now() + Duration::from_secs_f64(wait);
        sleep_until(next.min(end)).await;
    }
    let mut panics = 0;
    while let Some(result) = requests.join_next().await {
        if result.is_err() {
            panics += 1;
            report("unknown");
        }
    }
    match panics {
        0 => Ok(()),
        _ => Err(format!("{panics} request(s) panicked").into()),
    }
}

/// Returns how a request ended, in a word.
pub fn outcome(result: &Result<(), Error>) -> &'static str {
    match result {
        Ok(()) => "made",
        Err(error) if error.may_have_been_applied() => "unknown",
        Err(_) => "unsent",
    }
}
