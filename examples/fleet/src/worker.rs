//! One process of the fleet. It tells what happens to it in lines on standard output.

use std::{net::SocketAddr, time::Duration};

use revio_status::{BoxError, Cooldown, Error};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    args::Share,
    redis_server,
    shared::{Account, Limit, Quiet, Settings},
    stack::{Parts, post},
};

/// What a process needs to know. The URL of Redis, which may hold a password, is in the environment
/// alone: everybody on a machine can read arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    pub server: SocketAddr,
    pub account: String,
    pub process: u32,
    pub processes: u32,
    pub limit: u32,
    pub window: Duration,
    pub share: Share,
    /// The requests it wants to send in a second, and for how long.
    pub wants: f64,
    pub length: Duration,
}

impl Spec {
    pub fn to_args(&self) -> [String; 9] {
        [
            self.server.to_string(),
            self.account.clone(),
            self.process.to_string(),
            self.processes.to_string(),
            self.limit.to_string(),
            self.window.as_millis().to_string(),
            self.share.to_string(),
            self.wants.to_string(),
            self.length.as_millis().to_string(),
        ]
    }

    /// # Errors
    ///
    /// If these are not such arguments.
    pub fn parse(args: &[String]) -> Result<Self, BoxError> {
        let [
            server,
            account,
            process,
            processes,
            limit,
            window,
            share,
            wants,
            length,
        ] = args
        else {
            return Err("a worker is started by the program alone".into());
        };
        Ok(Self {
            server: server.parse()?,
            account: account.clone(),
            process: process.parse()?,
            processes: processes.parse()?,
            limit: limit.parse()?,
            window: Duration::from_millis(window.parse()?),
            share: share.parse()?,
            wants: wants.parse()?,
            length: Duration::from_millis(length.parse()?),
        })
    }

    async fn parts(&self, redis: Option<redis::Client>) -> Parts {
        let cooldown = Cooldown::default();
        let settings = Settings {
            calls: self.limit,
            per: self.window,
            ..Settings::new(self.processes, cooldown.clone())
        };
        let (limit, quiet) = match (self.share, redis) {
            (Share::Redis, Some(redis)) => {
                let account = Account::new(redis, &self.account);
                let quiet = Quiet::shared(&account, cooldown.clone());
                let limit = Limit::shared(settings, &account).await;
                (Some(limit), Some(quiet))
            }
            (Share::Nothing, _) => (None, None),
            _ => (Some(Limit::own(settings)), None),
        };
        Parts {
            cooldown,
            limit,
            quiet,
        }
    }
}

/// # Errors
///
/// If Redis is shared and its URL is none, or a request panics.
pub async fn run(spec: Spec, redis: Option<String>) -> Result<(), BoxError> {
    let redis = match spec.share {
        Share::Redis => Some(redis_server::client(&redis.unwrap_or_default())?),
        Share::Fixed | Share::Nothing => None,
    };
    let tell = |line: &str| println!("{line}");
    let client = spec.parts(redis).await.client(tell);
    send(&spec, |note| post(client.clone(), spec.server, note), tell).await
}

/// Posts for as long as it is to, and tells how each request ended. One that panics takes no other one
/// with it, and nobody knows what the server has of it.
///
/// # Errors
///
/// If a request panics; after all have ended.
pub async fn send<F>(
    spec: &Spec,
    post: impl Fn(String) -> F,
    tell: impl Fn(&str) + Clone + Send + 'static,
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
        tell("asked");
        let note = format!("{}-{number}", spec.process);
        let request = post(note.clone());
        let tell = tell.clone();
        requests.spawn(async move {
            let begin = Instant::now();
            let end = request.await;
            let time = begin.elapsed().as_millis();
            tell(&format!("{} {time} {note}", word(&end)));
        });
        let wait = (0.5 + fastrand::f64()) / spec.wants;
        let next = Instant::now() + Duration::from_secs_f64(wait);
        sleep_until(next.min(end)).await;
    }
    let mut panics = 0;
    while let Some(end) = requests.join_next().await {
        if end.is_err() {
            panics += 1;
            tell("unknown");
        }
    }
    match panics {
        0 => Ok(()),
        _ => Err(format!("{panics} request(s) panicked").into()),
    }
}

/// How a request ended, in a word.
pub fn word(end: &Result<(), Error>) -> &'static str {
    match end {
        Ok(()) => "made",
        Err(error) if error.may_have_been_applied() => "unknown",
        Err(_) => "unsent",
    }
}
