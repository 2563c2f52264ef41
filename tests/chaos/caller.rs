//! The callers: each sends the next request until none is left.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, header::TRAILER};
use http_body::SizeHint;
use http_body_util::{BodyExt, Either, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use revio_status::{ReplayBody, RevioStatus, StandardPolicy};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, timeout::Timeout};

use super::{
    Http, Step, Steps,
    accounts::{Accounts, CooldownUse},
    budgets::Budgets,
    client,
    ledger::{Counted, Ledger, Outcome},
    plan::{Door, Order, Plan, Upload},
    probe::{Id, Probe, attempt_of},
    server::Server,
    setting::Setting,
};

/// The number of requests in flight.
pub const IN_FLIGHT: usize = 64;
/// Fewer than `IN_FLIGHT`: some requests wait until the service is ready.
pub const PERMITS: usize = 48;
/// The layer's time limit.
pub const DEADLINE: Duration = Duration::from_millis(1500);
/// The timeout of one attempt, below the layer.
pub const ATTEMPT: Duration = Duration::from_millis(750);
/// The layer's longest backoff.
pub const PAUSE: Duration = Duration::from_millis(4);

/// The longest time for a success's body, which only the test limits.
const HANGS_AFTER: Duration = Duration::from_secs(30);

type Body = Counted<Either<Empty<Bytes>, Steps>>;
type Upstream = Client<HttpConnector, ReplayBody<Body>>;
type Stack = RevioStatus<Probe<ConcurrencyLimit<Timeout<Upstream>>>, StandardPolicy>;

/// The stacks that all callers share: for each setting one over HTTP/1.1 and one over HTTP/2.
#[derive(Clone)]
pub struct Stacks {
    by_setting: Arc<BTreeMap<Setting, [Stack; 2]>>,
    accounts: Arc<Accounts>,
}

impl Stacks {
    /// Makes one client for each version, and a layer for each setting above it.
    pub fn new(
        plan: &Plan,
        ledger: &Arc<Ledger>,
        server: &Arc<Server>,
        permits: &Arc<Semaphore>,
        budgets: &Budgets,
        accounts: Accounts,
    ) -> Self {
        let upstreams = [Http::One, Http::Two].map(|http| {
            let limited = Timeout::new(client(http), ATTEMPT);
            Probe {
                inner: ConcurrencyLimit::with_semaphore(limited, permits.clone()),
                ledger: ledger.clone(),
                plan: plan.clone(),
                server: server.clone(),
            }
        });
        let stacks = Setting::all().map(|setting| {
            let layer = setting.layer(budgets, &accounts, ledger);
            let over = upstreams.clone().map(|upstream| layer.layer(upstream));
            (setting, over)
        });
        Self {
            by_setting: Arc::new(stacks.collect()),
            accounts: Arc::new(accounts),
        }
    }

    /// Returns the stack for this request.
    fn of(&self, order: &Order) -> Stack {
        let over = &self.by_setting[&order.setting];
        over[usize::from(matches!(order.door, Door::Two(_)))].clone()
    }
}

/// Sends all requests of the plan.
pub async fn send_all(plan: &Plan, ledger: &Arc<Ledger>, server: &Arc<Server>, stacks: &Stacks) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (plan, ledger, server) = (plan.clone(), ledger.clone(), server.clone());
        let (stacks, next) = (stacks.clone(), next.clone());
        callers.spawn(async move {
            loop {
                let id = next.fetch_add(1, Relaxed);
                if id >= ledger.requests() {
                    break;
                }
                let order = plan.order(id);
                let mut request = order.request(&server.uri(order.door, id), &ledger);
                if matches!(
                    order.setting.cooldown_use,
                    CooldownUse::Own | CooldownUse::Impatient
                ) {
                    let account = order.account.map(|account| stacks.accounts.of(account));
                    request
                        .extensions_mut()
                        .insert(account.expect("one").clone());
                }
                let (outcome, called, took) = send(stacks.of(&order), request, &order).await;
                let mut page = ledger.page(id);
                page.outcome = Some(outcome);
                page.called = Some(called);
                page.took = took;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("no caller panics");
    }
}

/// Sends one request to its end. Returns its outcome, the time of `call`, and the duration.
async fn send(
    mut stack: Stack,
    request: Request<Body>,
    order: &Order,
) -> (Outcome, Instant, Duration) {
    let ready = stack.ready().await.expect("a limit does not fail");
    let start = Instant::now();
    let result = timeout(order.patience.unwrap_or(Duration::MAX), ready.call(request)).await;
    let took = start.elapsed();
    let outcome = match result {
        Err(_) => Outcome::Cancelled,
        Ok(Err(error)) => error.into(),
        Ok(Ok(response)) => {
            let attempt = attempt_of(response.extensions().get());
            match timeout(HANGS_AFTER, response.into_body().collect()).await {
                Ok(Ok(_)) => Outcome::Success { attempt },
                Ok(Err(_)) => Outcome::Broken { attempt },
                Err(_) => Outcome::Hung,
            }
        }
    };
    (outcome, start, took)
}

impl Order {
    /// Makes the request, with all of its parts counted.
    fn request(&self, uri: &str, ledger: &Ledger) -> Request<Body> {
        let mut request = Request::builder().method(&self.method).uri(uri);
        if self.upload.has_trailers {
            request = request.header(TRAILER, CHECKSUM);
        }
        let body = match self.method.as_str() {
            "GET" => Either::Left(Empty::new()),
            _ => Either::Right(self.upload.body(ledger)),
        };
        request
            .extension(Id(self.id))
            .body(ledger.live.uploads.body(body))
            .expect("a valid request")
    }
}

const CHECKSUM: HeaderName = HeaderName::from_static("x-checksum");

impl Upload {
    /// Makes a stream of its chunks.
    fn body(&self, ledger: &Ledger) -> Steps {
        let chunks = self.bytes.chunks(self.chunk);
        let (last, middle) = (chunks.len().saturating_sub(1), chunks.len() / 2);
        let mut steps = Vec::new();
        for (number, chunk) in chunks.enumerate() {
            if self.breaks && number == last {
                steps.push(Step::Fail("the disk is gone"));
            }
            if self.pauses && number == middle {
                steps.push(Step::Wait(Duration::from_millis(1)));
            }
            let chunk = ledger.live.chunks.bytes(self.bytes.slice_ref(chunk));
            steps.extend([Step::Data(chunk), Step::Yield]);
        }
        steps.extend(self.trailers().map(Step::Trailers));
        let hint = match self.has_length {
            true => SizeHint::with_exact(self.bytes.len() as u64),
            false => SizeHint::new(),
        };
        Steps::new(steps).with_hint(hint)
    }

    /// Returns the trailers.
    pub fn trailers(&self) -> Option<HeaderMap> {
        let length = self.bytes.len().into();
        self.has_trailers
            .then(|| HeaderMap::from_iter([(CHECKSUM, length)]))
    }
}
