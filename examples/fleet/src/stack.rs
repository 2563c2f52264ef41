//! A process's client: where the two shared things go.

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
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::shared::{Limit, Quiet, due_in};

/// How long a request may take in all.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// For each attempt, up to the head of its answer: a server that says nothing holds nobody for ever.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Less than the server's: a connection that it has just closed costs a request.
const IDLE: Duration = Duration::from_secs(4);

pub type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, Error>;

pub struct Parts {
    pub cooldown: Cooldown,
    pub limit: Option<Limit>,
    pub quiet: Option<Quiet>,
}

impl Parts {
    /// `tell` gets a word for each call, each refusal, and each request that is held.
    pub fn client(self, tell: impl Fn(&str) + Clone + Send + Sync + 'static) -> Client {
        let (sent, answered, held) = (tell.clone(), tell.clone(), tell);
        let quiet = self.quiet;
        let policy = StandardPolicy::default().retry_on(StatusCode::TOO_MANY_REQUESTS);
        let layer = RevioStatusLayer::new()
            .policy(policy)
            .time_limit(DEADLINE)
            .cooldown(self.cooldown)
            .on_event(move |event| {
                if let Some(quiet) = &quiet {
                    quiet.tell(event);
                }
                if let Event::Held { .. } = event {
                    held("held");
                }
            });
        let service = ServiceBuilder::new()
            .map_request(due_in(DEADLINE)) // above: for all attempts together
            .layer(layer)
            .option_layer(self.limit) // below: resends count
            .map_request(move |request: Request<ReplayBody<Full<Bytes>>>| {
                sent("sent");
                request
            })
            .map_response(move |response: Response<Incoming>| {
                if response.status() == StatusCode::TOO_MANY_REQUESTS {
                    answered("refused");
                }
                response
            })
            .timeout(ATTEMPT) // below the limit: waiting for one's turn is not the server's fault
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
/// If the note was not made, or nobody knows.
pub async fn post(client: Client, server: SocketAddr, note: String) -> Result<(), Error> {
    let body = format!(r#"{{"customer_id": 1001, "note": "{note}"}}"#);
    let request = Request::post(format!("http://{server}/v1/Notes"))
        .body(Full::from(body))
        .map_err(BoxError::from)?;
    client.oneshot(request).await.map(drop)
}
