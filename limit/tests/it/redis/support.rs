//! Processes that share an account, a log to read, and a slow way to Redis.

use std::{
    future::Future,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use revio_status::{BoxError, Cooldown, RevioStatusLayer, StatusError};
use revio_status_limit::{Account, CooldownSync, LimitLayer, Quota};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixStream},
    time::{sleep, timeout},
};
use tower::{Layer, ServiceExt, service_fn};
use tracing::subscriber::DefaultGuard;

use super::server::{RedisServer, command};
use crate::support::{Api, MS, SECOND, get, refused, send};

pub const ACCOUNT: &str = "acme & sons";
pub const LIMIT: &str = "revio:{75af65ffc3913b3ebe1f8666cc870314}:limit:2";
pub const COOLDOWN: &str = "revio:{75af65ffc3913b3ebe1f8666cc870314}:cooldown:2";

/// A `redis_timeout` that a busy machine does not reach.
pub const PATIENT: Duration = Duration::from_secs(5);

pub async fn bounded<F: Future>(future: F) -> F::Output {
    timeout(60 * SECOND, future).await.expect("within a minute")
}

/// Checks again and again.
pub async fn until(is_true: impl Fn() -> bool) {
    bounded(async {
        while !is_true() {
            sleep(2 * MS).await;
        }
    })
    .await;
}

pub fn account(url: &str) -> Account {
    Account::new(redis::Client::open(url).expect("a URL"), ACCOUNT)
}

/// 98 turns a second: one each 10.2 ms, two of them in advance.
pub fn quick() -> Quota {
    Quota::new(100, SECOND)
}

/// One of three processes.
pub fn layer(url: &str, quota: Quota) -> LimitLayer {
    LimitLayer::new(quota)
        .shared(&account(url), 3)
        .redis_timeout(PATIENT)
}

/// A process that has found Redis, which has forgotten all turns.
pub async fn connected(url: &str, quota: Quota) -> LimitLayer {
    let layer = layer(url, quota);
    connect(&layer).await;
    command(url, &["DEL", LIMIT]);
    layer
}

pub async fn connect(layer: &LimitLayer) {
    turn(layer).await.expect("its own share");
    until(|| layer.is_shared()).await;
}

/// Waits for a turn, and sends nothing.
pub async fn turn(layer: &LimitLayer) -> Result<(), StatusError> {
    turn_for(layer, get("/")).await
}

pub async fn turn_for(layer: &LimitLayer, request: Request<()>) -> Result<(), StatusError> {
    match send(layer, &Api::default(), request).await {
        Ok(()) => Ok(()),
        error => Err(refused(error)),
    }
}

/// Returns the seconds until the next turn; `None` if it is in time, and used.
pub async fn next_turn(layer: &LimitLayer) -> Option<u64> {
    let error = bounded(turn(layer)).await.err()?;
    Some(error.retry_after()?.as_secs())
}

/// Three processes that send to one server.
pub struct Fleet {
    pub api: Api,
    pub layers: Vec<LimitLayer>,
    sent: usize,
}

impl Fleet {
    pub fn new(url: &str, redis_timeout: Duration) -> Self {
        let layer = |_| layer(url, quick()).redis_timeout(redis_timeout);
        Self {
            api: Api::default(),
            layers: (0..3).map(layer).collect(),
            sent: 0,
        }
    }

    pub async fn connected(url: &str, redis_timeout: Duration) -> Self {
        let mut fleet = Self::new(url, redis_timeout);
        fleet.send_until_shared(true).await;
        fleet
    }

    /// Sends so many requests from each process at once. None is refused, lost or sent twice.
    pub async fn send(&mut self, each: usize) {
        let numbers = self.sent..self.sent + 3 * each;
        self.sent = numbers.end;
        let send = |number: usize| {
            let layer = &self.layers[number % 3];
            let request = get(&format!("/{number}"));
            send(layer, &self.api, request)
        };
        for result in bounded(join_all(numbers.map(send))).await {
            result.expect("200");
        }
        let mut paths = self.api.paths();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(
            (paths.len(), self.api.calls().len()),
            (self.sent, self.sent)
        );
    }

    pub fn shared(&self) -> usize {
        let shared = self.layers.iter().filter(|layer| layer.is_shared());
        shared.count()
    }

    /// Goes on until all processes share the limit, or none does.
    pub async fn send_until_shared(&mut self, is_shared: bool) {
        let count = if is_shared { 3 } else { 0 };
        bounded(async {
            while self.shared() != count {
                self.send(1).await;
            }
        })
        .await;
    }

    pub async fn send_for(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.send(1).await;
        }
    }

    /// A process that keeps to its own share sends a call every 30.6 ms.
    pub async fn assert_own_shares(&mut self) {
        let start = Instant::now();
        self.send(6).await;
        assert!(start.elapsed() >= 150 * MS, "{:?}", start.elapsed());
        assert_eq!(self.shared(), 0);
    }
}

/// A process that listens for cool-downs.
pub fn listen(url: &str) -> (Cooldown, CooldownSync) {
    let cooldown = Cooldown::default();
    let sync = CooldownSync::new(&account(url), &cooldown);
    (cooldown, sync)
}

/// Lets a server respond to this process with a status and a time to wait, and the layer report it.
pub async fn respond(cooldown: &Cooldown, sync: &CooldownSync, status: u16, seconds: u64) {
    respond_to_all(cooldown, sync, status, &[seconds * 1_000]).await;
}

/// The same for requests that are in flight together: each response comes 20 ms after the one before.
pub async fn respond_to_all(cooldown: &Cooldown, sync: &CooldownSync, status: u16, millis: &[u64]) {
    let reporter = sync.clone();
    let layer = RevioStatusLayer::new()
        .cooldown(cooldown.clone())
        .on_event(move |event| reporter.on_event(event));
    let requests = millis.iter().zip(0_u32..).map(|(millis, number)| {
        let service = service_fn(move |_: Request<_>| async move {
            sleep(number * 20 * MS).await;
            let response = Response::builder().status(status);
            let response = response.header("retry-after-ms", *millis);
            response
                .body(Full::<Bytes>::default())
                .map_err(BoxError::from)
        });
        let request = Request::post("http://api.test/v1/Notes").body(Full::<Bytes>::default());
        layer.layer(service).oneshot(request.expect("valid"))
    });
    for result in join_all(requests).await {
        result.map(drop).expect_err("asked to wait");
    }
}

pub fn remaining(cooldown: &Cooldown) -> Option<Duration> {
    Some(cooldown.until()?.saturating_duration_since(Instant::now()))
}

/// Waits until so many processes listen, and have read the key.
pub async fn listeners(redis: &RedisServer, count: i64) {
    let expected = redis::Value::Int(count);
    until(|| match redis.command(&["PUBSUB", "NUMSUB", COOLDOWN]) {
        redis::Value::Array(response) => response.last() == Some(&expected),
        _ => false,
    })
    .await;
    look(redis, count).await;
}

/// Tells the listeners to read the key, and waits until each has read it twice.
pub async fn look(redis: &RedisServer, count: i64) {
    let count = u32::try_from(count).expect("a few");
    let before = redis.calls("get");
    for _ in 0..3 {
        redis.command(&["PUBLISH", COOLDOWN, ""]);
    }
    until(|| redis.calls("get") >= before + 3 * count).await;
}

/// What was logged on this thread while this lives.
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Log {
    pub fn start() -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let writer = text.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || Writer(writer.clone()))
            .finish();
        Self {
            text,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no panic")).into_owned()
    }

    /// Returns how many lines at this level contain the words.
    pub fn count(&self, level: &str, words: &str) -> usize {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(level));
        lines.filter(|line| line.contains(words)).count()
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A way to Redis that delays the bytes to it (`true`) or from it.
pub async fn detour<F>(redis: &RedisServer, delay: F) -> String
where
    F: Fn(bool, &[u8]) -> Duration + Clone + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let url = format!("redis://{}", listener.local_addr().expect("bound"));
    let socket = redis.socket();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = UnixStream::connect(&socket).await.expect("it runs");
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let (to, from) = (delay.clone(), delay.clone());
            tokio::spawn(carry(from_client, to_server, move |bytes| to(true, bytes)));
            tokio::spawn(carry(from_server, to_client, move |bytes| {
                from(false, bytes)
            }));
        }
    });
    url
}

async fn carry<R, W>(mut from: R, mut to: W, delay: impl Fn(&[u8]) -> Duration)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        sleep(delay(&bytes[..count])).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
