//! A property test of replays: each attempt reads the caller's body from its start, and a reader at
//! the end has read all of it, whatever the pieces, and wherever attempts stop reading.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::Duration,
};

use crate::support::{
    self, AnyBody, Refused, any_body,
    body::{Step, Steps, data},
    layer, with_body,
};
use bytes::{Buf, Bytes, buf::Chain};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use proptest::prelude::*;
use revio_status::{Backoff, BoxError, Error, ReplayBody, ResendCount, StandardPolicy, StopReason};
use tokio::{task::JoinHandle, time::Sleep};
use tower::{Layer, Service, ServiceExt};

// ----- the caller's body

/// One step of the caller's body.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// Yields this number of bytes.
    Data(usize),
    /// Is pending once, and wakes at once.
    Yield,
    /// Is pending until a timer ends.
    Wait,
    /// Is pending until the waiting reader opens the gate. Calls no waker.
    Gate,
    Fail,
}

#[derive(Clone, Debug)]
struct Original {
    pieces: Vec<Piece>,
    has_trailers: bool,
    hint: Hint,
    /// `is_end_stream` is `true` as soon as the last frame is out.
    knows_its_end: bool,
}

#[derive(Clone, Copy, Debug)]
enum Hint {
    None,
    Exact,
    /// Too low and too high by these numbers.
    Loose(u64, u64),
}

impl Original {
    /// Returns bytes whose values show their position (modulo 251).
    fn bytes(&self) -> Bytes {
        (0..self.len()).map(|at| (at % 251) as u8).collect()
    }

    fn len(&self) -> usize {
        let len = |piece: &Piece| match piece {
            Piece::Data(len) => *len,
            _ => 0,
        };
        self.pieces.iter().map(len).sum()
    }

    fn trailers(&self) -> Option<HeaderMap> {
        let field = (
            "x-checksum".parse().expect("a name"),
            "7".parse().expect("a value"),
        );
        self.has_trailers.then(|| HeaderMap::from_iter([field]))
    }

    fn fails(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Fail))
    }
}

/// The observable state of the caller's body.
#[derive(Default)]
struct Watch {
    given: AtomicUsize,
    has_failed: AtomicBool,
    /// The last frame was yielded.
    is_finished: AtomicBool,
    /// The end (`None`) was returned.
    is_over: AtomicBool,
    is_at_gate: AtomicBool,
    is_gate_open: AtomicBool,
}

struct Source {
    pieces: VecDeque<Piece>,
    bytes: Bytes,
    trailers: Option<HeaderMap>,
    hint: Hint,
    knows_its_end: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    is_over: bool,
    watch: Arc<Watch>,
}

impl Source {
    fn new(original: &Original, watch: Arc<Watch>) -> Self {
        Self {
            pieces: original.pieces.iter().copied().collect(),
            bytes: original.bytes(),
            trailers: original.trailers(),
            hint: original.hint,
            knows_its_end: original.knows_its_end,
            sleep: None,
            is_over: false,
            watch,
        }
    }

    fn is_finished(&self) -> bool {
        let gives = |piece: &Piece| matches!(piece, Piece::Data(_) | Piece::Fail);
        self.trailers.is_none() && !self.pieces.iter().any(gives)
    }
}

impl Body for Source {
    /// Two parts, so that one `chunk` is not the whole frame.
    type Data = Chain<Bytes, Bytes>;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        assert!(!self.is_over, "the caller's body was polled after its end");
        self.watch.is_at_gate.store(false, SeqCst);
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            match self.pieces.pop_front() {
                Some(Piece::Data(len)) => {
                    let mut data = self.bytes.split_to(len);
                    self.watch.given.fetch_add(len, SeqCst);
                    self.watch.is_finished.store(self.is_finished(), SeqCst);
                    let first = data.split_to(len / 2);
                    return Poll::Ready(Some(Ok(Frame::data(first.chain(data)))));
                }
                Some(Piece::Yield) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Piece::Wait) => {
                    self.sleep = Some(Box::pin(tokio::time::sleep(Duration::from_millis(3))));
                }
                Some(Piece::Gate) => {
                    if !self.watch.is_gate_open.swap(false, SeqCst) {
                        self.pieces.push_front(Piece::Gate);
                        self.watch.is_at_gate.store(true, SeqCst);
                        return Poll::Pending;
                    }
                }
                Some(Piece::Fail) => {
                    self.is_over = true;
                    self.watch.has_failed.store(true, SeqCst);
                    return Poll::Ready(Some(Err("the caller's body failed".into())));
                }
                None => {
                    let trailers = self.trailers.take();
                    self.is_over = trailers.is_none();
                    self.watch.is_over.store(self.is_over, SeqCst);
                    self.watch.is_finished.store(true, SeqCst);
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.is_finished()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.bytes.len() as u64;
        let mut hint = SizeHint::new();
        match self.hint {
            Hint::None => {}
            Hint::Exact => hint.set_exact(left),
            Hint::Loose(less, more) => {
                hint.set_lower(left.saturating_sub(less));
                hint.set_upper(left + more);
            }
        }
        hint
    }
}

// ----- the attempts

/// What an attempt does with its body.
#[derive(Clone, Debug)]
struct Plan {
    /// The most frames that it reads.
    frames: usize,
    /// The most times that it waits.
    waits: usize,
    then: Then,
    status: u16,
    /// The response body takes 5 ms.
    is_slow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Drop,
    /// Stops polling the body and checks it later.
    Keep,
    /// Responds, and reads on: an upload that continues.
    ReadOn,
}

impl Plan {
    const WHOLE: Self = Self {
        frames: usize::MAX,
        waits: usize::MAX,
        then: Then::Drop,
        status: 200,
        is_slow: false,
    };

    fn response(&self) -> Response<AnyBody> {
        let body = match self.is_slow {
            true => any_body(Steps::new([
                Step::Wait(Duration::from_millis(5)),
                data("later"),
            ])),
            false => any_body(Full::default()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a valid status");
        response
    }
}

#[derive(Debug, PartialEq)]
enum End {
    /// More can be read.
    Open,
    /// More can be read, and the reader waits to be woken.
    Waiting,
    Whole,
    Failed,
}

/// One attempt's body, and the bytes read so far.
struct Reading {
    body: Pin<Box<ReplayBody<Source>>>,
    bytes: Vec<u8>,
    trailers: Option<HeaderMap>,
    frames: usize,
    end: End,
    bell: Arc<Bell>,
}

/// A waker that records its call.
struct Bell {
    has_rung: AtomicBool,
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.has_rung.store(true, SeqCst);
        self.task.wake_by_ref();
    }
}

impl Bell {
    fn new(task: &Waker) -> Arc<Self> {
        Arc::new(Self {
            has_rung: AtomicBool::new(false),
            task: task.clone(),
        })
    }
}

impl Reading {
    fn new(body: ReplayBody<Source>) -> Self {
        Self {
            body: Box::pin(body),
            bytes: Vec::new(),
            trailers: None,
            frames: 0,
            end: End::Open,
            bell: Bell::new(Waker::noop()),
        }
    }

    fn poll(&mut self, task: &Waker) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.bell = Bell::new(task);
        let waker = Waker::from(self.bell.clone());
        self.body
            .as_mut()
            .poll_frame(&mut Context::from_waker(&waker))
    }

    async fn follow(&mut self, plan: &Plan, world: &World) {
        let mut waits = 0;
        loop {
            self.check(world);
            if self.frames >= plan.frames {
                return;
            }
            let next = poll_fn(|cx| match self.poll(cx.waker()) {
                Poll::Ready(frame) => Poll::Ready(Some(frame)),
                Poll::Pending if waits == plan.waits => Poll::Ready(None),
                Poll::Pending => {
                    waits += 1;
                    if world.watch.is_at_gate.swap(false, SeqCst) {
                        world.watch.is_gate_open.store(true, SeqCst);
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                }
            });
            let next = next.await;
            if next.is_none() {
                self.end = End::Waiting;
                return;
            }
            self.end = match next.flatten() {
                None => End::Whole,
                Some(Err(_)) => End::Failed,
                Some(Ok(frame)) => {
                    self.take(frame, world);
                    continue;
                }
            };
            assert!(self.body.is_end_stream(), "the end is not the end");
            assert!(matches!(self.poll(Waker::noop()), Poll::Ready(None)));
            return self.check(world);
        }
    }

    fn take(&mut self, frame: Frame<Bytes>, world: &World) {
        assert!(self.trailers.is_none(), "something follows the trailers");
        self.frames += 1;
        match frame.into_data() {
            Ok(data) => self.bytes.extend_from_slice(&data),
            Err(other) => self.trailers = Some(other.into_trailers().expect("trailers")),
        }
        self.check_end(world);
    }

    /// A known end is reported with the last frame, so that the wire needs no extra chunk. A body
    /// without frames keeps its framing.
    fn check_end(&self, world: &World) {
        let watch = &world.watch;
        let knows = world.original.knows_its_end && watch.is_finished.load(SeqCst);
        let is_known = knows || watch.is_over.load(SeqCst);
        if self.frames > 0 && is_known && self.is_everything(&world.original) {
            assert!(self.body.is_end_stream(), "the end is not reported");
        }
    }

    fn is_everything(&self, original: &Original) -> bool {
        self.bytes.len() == original.len() && self.trailers == original.trailers()
    }

    /// Checks the bytes read so far, and the body's hints about the remaining ones.
    fn check(&self, world: &World) {
        let original = &world.original;
        assert!(
            original.bytes().starts_with(&self.bytes),
            "not the caller's bytes"
        );
        if self.trailers.is_some() || self.end == End::Whole {
            assert!(self.is_everything(original), "the body ended early");
            assert!(!original.fails(), "the body ended instead of failing");
        }
        let left = (original.len() - self.bytes.len()) as u64;
        let hint = self.body.size_hint();
        assert!(
            hint.lower() <= left && hint.upper().is_none_or(|upper| left <= upper),
            "{hint:?}"
        );
        if matches!(original.hint, Hint::Exact) {
            assert_eq!(hint.exact(), Some(left));
        }
        if self.body.is_end_stream() && self.end != End::Failed {
            assert!(
                self.is_everything(original) && !original.fails(),
                "the end is reported early"
            );
        }
    }

    /// Checks that this attempt lost the body to the next one.
    fn check_taken_over(&mut self) {
        if self.end == End::Waiting {
            assert!(self.bell.has_rung.load(SeqCst), "the reader was not woken");
        }
        let was_over = self.body.is_end_stream();
        match self.poll(Waker::noop()) {
            Poll::Ready(None) => assert!(was_over, "a truncated body"),
            Poll::Ready(Some(Err(_))) => assert!(!was_over, "an error after the end"),
            Poll::Ready(Some(Ok(_))) => panic!("two attempts read the same body"),
            Poll::Pending => panic!("an attempt waits for a lost body"),
        }
        self.end = match self.end {
            End::Whole => End::Whole,
            _ => End::Failed,
        };
        assert!(matches!(self.poll(Waker::noop()), Poll::Ready(None)));
    }
}

// ----- the inner service

/// Handles each request by the next plan; after the last plan, reads the body whole and returns
/// 200.
#[derive(Clone)]
struct Inner(Arc<World>);

struct World {
    original: Original,
    limit: usize,
    plans: Vec<Plan>,
    watch: Arc<Watch>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    /// One per attempt with `Then::Keep`.
    readings: Vec<Option<Reading>>,
    read_on: Vec<JoinHandle<Reading>>,
    calls: usize,
    /// The most bytes that an attempt had read when it responded.
    read: usize,
}

impl World {
    fn is_replayable(&self) -> bool {
        self.watch.given.load(SeqCst) <= self.limit && !self.watch.has_failed.load(SeqCst)
    }

    fn begin(&self, request: &Request<ReplayBody<Source>>) -> Plan {
        let mut log = self.log.lock().expect("no panic");
        let resends = request
            .extensions()
            .get()
            .map_or(0, |ResendCount(count)| *count);
        assert_eq!(resends as usize, log.calls);
        assert!(
            log.calls == 0 || self.is_replayable(),
            "a body was resent that is not replayable"
        );
        log.readings
            .iter_mut()
            .flatten()
            .for_each(Reading::check_taken_over);
        log.calls += 1;
        self.plans
            .get(log.calls - 1)
            .cloned()
            .unwrap_or(Plan::WHOLE)
    }

    fn put_away(self: Arc<Self>, mut reading: Reading, then: Then) {
        let world = self.clone();
        let mut log = self.log.lock().expect("no panic");
        log.read = log.read.max(reading.bytes.len());
        match then {
            Then::Drop => {}
            Then::Keep => log.readings.push(Some(reading)),
            Then::ReadOn => log.read_on.push(tokio::spawn(async move {
                if matches!(reading.end, End::Open | End::Waiting) {
                    reading.end = End::Open;
                    reading.follow(&Plan::WHOLE, &world).await;
                }
                reading
            })),
        }
    }
}

impl Service<Request<ReplayBody<Source>>> for Inner {
    type Response = Response<AnyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReplayBody<Source>>) -> Self::Future {
        let world = self.0.clone();
        let plan = world.begin(&request);
        Box::pin(async move {
            let mut reading = Reading::new(request.into_body());
            reading.follow(&plan, &world).await;
            world.put_away(reading, plan.then);
            Ok(plan.response())
        })
    }
}

// ----- the property

#[derive(Clone, Debug)]
struct Scene {
    original: Original,
    plans: Vec<Plan>,
    limit: usize,
    max_attempts: u32,
    delay: Duration,
}

async fn play(scene: Scene) {
    let Scene {
        original,
        plans,
        limit,
        max_attempts,
        delay,
    } = scene;
    let watch = Arc::new(Watch::default());
    let source = Source::new(&original, watch.clone());
    let log = Mutex::default();
    let world = Arc::new(World {
        original,
        limit,
        plans,
        watch,
        log,
    });
    let policy = StandardPolicy::default()
        .max_attempts(max_attempts)
        .backoff(Backoff::fixed(delay));
    let layer = layer().policy(policy).replay_body_limit(limit);
    let request = with_body(Method::PUT, source);
    let outcome = layer.layer(Inner(world.clone())).oneshot(request).await;

    let is_replayable = world.is_replayable();
    let Log {
        readings,
        read_on,
        calls,
        mut read,
    } = {
        let mut log = world.log.lock().expect("no panic");
        std::mem::take(&mut *log)
    };
    let is_failure = |call: usize| world.plans.get(call).is_some_and(|plan| plan.status != 200);
    match outcome {
        Ok(_) => assert!(!is_failure(calls - 1)),
        Err(Error::Status(error)) => {
            assert!(is_failure(calls - 1));
            assert_eq!(error.attempts() as usize, calls);
            let expected = match error.attempts() == max_attempts {
                true => StopReason::AttemptsExhausted,
                false => StopReason::BodyNotReplayable,
            };
            assert_eq!(error.stop_reason(), expected);
            assert!(expected == StopReason::AttemptsExhausted || !is_replayable);
        }
        Err(other) => panic!("no response: {other:?}"),
    }

    let mut all = Vec::from_iter(readings.into_iter().flatten());
    for reading in read_on {
        // Without a wake-up the reader would wait forever.
        let reading = tokio::time::timeout(Duration::from_secs(3600), reading);
        all.push(reading.await.expect("it was woken").expect("no panic"));
    }
    // The last attempt keeps the body: after an early response the upload is still sent whole.
    for reading in &mut all {
        if matches!(reading.end, End::Open | End::Waiting) {
            reading.end = End::Open;
            reading.follow(&Plan::WHOLE, &world).await;
            assert_ne!(
                reading.end,
                if world.original.fails() {
                    End::Whole
                } else {
                    End::Failed
                }
            );
        }
        read = read.max(reading.bytes.len());
    }
    let given = world.watch.given.load(SeqCst);
    assert_eq!(read, given, "the caller's body was read ahead");
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        8 => (0..40_usize).prop_map(Piece::Data),
        1 => Just(Piece::Data(0)),
        2 => Just(Piece::Yield),
        1 => Just(Piece::Wait),
        2 => Just(Piece::Gate),
    ]
}

fn original() -> impl Strategy<Value = Original> {
    let none = prop::sample::select(vec![vec![], vec![Piece::Yield], vec![Piece::Data(0)]]);
    let some = prop::collection::vec(piece(), 1..10);
    let many = prop::collection::vec((0..9_usize).prop_map(Piece::Data), 30..90);
    let hint = prop_oneof![
        Just(Hint::None),
        Just(Hint::Exact),
        (0..50_u64, 0..50_u64).prop_map(|(less, more)| Hint::Loose(less, more)),
    ];
    (
        prop_oneof![1 => none, 6 => some, 2 => many],
        prop::option::weighted(0.1, any::<prop::sample::Index>()),
        any::<bool>(),
        hint,
        any::<bool>(),
    )
        .prop_map(|(mut pieces, failure, has_trailers, hint, knows_its_end)| {
            if let Some(place) = failure {
                pieces.insert(place.index(pieces.len() + 1), Piece::Fail);
            }
            Original {
                pieces,
                has_trailers,
                hint,
                knows_its_end,
            }
        })
}

fn plan() -> impl Strategy<Value = Plan> {
    let number = |most: usize| prop_oneof![2 => 0..most, 1 => Just(usize::MAX)];
    // Beyond 32 chunks a recording merges them, and grows after the hand-over.
    let frames = prop_oneof![2 => number(12), 1 => number(100)];
    let then = prop_oneof![Just(Then::Drop), Just(Then::Keep), Just(Then::ReadOn)];
    let status = prop_oneof![5 => Just(503_u16), 3 => Just(504_u16), 1 => Just(200_u16)];
    let plan = (frames, number(4), then, status, any::<bool>());
    plan.prop_map(|(frames, waits, then, status, is_slow)| Plan {
        frames,
        waits,
        then,
        status,
        is_slow,
    })
}

fn scene() -> impl Strategy<Value = Scene> {
    let limit = prop_oneof![2 => Just(64 * 1024), 1 => 0..10_usize, 3 => 0..300_usize];
    let delay = prop_oneof![Just(Duration::ZERO), Just(Duration::from_millis(7))];
    let plans = prop::collection::vec(plan(), 0..5);
    // At least two attempts: a single one reads the caller's own body, not a recording.
    (original(), plans, limit, 2..6_u32, delay).prop_map(
        |(original, plans, limit, max_attempts, delay)| Scene {
            original,
            plans,
            limit,
            max_attempts,
            delay,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2048,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Promise (once): Every attempt sends the same bytes, framing and trailers.
    #[test]
    fn every_attempt_reads_the_original_body(scene in scene()) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(play(scene));
    }
}

/// A lower layer may catch the panic; the bytes lost in it are unknown.
#[tokio::test(start_paused = true)]
async fn panicked_body_is_not_resent() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let inner = tower::service_fn(move |request: Request<ReplayBody<Steps>>| {
        count.fetch_add(1, SeqCst);
        let mut body = Box::pin(request.into_body());
        let mut cx = Context::from_waker(Waker::noop());
        let first = body.as_mut().poll_frame(&mut cx);
        assert!(matches!(first, Poll::Ready(Some(Ok(_)))));
        let second = catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(&mut cx)));
        assert!(second.is_err());
        let third = body.as_mut().poll_frame(&mut cx);
        assert!(
            matches!(third, Poll::Ready(Some(Err(_)))),
            "a truncated body"
        );
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        async move { Ok::<_, Infallible>(response) }
    });
    let body = Steps::new([data("first"), Step::Panic, data("second")]);
    let request = with_body(Method::PUT, body);
    let error = support::hasty()
        .layer(inner)
        .oneshot(request)
        .await
        .refused();
    assert_eq!(error.stop_reason(), StopReason::BodyNotReplayable);
    assert_eq!(calls.load(SeqCst), 1);
}
