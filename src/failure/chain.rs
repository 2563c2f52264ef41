//! The source chain of an error, including the errors that wrappers skip.

use std::{error::Error, io, sync::Arc};

use super::{ServiceError, StatusError};

/// Returns the errors from this one down. If a wrapper's `source()` skips the error inside, the error
/// inside comes next all the same.
pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        inner_error(error).or_else(|| error.source())
    })
}

/// Returns the inner error of a wrapper whose `source()` skips it.
fn inner_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.get_ref().map(|inner| inner as _);
    }
    let downcasts = [
        behind_dyn_arc,
        behind::<Arc<dyn Error + Send + Sync>>,
        behind::<io::Error>,
        behind::<super::Error>,
        behind::<StatusError>,
        behind::<ServiceError>,
        behind::<hyper::Error>,
        #[cfg(feature = "hyper-util")]
        behind::<hyper_util::client::legacy::Error>,
    ];
    downcasts.iter().find_map(|downcast| downcast(error))
}

/// Returns the error behind an `Arc<dyn Error>`.
fn behind_dyn_arc<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let shared = error.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    let local = || error.downcast_ref::<Arc<dyn Error>>().map(|error| &**error);
    shared.map(|error| &**error as _).or_else(local)
}

/// Returns the error behind an `Arc<E>` or `Box<E>`. `Box<dyn Error>` does not implement `Error`, and so
/// is never in a chain.
fn behind<'a, E: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a (dyn Error + 'static)> {
    let shared = error.downcast_ref::<Arc<E>>().map(|error| &**error);
    let boxed = || error.downcast_ref::<Box<E>>().map(|error| &**error);
    shared.or_else(boxed).map(|error| error as _)
}
