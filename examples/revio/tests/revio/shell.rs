//! A shell to run commands in: its variables, its screen, and the server that it calls.

use std::{
    collections::HashMap,
    ffi::OsString,
    future::Future,
    io::{self, Write},
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use http::Response;
use revio_status::RevioStatusLayer;
use tokio::time::timeout;
use tracing_subscriber::{filter::dynamic_filter_fn, layer::SubscriberExt};

use revio::{
    Console, Exit, Screen,
    account::Account,
    args::{self, Args, Command},
    run,
    stack::{self, Limits},
};

use crate::{
    server::Api,
    support::{AnyBody, wire::Server},
};

pub const PASSWORD: &str = "s3cret:pässword";
pub const KEY: &str = "0123-subscription-key";
/// `ada@acme:s3cret:pässword`, in Base64.
pub const BASIC: &str = "Basic YWRhQGFjbWU6czNjcmV0OnDDpHNzd29yZA==";
pub const NOTE: &str = r#"{"customer_id": 7, "body": "Called."}"#;

/// A shell: variables, and what a command left on its screen.
pub struct Shell {
    pub env: HashMap<&'static str, OsString>,
    pub is_terminal: bool,
}

pub struct Outcome {
    pub exit: Exit,
    pub out: String,
    pub err: String,
}

#[derive(Clone, Default)]
pub struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    pub fn text(&self) -> String {
        let bytes = self.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }
}

/// tracing keeps what it is told about an event by the thread that comes to it first. Where nobody
/// listens that is "never", and the one test whose command listens would miss it.
fn stay_undecided_about_events() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let nobody_yet = tracing_subscriber::registry().with(dynamic_filter_fn(|_, _| false));
        tracing::subscriber::set_global_default(nobody_yet).expect("the first");
    });
}

impl Shell {
    pub fn at(base: String) -> Self {
        stay_undecided_about_events();
        let env = HashMap::from([
            ("REVIO_BASE_URL", base.into()),
            ("REVIO_USERNAME", "ada".into()),
            ("REVIO_CLIENT_CODE", "acme".into()),
            ("REVIO_PASSWORD", PASSWORD.into()),
            ("REVIO_SUBSCRIPTION_KEY", KEY.into()),
        ]);
        Self {
            env,
            is_terminal: false,
        }
    }

    pub fn account(&self) -> Account {
        Account::from_env(|name| self.env.get(name).cloned()).expect("complete")
    }

    pub fn client(&self, limits: &Limits) -> stack::Client {
        let layer = RevioStatusLayer::new();
        stack::client(&self.account(), layer, limits).expect("HTTP needs no roots")
    }

    /// Runs a command, and sees to it that no secret is on the screen.
    pub async fn run(&self, args: &[&str]) -> Outcome {
        let (out, err) = (Paper::default(), Paper::default());
        let mut console = Console {
            out: Box::new(out.clone()),
            err: Screen::new(err.clone()),
            is_terminal: self.is_terminal,
        };
        let env = |name: &str| self.env.get(name).cloned();
        let exit = bounded(run(args.iter().map(OsString::from), env, &mut console)).await;
        let (out, err) = (out.text(), err.text());
        for secret in [PASSWORD, KEY, BASIC, &BASIC[6..]] {
            assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
        }
        Outcome { exit, out, err }
    }
}

/// What hangs, fails. On the paused clock that is soon.
pub async fn bounded<F: Future>(test: F) -> F::Output {
    const HOUR: Duration = Duration::from_secs(3600);
    timeout(HOUR, test).await.expect("it hangs")
}

pub fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

pub async fn quickstart() -> (Api, Shell) {
    let api = Api::start().await.expect("loopback");
    let shell = Shell::at(api.uri(""));
    (api, shell)
}

/// Runs a command against a server that has this answer only.
pub async fn against<const N: usize>(
    args: [&str; N],
    answer: impl Fn() -> Response<AnyBody> + Clone + Send + Sync + 'static,
) -> Outcome {
    let server = Server::start(move |_| {
        let answer = answer();
        async move { answer }
    })
    .await;
    Shell::at(server.uri("")).run(&args).await
}

pub fn parsed<const N: usize>(args: [&str; N]) -> Args {
    match args::parse(args.map(OsString::from)) {
        Ok(Command::Send(args)) => *args,
        _ => panic!("a request was meant"),
    }
}

#[track_caller]
pub fn assert_fails(outcome: &Outcome, exit: Exit, line: &str) {
    assert_eq!((outcome.exit, &*outcome.err), (exit, line));
    assert_eq!(
        outcome.out, "",
        "of a failure nothing goes to standard output"
    );
}
