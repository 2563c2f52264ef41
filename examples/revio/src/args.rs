//! The command line, read before anything is sent. What it does not understand it repeats, but for
//! bodies, headers, paths and words too many: there may be a secret in the wrong place.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    time::Duration,
};

use http::{
    HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use lexopt::{Arg, Parser};

use super::account::SUBSCRIPTION_KEY;

pub const HELP: &str = "\
Sends one request to the Rev.io API.

Usage: revio [OPTIONS] <METHOD> <PATH>

  revio GET /v1/Customers/1001
  revio POST /v1/Notes --data '{\"customer_id\": 1001, \"body\": \"Called.\"}'

Options:
      --data <TEXT>          Body of the request
      --data-file <PATH>     Body of the request, streamed from disk; - is standard input
      --header <NAME: VALUE> One more header; may be repeated
      --idempotent           Sending this request twice does no harm: retry it like a GET
      --retry-429            Retry 429 Too Many Requests, beside 503 and 504
      --max-attempts <N>     Attempts in all, the first included [default: 3]
      --deadline <SECONDS>   Plan no retry beyond this time [default: 90]
      --no-hold              Send nothing, and end with 3, while the account is asked to be quiet
                             [default: wait for up to 60 s]
  -v, --verbose              Tell on standard error of each attempt and retry
  -h, --help                 Print this
      --version              Print the version

A body is sent as application/json unless --header says otherwise. Beyond 64 KiB it is sent once.

Environment:
  REVIO_BASE_URL             [default: https://restapi.rev.io]; http:// on this machine only
  REVIO_USERNAME, REVIO_CLIENT_CODE, REVIO_PASSWORD, REVIO_SUBSCRIPTION_KEY
  XDG_STATE_HOME             Where one command tells the next until when the account is asked to be
                             quiet [default: ~/.local/state]
  SSL_CERT_FILE, SSL_CERT_DIR  Whom to trust [default: whom the operating system trusts]

Exit codes:
  0  The server did it. Its answer is on standard output.
  1  Wrong usage, settings or file: nothing was sent.
  2  Refused (4xx, 501, a redirect): repeating it will not help.
  3  Not now (429, quota, 5xx): repeating it does no harm. Come back later.
  4  Unknown: it may have been applied. Look before you repeat it.
  5  No answer: repeating it does no harm.
  6  The server did it, but its answer broke off or could not be written.
";

/// Methods are case-sensitive: a `get` would be a method of its own, and never be retried.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

pub enum Command {
    Help,
    Version,
    Send(Box<Args>),
}

pub struct Args {
    pub method: Method,
    /// With its query.
    pub path: String,
    pub data: Option<Data>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub is_idempotent: bool,
    pub is_429_retried: bool,
    pub is_never_held: bool,
    pub max_attempts: u32,
    pub deadline: Duration,
    pub is_verbose: bool,
}

pub enum Data {
    Text(String),
    File(PathBuf),
    Stdin,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            method: Method::GET,
            path: String::new(),
            data: None,
            headers: Vec::new(),
            is_idempotent: false,
            is_429_retried: false,
            is_never_held: false,
            max_attempts: 3,
            deadline: Duration::from_secs(90),
            is_verbose: false,
        }
    }
}

/// # Errors
///
/// What is wrong, in words for the user.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_args(args);
    let mut parsed = Args::default();
    let mut words = Vec::new();
    while let Some(arg) = parser.next().map_err(explain)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("version") => return Ok(Command::Version),
            Arg::Short('v') | Arg::Long("verbose") => parsed.is_verbose = true,
            Arg::Long("idempotent") => parsed.is_idempotent = true,
            Arg::Long("no-hold") => parsed.is_never_held = true,
            Arg::Long("retry-429") => parsed.is_429_retried = true,
            Arg::Long("data") => {
                let text = text(parser.value(), "--data")?;
                set_data(&mut parsed, Data::Text(text))?;
            }
            Arg::Long("data-file") => {
                let path = parser.value().map_err(explain)?;
                let data = match path.to_str() {
                    Some("-") => Data::Stdin,
                    _ => Data::File(path.into()),
                };
                set_data(&mut parsed, data)?;
            }
            Arg::Long("header") => parsed
                .headers
                .push(header(&text(parser.value(), "--header")?)?),
            Arg::Long("max-attempts") => {
                parsed.max_attempts = number(parser.value(), "--max-attempts")?;
            }
            Arg::Long("deadline") => {
                let seconds = number(parser.value(), "--deadline")?;
                parsed.deadline = Duration::from_secs(seconds.into());
            }
            Arg::Value(word) => words.push(word),
            Arg::Short(_) | Arg::Long(_) => return Err(explain(arg.unexpected())),
        }
    }
    let words: Result<[OsString; 2], _> = words.try_into();
    let [method, path] = words.map_err(|words| {
        let number = words.len();
        format!("expected two words, a method and a path, not {number}")
    })?;
    parsed.method = known_method(&method)?;
    parsed.path = checked_path(path)?;
    Ok(Command::Send(Box::new(parsed)))
}

fn known_method(word: &OsString) -> Result<Method, String> {
    let known = METHODS.iter().find(|method| word == method.as_str());
    known.cloned().ok_or_else(|| {
        let names: Vec<_> = METHODS.iter().map(Method::as_str).collect();
        format!(
            "unknown method {}; it must be one of {}",
            shown(word),
            names.join(", ")
        )
    })
}

/// A whole URL could lead the credentials to somebody else.
fn checked_path(word: OsString) -> Result<String, String> {
    match word.into_string() {
        // What follows would not be sent, and the rest could mean another record.
        Ok(path) if path.contains('#') => Err("the path cannot have a #: write it as %23".into()),
        Ok(path) if path.starts_with('/') => Ok(path),
        _ => Err("the path must begin with a slash; REVIO_BASE_URL says where it is".into()),
    }
}

fn set_data(args: &mut Args, data: Data) -> Result<(), String> {
    match args.data.replace(data) {
        None => Ok(()),
        Some(_) => Err("a request has one body: --data or --data-file, once".into()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("--header: expected 'Name: value'")?;
    let name: HeaderName = name.parse().map_err(|_| "--header: not a header's name")?;
    let mut value: HeaderValue = value
        .trim()
        .parse()
        .map_err(|_| format!("--header {name}: not a header's value"))?;
    if name == AUTHORIZATION || name == SUBSCRIPTION_KEY {
        return Err(format!("--header {name}: comes from the environment"));
    }
    if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
        return Err(format!("--header {name}: follows from the body"));
    }
    value.set_sensitive(true); // nobody but its user knows
    Ok((name, value))
}

fn number(value: Result<OsString, lexopt::Error>, option: &str) -> Result<u32, String> {
    let value = value.map_err(explain)?;
    let number = value.to_str().and_then(|text| text.parse().ok());
    number
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("{option} {}: not a number from 1 on", shown(&value)))
}

/// A word as it can be printed: nothing that moves a cursor, and its beginning alone if it is long.
fn shown(word: &OsStr) -> String {
    const LONGEST: usize = 20;
    let text = word.to_string_lossy();
    let safe = |c: char| if c.is_control() { '?' } else { c };
    let start = text.chars().map(safe).take(LONGEST);
    let more = if text.chars().count() > LONGEST {
        "…"
    } else {
        ""
    };
    start.chain(more.chars()).collect()
}

fn text(value: Result<OsString, lexopt::Error>, option: &str) -> Result<String, String> {
    let value = value.map_err(explain)?;
    let not_text = |_| format!("{option}: not valid UTF-8");
    value.into_string().map_err(not_text)
}

/// Without the values that lexopt's own words repeat.
fn explain(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::MissingValue {
            option: Some(option),
        } => format!("{option}: a value is missing"),
        lexopt::Error::UnexpectedOption(option) => {
            format!("unknown option {}", shown(option.as_ref()))
        }
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option}: takes no value"),
        _ => "unreadable arguments".into(),
    }
}
