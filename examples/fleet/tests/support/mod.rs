//! What the tests share: a Redis of their own, a log to read, and processes that send.

#![allow(dead_code)] // every test binary uses its own part of it

pub mod program;

use std::{
    convert::Infallible,
    future::ready,
    io::{self, Write as _},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use fleet::{
    redis_server::RedisServer,
    server::Api,
    shared::{Account, Limit, Quiet, Settings},
    stack::{Client, Parts, post},
};
use futures_util::future::join_all;
use http::Request;
use revio_status::{Cooldown, StatusError};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixStream},
    time::{sleep, timeout},
};
use tower::{Layer, ServiceExt, service_fn};
use tracing::subscriber::DefaultGuard;

/// Long enough for any machine: only a test that fails waits for it.
const EVER: Duration = Duration::from_secs(60);

pub const ACCOUNT: &str = "acme & sons";

/// Where redis-server is not installed: loudly nothing.
pub fn redis(options: &[&str]) -> Option<RedisServer> {
    match RedisServer::start(options) {
        Ok(server) => Some(server),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Past the harness, which keeps to itself what a test that passes has printed.
            let warning = "WARNING: redis-server is not installed: this test tests nothing.";
            let _ = writeln!(io::stderr(), "{warning}");
            None
        }
        Err(error) => panic!("redis-server: {error}"),
    }
}

pub async fn bounded<F: Future>(future: F) -> F::Output {
    timeout(EVER, future).await.expect("it never ends")
}

/// Looks again and again.
pub async fn until(what: impl Fn() -> bool) {
    bounded(async {
        while !what() {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Sends a command to the server, past everything under test.
pub fn command(url: &str, words: &[&str]) -> redis::Value {
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("it runs");
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut connection).expect("it can do that")
}

/// How often a script was sent.
pub fn scripts(url: &str) -> u32 {
    commands(url, "eval")
}

pub fn commands(url: &str, name: &str) -> u32 {
    let stats = format!("{:?}", command(url, &["INFO", "commandstats"]));
    let calls = stats.split(&format!("cmdstat_{name}:calls=")).nth(1);
    let calls = calls.and_then(|calls| calls.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

/// `STOP` or `CONT`.
pub fn signal(server: &RedisServer, name: &str) {
    let id = server.id().expect("it runs").to_string();
    let status = Command::new("kill").args([format!("-{name}"), id]).status();
    assert!(status.expect("kill").success());
}

pub fn account(url: &str) -> Account {
    Account::new(redis::Client::open(url).expect("a URL"), ACCOUNT)
}

/// A patience with Redis that a busy machine does not try.
pub const PATIENT: Duration = Duration::from_secs(5);

/// 100 calls a second, three processes, and patience.
pub fn settings(cooldown: &Cooldown) -> Settings {
    Settings {
        calls: 100,
        per: Duration::from_secs(1),
        answer: PATIENT,
        ..Settings::new(3, cooldown.clone())
    }
}

/// Waits for a turn, and sends nothing.
pub async fn turn(limit: &Limit, request: Request<()>) -> Result<(), StatusError> {
    let service = limit.layer(service_fn(|_| ready(Ok::<_, Infallible>(()))));
    let turn = service.oneshot(request).await;
    turn.map_err(|error| *error.downcast().expect("ours"))
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
        String::from_utf8_lossy(&self.text.lock().expect("whole")).into_owned()
    }

    /// How often something was said at WARN.
    pub fn warnings(&self, of: &str) -> usize {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(" WARN "));
        lines.filter(|line| line.contains(of)).count()
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A process, as far as Redis and the server can tell, and its limit.
pub async fn process(url: &str, answer: Duration) -> (Parts, Limit) {
    let cooldown = Cooldown::default();
    let settings = Settings {
        answer,
        ..settings(&cooldown)
    };
    let limit = Limit::shared(settings, &account(url)).await;
    let quiet = Quiet::shared(&account(url), cooldown.clone());
    let parts = Parts {
        cooldown,
        limit: Some(limit.clone()),
        quiet: Some(quiet),
    };
    (parts, limit)
}

/// Three processes, as far as Redis and the server can tell, and a server that refuses nothing.
pub struct Fleet {
    pub api: Api,
    pub limits: Vec<Limit>,
    clients: Vec<Client>,
    made: Vec<String>,
}

impl Fleet {
    pub async fn start(url: &str, answer: Duration) -> Self {
        let api = Api::start(u32::MAX, Duration::from_secs(3600)).await;
        let mut fleet = Self {
            api: api.expect("loopback"),
            limits: Vec::new(),
            clients: Vec::new(),
            made: Vec::new(),
        };
        for _ in 0..3 {
            let (parts, limit) = process(url, answer).await;
            fleet.limits.push(limit);
            fleet.clients.push(parts.client(|_| {}));
        }
        fleet
    }

    /// Each process posts so many notes at once. All are made: nothing is lost on these ways.
    pub async fn post(&mut self, each: usize) {
        let first = self.made.len();
        let notes = first..first + 3 * each;
        let requests = notes.map(|number| {
            let client = self.clients[number % 3].clone();
            post(client, self.api.address(), number.to_string())
        });
        for (index, result) in bounded(join_all(requests)).await.into_iter().enumerate() {
            result.unwrap_or_else(|error| panic!("note {}: {error}", first + index));
            self.made.push((first + index).to_string());
        }
    }

    /// Goes on until every process shares the limit, or none does.
    pub async fn post_until_shared(&mut self, is_shared: bool) {
        bounded(async {
            while self
                .limits
                .iter()
                .any(|limit| limit.is_shared() != is_shared)
            {
                self.post(1).await;
            }
        })
        .await;
    }

    /// Goes on until a process has looked for Redis in vain so often.
    pub async fn post_until_in_vain(&mut self, log: &Log, count: usize) {
        bounded(async {
            while log.text().matches("still no Redis").count() < count {
                self.post(1).await;
            }
        })
        .await;
    }

    /// No note is lost, and none made twice.
    pub fn balance(&self) {
        let mut notes: Vec<String> = self.api.notes().iter().map(note).collect();
        let mut made = self.made.clone();
        notes.sort_unstable();
        made.sort_unstable();
        assert_eq!(notes, made);
    }
}

fn note(body: &bytes::Bytes) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).expect("a note");
    body["note"].as_str().expect("a note").to_owned()
}

/// A way to Redis on which what goes to it (true), or comes from it, can be late.
pub async fn detour<F>(redis: &RedisServer, late: F) -> String
where
    F: Fn(bool, &[u8]) -> Duration + Clone + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let url = format!("redis://{}", listener.local_addr().expect("bound"));
    let socket = redis.url().replace("redis+unix://", "");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = UnixStream::connect(&socket).await.expect("it runs");
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let (to, from) = (late.clone(), late.clone());
            tokio::spawn(carry(from_client, to_server, move |bytes| to(true, bytes)));
            tokio::spawn(carry(from_server, to_client, move |bytes| {
                from(false, bytes)
            }));
        }
    });
    url
}

async fn carry<R, W>(mut from: R, mut to: W, late: impl Fn(&[u8]) -> Duration)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        sleep(late(&bytes[..count])).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
