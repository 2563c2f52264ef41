//! Whose account it is, and where: read from the environment, because what stands on a command
//! line can be read by everybody on the machine.

use std::{ffi::OsString, net::IpAddr};

use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderName, HeaderValue, Uri, uri::Scheme};

pub const SUBSCRIPTION_KEY: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");

const REQUIRED: [&str; 4] = [
    "REVIO_USERNAME",
    "REVIO_CLIENT_CODE",
    "REVIO_PASSWORD",
    "REVIO_SUBSCRIPTION_KEY",
];

const PUBLIC_HOST: &str = "https://restapi.rev.io";

/// Without `Debug`: nobody can print it by mistake.
pub struct Account {
    /// Without a slash at its end.
    base: String,
    pub scheme: Scheme,
    /// `user@client_code`
    pub username: String,
    pub password: String,
    pub subscription_key: HeaderValue,
    /// The longest first: a short one may be a part of it.
    secrets: [String; 3],
}

impl Account {
    /// # Errors
    ///
    /// What is missing or wrong, by the name of its variable and never with its value.
    pub fn from_env(env: impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let var = |name: &str| match env(name).map(OsString::into_string) {
            Some(Ok(value)) if value.is_empty() => Err(format!("{name} is empty")),
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) => Err(format!("{name} is not valid UTF-8")),
            None => Err(format!("{name} is not set")),
        };
        // All at once: nobody likes to be told of one after the other.
        let missing: Vec<_> = REQUIRED.into_iter().filter(|n| env(n).is_none()).collect();
        if let [first @ .., before, last] = &missing[..] {
            let names: Vec<_> = first.iter().chain([before]).copied().collect();
            return Err(format!("{} and {last} are not set", names.join(", ")));
        }
        // An empty one is a mistake in a script, and must not lead to the real account.
        let base = match env("REVIO_BASE_URL") {
            Some(_) => var("REVIO_BASE_URL")?,
            None => PUBLIC_HOST.into(),
        };
        let scheme = check_base(&base)?;
        let user = var("REVIO_USERNAME")?;
        let username = format!("{user}@{}", var("REVIO_CLIENT_CODE")?);
        if username.contains(':') {
            return Err("REVIO_USERNAME and REVIO_CLIENT_CODE cannot have a colon".into());
        }
        let password = var("REVIO_PASSWORD")?;
        let key = var("REVIO_SUBSCRIPTION_KEY")?;
        let mut subscription_key = HeaderValue::try_from(&key)
            .map_err(|_| "REVIO_SUBSCRIPTION_KEY has characters that no header can have")?;
        // Left out of every `Debug`, and of HTTP/2's compression tables.
        subscription_key.set_sensitive(true);
        // What of user and password is sent.
        let sent = BASE64_STANDARD.encode(format!("{username}:{password}"));
        let mut secrets = [sent, password.clone(), key];
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(Self {
            base: base.trim_end_matches('/').into(),
            scheme,
            username,
            password,
            subscription_key,
            secrets,
        })
    }

    pub fn uri(&self, path: &str) -> Result<Uri, String> {
        format!("{}{path}", self.base)
            .parse()
            .map_err(|_| "the path has characters that must be percent-encoded".into())
    }

    /// Whose limits count: those of a client's account, whoever its user is.
    pub fn name(&self) -> (&str, &str) {
        let client = self.username.rsplit('@').next().unwrap_or_default();
        (&self.base, client)
    }

    /// Should a server repeat in its complaint what it was sent.
    pub fn redact(&self, text: &str) -> String {
        let hide = |text: String, secret: &String| hide(&text, secret);
        self.secrets.iter().fold(text.into(), hide)
    }

    /// The same for a text that may end in the middle of a secret.
    pub fn redact_message(&self, text: &str) -> String {
        let hide = |text: String, secret: &String| hide_end(hide(&text, secret), secret);
        self.secrets.iter().fold(text.into(), hide)
    }
}

/// A secret's first eight characters, and as many as follow: long messages are cut off anywhere.
fn hide(text: &str, secret: &str) -> String {
    let start = match secret.char_indices().nth(8) {
        Some((end, _)) => &secret[..end],
        None => secret,
    };
    let (mut hidden, mut rest) = (String::new(), text);
    while let Some((before, _)) = rest.split_once(start) {
        let found = &rest[before.len()..];
        let common = found
            .chars()
            .zip(secret.chars())
            .take_while(|(a, b)| a == b);
        let length: usize = common.map(|(a, _)| a.len_utf8()).sum();
        hidden.extend([before, "***"]);
        rest = &found[length..];
    }
    hidden + rest
}

/// An end that is a secret's beginning. One or two characters tell nothing, and end many a word.
fn hide_end(text: String, secret: &str) -> String {
    let starts = secret.char_indices().skip(3).map(|(end, _)| &secret[..end]);
    let longest = starts.filter_map(|start| text.strip_suffix(start)).last();
    longest.map(|before| format!("{before}***")).unwrap_or(text)
}

/// Passwords go through the open net only inside TLS.
fn check_base(base: &str) -> Result<Scheme, String> {
    let uri: Uri = base.parse().map_err(|_| "REVIO_BASE_URL is not a URL")?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let scheme = match uri.scheme_str() {
        Some("https") => Scheme::HTTPS,
        Some("http") if is_local => Scheme::HTTP,
        Some("http") => return Err("REVIO_BASE_URL must be https:// beyond this machine".into()),
        _ => return Err("REVIO_BASE_URL must begin with https://".into()),
    };
    if uri.query().is_some() || base.contains('#') {
        return Err("REVIO_BASE_URL cannot have a query or a fragment".into());
    }
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err("REVIO_BASE_URL cannot have credentials: they have variables".into());
    }
    Ok(scheme)
}
