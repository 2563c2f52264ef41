//! The header fields of a failed response, as kept and as served.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_LENGTH, PROXY_AUTHENTICATE, RETRY_AFTER, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

use super::retry_after::digits;

/// Copies all values into a buffer of their own. Otherwise they pin the buffer that the whole response
/// was read into.
pub(super) fn copy_values(headers: &mut HeaderMap) {
    let length = headers.values().map(HeaderValue::len).sum();
    let mut all = Vec::with_capacity(length);
    for value in headers.values() {
        all.extend_from_slice(value.as_bytes());
    }
    let mut all = Bytes::from(all);
    for value in headers.values_mut() {
        let bytes = match all.len() == value.len() {
            true => std::mem::take(&mut all), // the last value owns the buffer
            false => all.split_to(value.len()),
        };
        if let Ok(mut copy) = HeaderValue::from_maybe_shared(bytes) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
}

/// Returns the largest `Content-Length`, or `None` if `Transfer-Encoding` overrides it (RFC 9112 §6.3).
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    // One pass over all headers is cheaper than two lookups by name.
    let mut largest = None;
    for (name, value) in headers {
        if *name == TRANSFER_ENCODING {
            return None;
        }
        if *name == CONTENT_LENGTH {
            let lengths = value.as_bytes().split(|byte| *byte == b',');
            largest = lengths.filter_map(digits).max().max(largest);
        }
    }
    largest
}

pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always = [
        CONNECTION,
        PROXY_AUTHENTICATE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    let unregistered = ["keep-alive", "proxy-connection"].map(HeaderName::from_static);
    for name in always.iter().chain(&unregistered).chain(&named) {
        headers.remove(name);
    }
}

/// Sets `Retry-After` in whole seconds, rounded up, and removes its variants in milliseconds.
pub(super) fn set_retry_after(headers: &mut HeaderMap, wait: Duration) {
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        headers.remove(name);
    }
    let seconds = u64::from(wait.subsec_nanos() > 0).saturating_add(wait.as_secs());
    headers.insert(RETRY_AFTER, seconds.into());
}
