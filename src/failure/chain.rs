//! The chain of sources of an error, and what hides from it.

use std::{error::Error, io, sync::Arc};

use super::{ServiceError, StatusError};

/// The errors from this one down. Some wrappers skip what they hold in their `source`; it is not
/// skipped here.
pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        hidden(error).or_else(|| error.source())
    })
}

/// What an error holds whose `source` is that of what it holds.
fn hidden<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.get_ref().map(|inner| inner as _);
    }
    let pointers = [
        any,
        to::<Arc<dyn Error + Send + Sync>>,
        to::<io::Error>,
        to::<super::Error>,
        to::<StatusError>,
        to::<ServiceError>,
        to::<hyper::Error>,
        #[cfg(feature = "hyper-util")]
        to::<hyper_util::client::legacy::Error>,
    ];
    pointers.iter().find_map(|pointer| pointer(error))
}

/// What a pointer to any error holds.
fn any<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let shared = error.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    let local = || error.downcast_ref::<Arc<dyn Error>>().map(|error| &**error);
    shared.map(|error| &**error as _).or_else(local)
}

/// What a pointer to an error of this type holds. `Box<dyn Error>` is no error, and is none here.
fn to<'a, E: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a (dyn Error + 'static)> {
    let shared = error.downcast_ref::<Arc<E>>().map(|error| &**error);
    let boxed = || error.downcast_ref::<Box<E>>().map(|error| &**error);
    shared.or_else(boxed).map(|error| error as _)
}
