//! What the callers, the layer's lower side and the servers wrote down, and how many things live.

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

/// One page for each request, and what is alive.
pub struct Ledger {
    pages: Vec<Mutex<Page>>,
    manners: Mutex<BTreeMap<Manner, usize>>,
    lateness: Mutex<Duration>,
    /// How often a request was held by a cool-down.
    pub held: Arc<AtomicUsize>,
    pub live: Live,
}

/// All about one request.
#[derive(Debug, Default)]
pub struct Page {
    /// By the layer, to the service below it.
    pub sent: Vec<Sent>,
    /// The attempts whose heads a server received.
    pub arrived: Vec<u32>,
    pub executed: Vec<Execution>,
    pub outcome: Option<Outcome>,
    /// From the caller's `call` to the layer's answer.
    pub took: Duration,
    /// By its caller, when the service was ready.
    pub called: Option<Instant>,
}

/// One attempt, below the layer.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub at: Instant,
    pub answer: Option<(Instant, Answer)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Status(u16),
    /// The client could not connect.
    NoConnection,
    /// By the timeout below the layer.
    TimedOut,
    Error,
}

/// An attempt that a server read to its end and acted on.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    pub attempt: u32,
    /// Every byte and every trailer was there, and nothing else.
    pub is_whole: bool,
}

/// What the caller was told.
#[derive(Debug)]
pub enum Outcome {
    /// A success, and its body to the end.
    Success {
        attempt: u32,
    },
    /// A success whose body broke off.
    Broken {
        attempt: u32,
    },
    Error(Told),
    /// The caller had no patience.
    Cancelled,
    /// The success's body neither ended nor broke.
    Hung,
}

/// What an error says.
#[derive(Debug)]
pub struct Told {
    /// `None`: no answer came.
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
    /// For the sums.
    pub fn name(&self) -> String {
        match self {
            Self::Success { .. } => "success".to_owned(),
            Self::Broken { .. } => "success, but its body broke off".to_owned(),
            Self::Error(told) => {
                let what = match (told.status, told.is_unsent) {
                    (Some(_), _) => "status",
                    (None, false) => "no answer",
                    (None, true) => "unsent",
                };
                format!("{what}: {}", told.reason)
            }
            Self::Cancelled => "cancelled".to_owned(),
            Self::Hung => "hung".to_owned(),
        }
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        let answer = error.status_error();
        Self::Error(Told {
            status: answer.map(|answer| answer.status().as_u16()),
            is_unsent: error.service_error().is_some_and(ServiceError::is_unsent),
            attempts: error.attempts(),
            applied: error.may_have_been_applied(),
            reason: error.stop_reason(),
            earlier: error.previous_attempts().to_vec(),
            retry_after: error.retry_after(),
            is_truncated: answer.is_some_and(StatusError::is_body_truncated),
        })
    }
}

impl Ledger {
    /// With an empty page for each request.
    pub fn new(requests: usize) -> Arc<Self> {
        Arc::new(Self {
            pages: (0..requests).map(|_| Mutex::default()).collect(),
            manners: Mutex::default(),
            lateness: Mutex::default(),
            held: Arc::default(),
            live: Live::default(),
        })
    }

    /// All about this request.
    pub fn page(&self, id: usize) -> MutexGuard<'_, Page> {
        self.pages[id].lock().expect("no panic")
    }

    /// A server received the head of this attempt, and will treat it so.
    pub fn arrived(&self, id: usize, attempt: u32, manner: Manner) {
        self.page(id).arrived.push(attempt);
        *self.manners().entry(manner).or_default() += 1;
    }

    /// How often each manner was met.
    pub fn manners(&self) -> MutexGuard<'_, BTreeMap<Manner, usize>> {
        self.manners.lock().expect("no panic")
    }

    /// The most that a sleeper was woken too late: the machine's fault and nobody else's.
    pub fn lateness(&self) -> MutexGuard<'_, Duration> {
        self.lateness.lock().expect("no panic")
    }

    /// Looks for that all the time.
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

    /// How many pages there are.
    pub fn requests(&self) -> usize {
        self.pages.len()
    }
}

/// What is alive, by kind; all of it is to be gone at the end.
#[derive(Clone, Default)]
pub struct Live {
    pub uploads: Gauge,
    pub chunks: Gauge,
    pub attempts: Gauge,
    pub answers: Gauge,
    pub connections: Gauge,
}

impl Live {
    /// By their names.
    pub fn all(&self) -> [(&'static str, isize); 5] {
        [
            ("request bodies", self.uploads.get()),
            ("request bytes", self.chunks.get()),
            ("attempts on their way", self.attempts.get()),
            ("response bodies", self.answers.get()),
            ("server connections", self.connections.get()),
        ]
    }
}

/// A number of living things, or of their bytes.
#[derive(Clone, Default)]
pub struct Gauge(Arc<AtomicIsize>);

impl Gauge {
    /// How many there are.
    fn get(&self) -> isize {
        self.0.load(SeqCst)
    }

    /// Counts this much more until the guard is dropped.
    pub fn hold(&self, amount: usize) -> Held {
        let amount = isize::try_from(amount).expect("small");
        self.0.fetch_add(amount, SeqCst);
        Held(self.0.clone(), amount)
    }

    /// The same body, counted as long as it lives.
    pub fn body<B>(&self, body: B) -> Counted<B> {
        Counted {
            body,
            _held: self.hold(1),
        }
    }

    /// The same bytes, counted as long as anybody holds a part of them.
    pub fn bytes(&self, bytes: Bytes) -> Bytes {
        let _held = self.hold(bytes.len());
        Bytes::from_owner(Counted { body: bytes, _held })
    }
}

/// Takes its amount back when it is dropped.
pub struct Held(Arc<AtomicIsize>, isize);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, SeqCst);
    }
}

/// A body, or some bytes, under a gauge.
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
