//! The records of the callers, the probe and the servers, and counts of live resources.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicIsize, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use revio_status::{Error, PreviousAttempt, ServiceError, StatusError, StopReason};

use super::plan::Manner;

/// One page for each request, and the live resources.
pub struct Ledger {
    pages: Vec<Mutex<Page>>,
    manners: Mutex<BTreeMap<Manner, usize>>,
    lateness: Mutex<Duration>,
    /// The number of holds.
    pub held: Arc<AtomicUsize>,
    pub live: Live,
}

/// The records of one request.
#[derive(Debug, Default)]
pub struct Page {
    /// The attempts that the layer sent.
    pub sent: Vec<Sent>,
    /// The attempts whose heads a server received.
    pub arrived: Vec<u32>,
    pub executed: Vec<Execution>,
    pub outcome: Option<Outcome>,
    /// From `call` to the layer's result.
    pub took: Duration,
    /// The time of `call`.
    pub called: Option<Instant>,
}

/// One attempt, below the layer.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub at: Instant,
    pub result: Option<(Instant, AttemptResult)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AttemptResult {
    Status(u16),
    /// The client could not connect.
    NoConnection,
    /// The timeout below the layer ended the attempt.
    TimedOut,
    Error,
}

/// An attempt that a server read to its end and acted on.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    pub attempt: u32,
    /// All bytes and trailers arrived, and no others.
    pub is_whole: bool,
}

/// The caller's result.
#[derive(Debug)]
pub enum Outcome {
    /// A success with a complete body.
    Success {
        attempt: u32,
    },
    /// A success whose body failed.
    Broken {
        attempt: u32,
    },
    Error(Report),
    /// The caller dropped the request.
    Cancelled,
    /// A success whose body never ended.
    Hung,
}

/// An error's facts.
#[derive(Debug)]
pub struct Report {
    /// `None`: no response.
    pub status: Option<u16>,
    pub is_unsent: bool,
    pub attempts: u32,
    pub applied: bool,
    pub reason: StopReason,
    pub earlier: Vec<PreviousAttempt>,
    pub retry_after: Option<Duration>,
    pub is_truncated: bool,
}

impl Outcome {
    /// Returns the outcome's name in the sums.
    pub fn name(&self) -> String {
        match self {
            Self::Success { .. } => "success".to_owned(),
            Self::Broken { .. } => "success, but its body failed".to_owned(),
            Self::Error(report) => {
                let what = match (report.status, report.is_unsent) {
                    (Some(_), _) => "status",
                    (None, false) => "no response",
                    (None, true) => "unsent",
                };
                format!("{what}: {}", report.reason)
            }
            Self::Cancelled => "cancelled".to_owned(),
            Self::Hung => "hung".to_owned(),
        }
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        let failure = error.status_error();
        Self::Error(Report {
            status: failure.map(|failure| failure.status().as_u16()),
            is_unsent: error.service_error().is_some_and(ServiceError::is_unsent),
            attempts: error.attempts(),
            applied: error.may_have_been_applied(),
            reason: error.stop_reason(),
            earlier: error.previous_attempts().to_vec(),
            retry_after: error.retry_after(),
            is_truncated: failure.is_some_and(StatusError::is_body_truncated),
        })
    }
}

impl Ledger {
    /// Makes an empty page for each request.
    pub fn new(requests: usize) -> Arc<Self> {
        Arc::new(Self {
            pages: (0..requests).map(|_| Mutex::default()).collect(),
            manners: Mutex::default(),
            lateness: Mutex::default(),
            held: Arc::default(),
            live: Live::default(),
        })
    }

    /// Returns this request's page.
    pub fn page(&self, id: usize) -> MutexGuard<'_, Page> {
        self.pages[id].lock().expect("no panic")
    }

    /// Records that a server received the head of this attempt, and the planned treatment.
    pub fn arrived(&self, id: usize, attempt: u32, manner: Manner) {
        self.page(id).arrived.push(attempt);
        *self.manners().entry(manner).or_default() += 1;
    }

    /// Returns the count of each manner.
    pub fn manners(&self) -> MutexGuard<'_, BTreeMap<Manner, usize>> {
        self.manners.lock().expect("no panic")
    }

    /// Returns the largest lateness of a sleep, which is the machine's.
    pub fn lateness(&self) -> MutexGuard<'_, Duration> {
        self.lateness.lock().expect("no panic")
    }

    /// Measures the lateness all the time.
    pub async fn watch_the_clock(self: Arc<Self>) {
        const TICK: Duration = Duration::from_millis(10);
        loop {
            let start = Instant::now();
            tokio::time::sleep(TICK).await;
            let late = start.elapsed().saturating_sub(TICK);
            let mut most = self.lateness();
            *most = late.max(*most);
        }
    }

    /// Returns the number of pages.
    pub fn requests(&self) -> usize {
        self.pages.len()
    }
}

/// Live resources by kind; none may be left at the end.
#[derive(Clone, Default)]
pub struct Live {
    pub uploads: Gauge,
    pub chunks: Gauge,
    pub attempts: Gauge,
    pub responses: Gauge,
    pub connections: Gauge,
}

impl Live {
    /// Returns names and counts.
    pub fn all(&self) -> [(&'static str, isize); 5] {
        [
            ("request bodies", self.uploads.get()),
            ("request bytes", self.chunks.get()),
            ("attempts in flight", self.attempts.get()),
            ("response bodies", self.responses.get()),
            ("server connections", self.connections.get()),
        ]
    }
}

/// A count of live resources or of their bytes.
#[derive(Clone, Default)]
pub struct Gauge(Arc<AtomicIsize>);

impl Gauge {
    /// Returns the count.
    fn get(&self) -> isize {
        self.0.load(SeqCst)
    }

    /// Adds this amount until the guard is dropped.
    pub fn hold(&self, amount: usize) -> Held {
        let amount = isize::try_from(amount).expect("small");
        self.0.fetch_add(amount, SeqCst);
        Held(self.0.clone(), amount)
    }

    /// Wraps the body, which counts until it is dropped.
    pub fn body<B>(&self, body: B) -> Counted<B> {
        Counted {
            body,
            _held: self.hold(1),
        }
    }

    /// Wraps the bytes, which count until their last part is dropped.
    pub fn bytes(&self, bytes: Bytes) -> Bytes {
        let _held = self.hold(bytes.len());
        Bytes::from_owner(Counted { body: bytes, _held })
    }
}

/// A guard that subtracts its amount when it is dropped.
pub struct Held(Arc<AtomicIsize>, isize);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, SeqCst);
    }
}

/// A counted body or buffer.
pub struct Counted<B> {
    body: B,
    _held: Held,
}

impl AsRef<[u8]> for Counted<Bytes> {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
