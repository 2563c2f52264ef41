//! The chain of sources of an error, and what hides from it.

use std::{error::Error, io};

/// The errors from this one down. An [`io::Error`] around another error skips that one in its
/// `source`; it is not skipped here.
pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        let hidden = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match hidden {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}
