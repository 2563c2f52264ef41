//! The client of one process: the places of the limit and of the shared cool-down.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client as Http,
    rt::{TokioExecutor, TokioTimer},
};
use revio_status::{
    BoxError, Cooldown, Error, Event, ReplayBody, RevioStatusLayer, StandardPolicy,
};
use revio_status_limit::{CooldownSync, LimitLayer};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

/// How long a request may take, with all its attempts and waits.
pub const TIME_LIMIT: Duration = Duration::from_secs(20);

/// For each attempt, up to the response's head.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Less than the server's: a connection that was just closed costs a request.
const IDLE: Duration = Duration::from_secs(4);

pub type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, Error>;

#[derive(Default)]
pub struct Parts {
    pub cooldown: Cooldown,
    pub limit: Option<LimitLayer>,
    pub sync: Option<CooldownSync>,
}

impl Parts {
    /// `report` receives a word for each call, each refusal, and each request that is held.
    pub fn client(self, report: impl Fn(&str) + Clone + Send + Sync + 'static) -> Client {
        let (sent, refused, held) = (report.clone(), report.clone(), report);
        let Self {
            cooldown,
            limit,
            sync,
        } = self;
        let policy = StandardPolicy::default().retry_on(StatusCode::TOO_MANY_REQUESTS);
        let layer = RevioStatusLayer::new()
            .policy(policy)
            .time_limit(TIME_LIMIT)
            .cooldown(cooldown.clone())
            .on_event(move |event| {
                if let Some(sync) = &sync {
                    sync.on_event(event);
                }
                if let Event::Held { .. } = event {
                    held("held");
                }
            });
        let service = ServiceBuilder::new()
            .layer(layer)
            .option_layer(limit.map(|limit| limit.cooldown(cooldown))) // below: resends count
            .map_request(move |request: Request<ReplayBody<Full<Bytes>>>| {
                sent("sent");
                request
            })
            .map_response(move |response: Response<Incoming>| {
                if response.status() == StatusCode::TOO_MANY_REQUESTS {
                    refused("refused");
                }
                response
            })
            .timeout(ATTEMPT) // below the limit: the wait for a turn is not the server's fault
            .service(
                Http::builder(TokioExecutor::new())
                    .pool_timer(TokioTimer::new())
                    .pool_idle_timeout(IDLE)
                    .build_http(),
            );
        BoxCloneSyncService::new(service)
    }
}

/// # Errors
///
/// If the note was not made, or may not have been.
pub async fn post(client: Client, server: SocketAddr, note: String) -> Result<(), Error> {
    let body = format!(r#"{{"customer_id": 1001, "note": "{note}"}}"#);
    let request = Request::post(format!("http://{server}/v1/Notes"))
        .body(Full::from(body))
        .map_err(BoxError::from)?;
    client.oneshot(request).await.map(drop)
}
