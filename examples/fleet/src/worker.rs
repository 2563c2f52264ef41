//! One process of the fleet. It tells what happens to it in lines on standard output.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use revio_status::{
    BoxError, Cooldown, Error, Event, ReplayBody, RevioStatusLayer, StandardPolicy,
};
use tokio::{task::JoinSet, time::sleep};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{
    args::Share,
    limit::{Limit, Settings},
    quiet::Quiet,
};

/// How long a request may take in all.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub type Body = Full<Bytes>;

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
}

/// A process's client. `tell` gets a word for each call, each refusal, and each request that is held.
pub async fn client(
    spec: &Spec,
    redis: Option<redis::Client>,
    tell: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> BoxCloneSyncService<Request<Body>, Response<Incoming>, Error> {
    let cooldown = Cooldown::default();
    let settings = Settings {
        calls: spec.limit,
        per: spec.window,
        max_wait: DEADLINE,
        ..Settings::new(spec.processes, cooldown.clone())
    };
    let (limit, quiet) = match (spec.share, redis) {
        (Share::Redis, Some(redis)) => {
            let quiet = Quiet::shared(redis.clone(), &spec.account, cooldown.clone());
            let limit = Limit::shared(settings, redis, &spec.account).await;
            (Some(limit), Some(quiet))
        }
        (Share::Nothing, _) => (None, None),
        _ => (Some(Limit::own(settings)), None),
    };
    let (sent, answered, held) = (tell.clone(), tell.clone(), tell);
    let policy = StandardPolicy::default().retry_on(StatusCode::TOO_MANY_REQUESTS);
    let layer = RevioStatusLayer::new()
        .policy(policy)
        .deadline(DEADLINE)
        .cooldown(cooldown)
        .on_event(move |event| {
            if let Some(quiet) = &quiet {
                quiet.tell(event);
            }
            if let Event::Held { .. } = event {
                held("held");
            }
        });
    let service = ServiceBuilder::new()
        .layer(layer)
        .option_layer(limit)
        .map_request(move |request: Request<ReplayBody<Body>>| {
            sent("sent");
            request
        })
        .map_response(move |response: Response<Incoming>| {
            if response.status() == StatusCode::TOO_MANY_REQUESTS {
                answered("refused");
            }
            response
        })
        .map_err(BoxError::from)
        .service(Client::builder(TokioExecutor::new()).build_http());
    BoxCloneSyncService::new(service)
}

/// How a request ended: whether its note was made, and after how long.
pub async fn post(
    client: BoxCloneSyncService<Request<Body>, Response<Incoming>, Error>,
    server: SocketAddr,
    note: &str,
) -> Result<String, BoxError> {
    let begin = Instant::now();
    let body = format!(r#"{{"customer_id": 1001, "note": "{note}"}}"#);
    let request = Request::post(format!("http://{server}/v1/Notes")).body(Full::from(body))?;
    let result = client.oneshot(request).await;
    let wait = begin.elapsed().as_millis();
    Ok(match result {
        Ok(_) => format!("made {wait} {note}"),
        Err(error) if error.may_have_been_applied() => format!("unknown {wait} {note}"),
        Err(_) => format!("unsent {wait} {note}"),
    })
}

/// # Errors
///
/// If the URL of Redis is none.
pub async fn run(spec: Spec, redis: Option<String>) -> Result<(), BoxError> {
    let redis = redis.map(redis::Client::open).transpose();
    let redis = redis.map_err(|_| "REVIO_REDIS_URL is no URL of a Redis")?;
    let client = client(&spec, redis, |word| println!("{word}")).await;
    let mut requests = JoinSet::new();
    let begin = Instant::now();
    for number in 0.. {
        if begin.elapsed() >= spec.length {
            break;
        }
        println!("asked");
        let (client, server) = (client.clone(), spec.server);
        let note = format!("{}-{number}", spec.process);
        requests.spawn(async move {
            match post(client, server, &note).await {
                Ok(end) => println!("{end}"),
                Err(error) => println!("unknown 0 {error}"),
            }
        });
        sleep(Duration::from_secs_f64(
            (0.5 + fastrand::f64()) / spec.wants,
        ))
        .await;
    }
    while requests.join_next().await.is_some() {}
    Ok(())
}
