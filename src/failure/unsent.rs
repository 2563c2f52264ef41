//! Verdicts about errors without a response: unsent, or transient.

use std::{
    error::Error as StdError,
    fmt,
    io::{self, ErrorKind},
};

use super::{BoxError, Error, ServiceError, StatusError, chain::chain};

/// The error of a caller's request body, marked because it may be about another connection than the
/// request's own.
#[derive(Debug)]
pub(crate) struct BodyError(BoxError);

impl BodyError {
    /// Marks an error, once for any number of layers.
    pub(crate) fn mark(error: impl Into<BoxError>) -> BoxError {
        let error = error.into();
        match error.is::<Self>() {
            true => error,
            false => Self(error).into(),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body failed")
    }
}

impl StdError for BodyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// Returns `true` if the request is known not to have reached the server.
///
/// Stops at the outermost error of hyper-util or hyper: the request body may stream from a dead host, and
/// so carry its own connect error further down.
pub(crate) fn is_unsent(error: &(dyn StdError + 'static)) -> bool {
    let verdict = chain(error).find_map(|error| {
        if let Some(error) = service_error(error) {
            return Some(error.is_unsent() && !error.may_have_been_applied());
        }
        #[cfg(feature = "hyper-util")]
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return Some(error.is_connect());
        }
        let is_final = is_ours(error) || error.is::<hyper::Error>() || error.is::<BodyError>();
        is_final.then_some(false)
    });
    verdict.unwrap_or(false)
}

/// Returns `true` if the response was lost on its way, so that a resend may help.
///
/// Stops at errors that a resend cannot fix: user errors, parse errors, errors of this crate.
pub(crate) fn is_transient(error: &(dyn StdError + 'static)) -> bool {
    let verdict = chain(error).find_map(|error| {
        if is_ours(error) || error.is::<BodyError>() {
            return Some(false);
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return match error {
                error if error.is_user() || error.is_parse() => Some(false),
                error => is_transient_hyper(error).then_some(true),
            };
        }
        #[cfg(feature = "tokio")]
        if error.is::<tower::timeout::error::Elapsed>() {
            return Some(true);
        }
        let error = error.downcast_ref::<io::Error>()?;
        is_transient_io(error.kind()).then_some(true)
    });
    verdict.unwrap_or(false)
}

fn is_transient_hyper(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_timeout() || error.is_canceled() || error.is_closed()
}

fn is_transient_io(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::NotConnected
            | ErrorKind::TimedOut
            | ErrorKind::UnexpectedEof
    )
}

fn service_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a ServiceError> {
    match error.downcast_ref::<Error>() {
        Some(error) => error.service_error(),
        None => error.downcast_ref(),
    }
}

fn is_ours(error: &(dyn StdError + 'static)) -> bool {
    service_error(error).is_some() || StatusError::downcast(error).is_some()
}
