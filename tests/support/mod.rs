//! Helpers of the tests: a scripted inner service, and bodies that misbehave on command.

#![allow(dead_code)] // every test binary uses a part

pub mod body;
pub mod events;
pub mod quiet;
pub mod script;
pub mod wire;

use std::{env, fs, path::PathBuf, process};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper_util::rt::TokioTimer;
use revio_status::{Backoff, BoxError, Error, RevioStatusLayer, StandardPolicy, StatusError};

pub const URI: &str = "http://api.test/v1/Customers/1001";

/// Returns the layer with its defaults on tokio's clock, with any features.
pub fn layer() -> RevioStatusLayer {
    events::stay_undecided();
    RevioStatusLayer::with_timer(TokioTimer::new())
}

/// Returns the layer with its defaults, but without backoff.
pub fn hasty() -> RevioStatusLayer {
    layer().policy(StandardPolicy::default().backoff(Backoff::none()))
}

pub fn request(method: Method) -> Request<Full<Bytes>> {
    with_body(method, Full::default())
}

pub fn get() -> Request<Full<Bytes>> {
    request(Method::GET)
}

pub fn post() -> Request<Full<Bytes>> {
    request(Method::POST)
}

pub fn with_body<B>(method: Method, body: B) -> Request<B> {
    Request::builder()
        .method(method)
        .uri(URI)
        .body(body)
        .expect("a valid request")
}

/// Any request body as one type.
pub type AnyBody = BoxBody<Bytes, BoxError>;

pub fn any_body<B>(body: B) -> AnyBody
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    body.map_err(Into::into).boxed()
}

pub fn no_body() -> AnyBody {
    any_body(Empty::new())
}

/// Creates a file whose name contains the process id.
pub fn scratch(name: &str, content: &[u8]) -> PathBuf {
    let name = format!("revio-status-{}-{name}", process::id());
    let path = env::temp_dir().join(name);
    fs::write(&path, content).expect("a place for a file");
    path
}

/// Returns the expected failure, or panics.
pub trait Refused {
    fn refused(self) -> StatusError;
}

impl<T> Refused for Result<T, Error> {
    fn refused(self) -> StatusError {
        match self {
            Err(Error::Status(error)) => error,
            Err(other) => panic!("no response: {other:?}"),
            Ok(_) => panic!("the request succeeded"),
        }
    }
}
