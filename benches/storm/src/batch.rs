//! One account and a job that outruns its limit: 64 workers want 5,000 calls as fast as they can.
//!
//! Nothing of this crate is imitated here. Each process has its own `RevioStatusLayer`, and all run
//! on tokio's paused clock, over one simulated gateway.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use http::{Method, Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::Full;
use revio_status::{BoxError, Error, StopReason};
use tokio::{runtime, task::JoinSet, time::sleep};
use tower::{ServiceExt, util::BoxCloneService};

use super::{
    account::{Account, Refusals},
    clock::Clock,
    events::{MINUTE, Nanos, SECOND},
    measure::Measures,
    rivals::Rival,
    scenario::World,
    server::exponential,
};

pub struct Batch {
    pub processes: usize,
    pub refusals: Refusals,
}

/// As a scenario.
pub const NAME: &str = "batch";

/// The table has them in this order.
pub const ALL: [Batch; 4] = [
    Batch::new(1, Refusals::AreFree),
    Batch::new(8, Refusals::AreFree),
    Batch::new(1, Refusals::Count),
    Batch::new(8, Refusals::Count),
];

impl Batch {
    /// In all processes together.
    pub const WORKERS: usize = 64;
    pub const CALLS: u64 = 5_000;
    /// How long the work of a call takes, in seconds, on average.
    const WORK: f64 = 0.1;

    pub const fn new(processes: usize, refusals: Refusals) -> Self {
        Self {
            processes,
            refusals,
        }
    }

    /// Returns the batch's title in the table.
    pub fn title(&self) -> String {
        let processes = match self.processes {
            1 => "one process".to_owned(),
            count => format!("{count} processes"),
        };
        let refusals = match self.refusals {
            Refusals::AreFree => "",
            Refusals::Count => "; refused calls count too",
        };
        format!("Batch: 5,000 calls, 500 a minute are let through, {processes}{refusals}")
    }
}

pub type Call = Request<Full<Bytes>>;
pub type Answer = Response<Full<Bytes>>;
/// A worker's client.
pub type Client = BoxCloneService<Call, Answer, BoxError>;

/// Runs a batch. The same arguments give the same measures.
pub fn run(batch: &Batch, seed: u64, rival: &Rival) -> Measures {
    fastrand::seed(seed); // the crate's jitter
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(async {
        let clock = Clock::start();
        let gateway = Gateway::new(batch, seed, clock);
        let clients = (0..batch.processes).map(|_| (rival.client)(clock, gateway.clone()));
        let clients: Vec<_> = clients.collect();
        let mut workers = JoinSet::new();
        for index in 0..Batch::WORKERS {
            let client = clients[index % clients.len()].clone();
            workers.spawn(work(client, gateway.clone()));
        }
        workers.join_all().await;
        gateway.measures()
    })
}

/// Calls until all calls of the batch are made.
async fn work(client: Client, gateway: Gateway) {
    while let Some(method) = gateway.next_call() {
        let mut call = Request::new(Full::default());
        call.method_mut().clone_from(&method);
        let asked = gateway.clock.nanos();
        let result = client.clone().oneshot(call).await;
        gateway.end(asked, &method, result);
    }
}

/// The gateway before the API, which counts all calls.
#[derive(Clone)]
pub struct Gateway {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

struct State {
    account: Account,
    measures: Measures,
    rng: Rng,
}

impl Gateway {
    fn new(batch: &Batch, seed: u64, clock: Clock) -> Self {
        let state = State {
            account: Account::new(MINUTE, batch.refusals),
            measures: Measures::new(1),
            rng: Rng::with_seed(seed),
        };
        Self {
            clock,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measures(&self) -> Measures {
        self.lock().measures.clone()
    }

    /// Of a hundred calls 70 read, 30 are POSTs.
    fn next_call(&self) -> Option<Method> {
        let State { measures, rng, .. } = &mut *self.lock();
        if measures.asked == Batch::CALLS {
            return None;
        }
        measures.ask(self.clock.nanos());
        let is_post = rng.u8(..100) < 30;
        measures.posts += u64::from(is_post);
        Some(if is_post { Method::POST } else { Method::GET })
    }

    /// Records the end of a call.
    fn end(&self, asked: Nanos, method: &Method, result: Result<Answer, BoxError>) {
        let now = self.clock.nanos();
        let measures = &mut self.lock().measures;
        let is_good = result.is_ok();
        measures.posts_lost += u64::from(method == Method::POST && !is_good);
        let is_unsent = result.is_err_and(|error| {
            let error = Error::from(error);
            error.attempts() == 0 && error.stop_reason() == StopReason::CoolingDown
        });
        measures.unsent += u64::from(is_unsent);
        measures.end(now, is_good, now - asked);
    }

    /// Responds to one call, between the two network delays.
    pub async fn answer(&self) -> Answer {
        let one_way = Duration::from_nanos(World::ROUND_TRIP / 2);
        sleep(one_way).await;
        let received = self.receive();
        if let Ok(work) = received {
            sleep(work).await;
        }
        sleep(one_way).await;
        let mut answer = Response::new(Full::default());
        if let Err(seconds) = received {
            *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        answer
    }

    /// Returns the work's duration, or the seconds until the quota allows a call.
    fn receive(&self) -> Result<Duration, u32> {
        let now = self.clock.nanos();
        let state = &mut *self.lock();
        state.measures.send(now);
        let verdict = state.account.count(now);
        state.measures.over_limit += u64::from(verdict.is_err());
        state.measures.refused += u64::from(verdict.is_err());
        verdict?;
        let work = exponential(&mut state.rng, Batch::WORK);
        Ok(Duration::from_nanos(work))
    }
}

/// Seconds until the last call has ended.
pub fn duration(measures: &Measures) -> f64 {
    measures.ended as f64 / SECOND as f64
}
