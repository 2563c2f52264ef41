//! The header fields of a failed answer, as they are kept and as they are served.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, PROXY_AUTHENTICATE, RETRY_AFTER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

/// Lets each value go from the buffer that the whole head, or the body too, was read into: nobody
/// can tell how large that is.
pub(super) fn copy_out(headers: &mut HeaderMap) {
    let length = headers.values().map(HeaderValue::len).sum();
    let mut all = Vec::with_capacity(length);
    for value in headers.values() {
        all.extend_from_slice(value.as_bytes());
    }
    let mut all = Bytes::from(all);
    for value in headers.values_mut() {
        let bytes = all.split_to(value.len());
        if let Ok(mut copy) = HeaderValue::from_maybe_shared(bytes) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
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

/// In whole seconds, rounded up, and in no other form beside it.
pub(super) fn set_retry_after(headers: &mut HeaderMap, wait: Duration) {
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        headers.remove(name);
    }
    let seconds = u64::from(wait.subsec_nanos() > 0).saturating_add(wait.as_secs());
    headers.insert(RETRY_AFTER, seconds.into());
}
