//! Whose account it is, and where: read from the environment, because what stands on a command
//! line can be read by everybody on the machine.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Uri, uri::Scheme};

pub const SUBSCRIPTION_KEY: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");

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
    secrets: [String; 2],
}

impl Account {
    /// # Errors
    ///
    /// What is missing or wrong, by the name of its variable and never with its value.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let var = |name: &str| match env(name).filter(|value| !value.is_empty()) {
            Some(value) => Ok(value),
            None => Err(format!("{name} is not set")),
        };
        let base = var("REVIO_BASE_URL").unwrap_or_else(|_| PUBLIC_HOST.into());
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
        Ok(Self {
            base: base.trim_end_matches('/').into(),
            scheme,
            username,
            secrets: [password.clone(), key],
            password,
            subscription_key,
        })
    }

    pub fn uri(&self, path: &str) -> Result<Uri, String> {
        format!("{}{path}", self.base)
            .parse()
            .map_err(|_| "the path has characters that must be percent-encoded".into())
    }

    /// Should a server repeat in its complaint what it was sent.
    pub fn redact(&self, text: &str) -> String {
        let secrets = self.secrets.iter().filter(|secret| secret.len() > 3);
        secrets.fold(text.into(), |text, secret| text.replace(secret, "***"))
    }
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
