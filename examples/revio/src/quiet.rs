//! What the account was told in answer to an earlier command. Each command is a process of its own,
//! and a 429 speaks to all of them: a small file hands on what it said.

use std::{
    ffi::OsString,
    fmt, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use revio_status::{Cooldown, Event};
use tokio::time::Instant;

use super::account::Account;

/// As long as a cool-down lasts by default: what is further away, some clock got wrong.
const LONGEST: Duration = Duration::from_secs(300);

/// An answer that asked for quiet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    status: StatusCode,
    at: SystemTime,
    until: SystemTime,
}

/// `a 429 at 14:03:11 GMT`
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = httpdate::fmt_http_date(self.at);
        let time = date.get(17..).unwrap_or_default();
        write!(f, "a {} at {time}", self.status.as_str())
    }
}

pub struct Quiet {
    /// The account's.
    pub cooldown: Cooldown,
    file: Option<PathBuf>,
    told: Mutex<Option<Told>>,
}

impl Quiet {
    /// Goes on with what an earlier command was told.
    pub fn of(account: &Account, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let file = directory(env).map(|directory| directory.join(name(account)));
        let told = file.as_deref().and_then(read);
        let cooldown = Cooldown::default();
        if let Some((told, left)) = told.and_then(|told| Some((told, told.left()?))) {
            cooldown.begin(told.status, (Instant::now() + left).into_std());
        }
        let told = Mutex::new(told);
        Self {
            cooldown,
            file,
            told,
        }
    }

    /// Why the account is to be quiet.
    pub fn cause(&self) -> Option<Told> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands on what an answer says. Where that fails the next command asks the server itself.
    pub fn note(&self, event: &Event<'_>) {
        let Event::CooldownBegan { status, until, .. } = event else {
            return;
        };
        let left = until.saturating_duration_since(Instant::now().into_std());
        let at = SystemTime::now();
        let told = Told {
            status: *status,
            at,
            until: at + left,
        };
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
        if let Some(file) = &self.file {
            let longer = read(file).is_none_or(|before| before.until < told.until);
            if longer {
                let _ = write(file, told);
            }
        }
    }
}

impl Told {
    fn left(self) -> Option<Duration> {
        let left = self.until.duration_since(SystemTime::now()).ok()?;
        (left <= LONGEST).then_some(left)
    }
}

/// Where programs keep what they want to find again, by the XDG base directory specification.
fn directory(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| {
        env(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME");
    let state = state.or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(state?.join("revio"))
}

/// One for each account. Names neither it nor its user.
fn name(account: &Account) -> String {
    let mut hasher = DefaultHasher::new();
    account.name().hash(&mut hasher);
    format!("quiet-{:016x}", hasher.finish())
}

fn read(file: &Path) -> Option<Told> {
    let text = fs::read_to_string(file).ok()?;
    let mut words = text.split_whitespace();
    let status = words.next()?.parse().ok().filter(|s| *s >= 400)?;
    let mut time = || {
        let millis = words.next()?.parse().ok()?;
        UNIX_EPOCH.checked_add(Duration::from_millis(millis))
    };
    Some(Told {
        status: StatusCode::from_u16(status).ok()?,
        at: time()?,
        until: time()?,
    })
}

/// Nobody reads half of it.
fn write(file: &Path, told: Told) -> io::Result<()> {
    let millis = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_nanos().div_ceil(1_000_000)
    };
    let status = told.status.as_str();
    let text = format!("{status} {} {}\n", millis(told.at), millis(told.until));
    let draft = file.with_extension(std::process::id().to_string());
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(&draft, text)?;
    fs::rename(&draft, file)
}
