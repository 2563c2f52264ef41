//! A client for the shell: one request to a real account, through the stack for production.
//!
//! ```console
//! $ export REVIO_USERNAME=… REVIO_CLIENT_CODE=… REVIO_PASSWORD=… REVIO_SUBSCRIPTION_KEY=…
//! $ cargo run -p revio -- GET /v1/Customers/1001
//! ```
//!
//! `stack.rs` is the part to copy; `--help` lists options and exit codes.

pub mod account;
pub mod args;
pub mod countdown;
pub mod quiet;
pub mod report;
pub mod stack;

use std::{
    ffi::OsString,
    io::{self, Write},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{
    HeaderValue, Request, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use revio_status::{BoxError, Idempotent, RevioStatusLayer, StandardPolicy};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt},
};
use tokio_util::io::ReaderStream;
use tower::ServiceExt;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt};

use account::Account;
use args::{Args, Command, Data};
use countdown::Waits;
use quiet::Quiet;
use report::Sent;
use stack::{Answer, Body, Limits};

pub use report::Exit;

/// Where it all goes.
pub struct Console {
    pub out: Box<dyn Write>,
    pub err: Screen,
    /// Whether somebody watches `err`.
    pub is_terminal: bool,
}

/// Standard error, or what stands for it: shared by the trace, the countdown and the last line.
#[derive(Clone)]
pub struct Screen(Arc<Mutex<dyn Write + Send>>);

impl Screen {
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.flush()
    }
}

/// The whole program, apart from the process around it.
pub async fn run(
    args: impl IntoIterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
    console: &mut Console,
) -> Exit {
    let args = match args::parse(args) {
        Ok(Command::Send(args)) => args,
        Ok(Command::Help) => {
            let _ = console.out.write_all(args::HELP.as_bytes());
            return Exit::Done;
        }
        Ok(Command::Version) => {
            let _ = writeln!(console.out, "revio {}", env!("CARGO_PKG_VERSION"));
            return Exit::Done;
        }
        Err(error) => {
            let _ = writeln!(console.err, "revio: {error} (see --help)");
            return Exit::Unsent;
        }
    };
    let _trace = args.is_verbose.then(|| trace_to(console.err.clone()));
    let limits = Limits {
        deadline: args.deadline,
        ..Limits::default()
    };
    let prepared = async {
        let account = Account::from_env(&env)?;
        let request = request(&args, &account).await?;
        Ok::<_, String>((account, request))
    };
    let (exit, line) = match prepared.await {
        Ok((account, request)) => {
            let quiet = Quiet::of(&account, env);
            let (exit, line) = send(&args, &account, quiet, request, &limits, console).await;
            (exit, account.redact(&line))
        }
        Err(error) => (Exit::Unsent, error),
    };
    if exit != Exit::Done {
        let _ = writeln!(console.err, "revio: {line}");
    }
    exit
}

/// Two targets and no more: other crates' events may show headers.
fn trace_to(screen: Screen) -> tracing::subscriber::DefaultGuard {
    let ours = Targets::new()
        .with_target("revio", tracing::Level::DEBUG)
        .with_target("revio_status", tracing::Level::DEBUG);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(move || screen.clone());
    let subscriber = tracing_subscriber::registry().with(lines).with(ours);
    tracing::subscriber::set_default(subscriber)
}

pub async fn request(args: &Args, account: &Account) -> Result<Request<Body>, String> {
    let (body, length) = match &args.data {
        None => (whole(Empty::new()), None),
        Some(Data::Text(text)) => (whole(Full::from(text.clone())), None),
        Some(Data::File(path)) => {
            let unreadable = |error| format!("--data-file: {error}");
            from_disk(path).await.map_err(unreadable)?
        }
        Some(Data::Stdin) => (streamed(tokio::io::stdin()), None),
    };
    let mut request = Request::new(body);
    *request.method_mut() = args.method.clone();
    *request.uri_mut() = account.uri(&args.path)?;
    if args.is_idempotent {
        request.extensions_mut().insert(Idempotent(true));
    }
    let headers = request.headers_mut();
    headers.extend(length.map(|length| (CONTENT_LENGTH, HeaderValue::from(length))));
    for (name, value) in &args.headers {
        headers.append(name, value.clone());
    }
    if args.data.is_some() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(request)
}

fn whole<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
{
    body.map_err(|never| match never {}).boxed()
}

/// Read while it is sent. Its length goes ahead where there is one: a pipe has none. What is added
/// to the file meanwhile stays behind.
async fn from_disk(path: &std::path::Path) -> io::Result<(Body, Option<u64>)> {
    let file = File::open(path).await?;
    let metadata = file.metadata().await?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let length = metadata.is_file().then_some(metadata.len());
    Ok((streamed(file.take(length.unwrap_or(u64::MAX))), length))
}

fn streamed(reader: impl AsyncRead + Send + Sync + 'static) -> Body {
    let chunks = ReaderStream::new(reader);
    let frames = chunks.map_ok(Frame::data).map_err(BoxError::from);
    StreamBody::new(frames).boxed()
}

async fn send(
    args: &Args,
    account: &Account,
    quiet: Quiet,
    request: Request<Body>,
    limits: &Limits,
    console: &mut Console,
) -> (Exit, String) {
    let mut policy = StandardPolicy::default().max_attempts(args.max_attempts);
    if args.is_429_retried {
        policy = policy.retry_on(StatusCode::TOO_MANY_REQUESTS);
    }
    if args.is_never_held {
        policy = policy.max_hold(Duration::ZERO);
    }
    let quiet = Arc::new(quiet);
    let waits = Waits::new(quiet.clone());
    let countdown = waits.countdown();
    let layer = RevioStatusLayer::new()
        .policy(policy)
        .cooldown(quiet.cooldown.clone())
        .on_event(move |event| waits.note(event));
    let client = match stack::client(account, layer, limits) {
        Ok(client) => client,
        Err(error) => {
            let line = format!("nobody to trust (see SSL_CERT_FILE in --help): {error}");
            return (Exit::Unsent, line);
        }
    };
    let call = client.oneshot(request);
    let result = if console.is_terminal {
        let result = tokio::select! {
            biased; // an answer first: no countdown for a retry that was refused
            result = call => result,
            () = countdown.show(console.err.clone()) => unreachable!("it never ends"),
        };
        countdown::clear(&mut console.err);
        result
    } else {
        call.await
    };
    let sent = Sent::new(&args.method, args.is_idempotent);
    match result {
        Ok(answer) if answer.status().is_success() => print(answer, &mut console.out).await,
        Ok(answer) => report::of_redirect(sent, &answer),
        Err(error) => report::of_error(account, sent, quiet.cause(), error),
    }
}

/// As it arrives: some answers are long, and some are PDFs.
async fn print(answer: Answer, out: &mut dyn Write) -> (Exit, String) {
    let (head, body) = answer.into_parts();
    let mut body = pin!(body);
    let lost = |what, error: BoxError| {
        let cause = report::causes(&*error);
        let line = format!("{}, but its answer {what}: {cause}", head.status);
        (Exit::AnswerLost, line)
    };
    while let Some(frame) = body.frame().await {
        let written = match frame.map(Frame::into_data) {
            Ok(Ok(data)) => out.write_all(&data),
            Ok(Err(_trailers)) => Ok(()),
            Err(error) => return lost("broke off", error),
        };
        if let Err(error) = written {
            return lost("could not be written", error.into());
        }
    }
    match out.flush() {
        Ok(()) => (Exit::Done, String::new()),
        Err(error) => lost("could not be written", error.into()),
    }
}
