//! The head of a request, as kept for a resend. All values are copied into one buffer, because cloning a
//! value that was made for this request alone allocates. The header map is built only after a failure.

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::InvalidHeaderValue, request,
};

/// Most values are shorter. Growing the buffer for longer ones costs less than adding up the lengths of all
/// values for every request.
const BYTES_PER_VALUE: usize = 48;

pub(crate) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    extensions: Extensions,
    fields: Vec<Field>,
    /// The values of all fields, one after the other.
    text: Vec<u8>,
}

struct Field {
    name: HeaderName,
    /// The value's length, shifted left by one; the lowest bit marks a sensitive value.
    value: usize,
}

impl Field {
    fn is_sensitive(&self) -> bool {
        self.value & 1 == 1
    }

    fn length(&self) -> usize {
        self.value >> 1
    }
}

impl Head {
    #[inline]
    pub(crate) fn new(head: &request::Parts) -> Self {
        let count = head.headers.len();
        let mut text = Vec::with_capacity(BYTES_PER_VALUE.saturating_mul(count));
        let mut fields = Vec::with_capacity(count);
        for (name, value) in &head.headers {
            if value.len() > text.capacity().wrapping_sub(text.len()) {
                reserve_for(&mut text, head.headers.values().skip(fields.len()));
            }
            text.extend_from_slice(value.as_bytes());
            fields.push(Field {
                name: name.clone(),
                value: value.len() << 1 | usize::from(value.is_sensitive()),
            });
        }
        Self {
            extensions: head.extensions.clone(),
            fields,
            text,
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
        }
    }

    /// Keeps only what events need of a head that is not resent.
    #[inline]
    pub(crate) fn outline(head: &request::Parts) -> Self {
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            extensions: Extensions::new(),
            fields: Vec::new(),
            text: Vec::new(),
        }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the whole head as it came. An outline stays behind.
    pub(crate) fn whole(&mut self) -> request::Parts {
        let mut head = Request::new(()).into_parts().0;
        head.method = self.method.clone();
        head.uri = self.uri.clone();
        head.version = self.version;
        head.extensions = std::mem::take(&mut self.extensions);
        head.headers = header_map(
            std::mem::take(&mut self.fields),
            std::mem::take(&mut self.text),
        );
        head
    }
}

#[cold]
fn reserve_for<'a>(text: &mut Vec<u8>, values: impl Iterator<Item = &'a HeaderValue>) {
    text.reserve_exact(values.map(HeaderValue::len).sum());
}

/// Returns one buffer with all values that are not sensitive.
fn shared_values(fields: &[Field], text: &[u8]) -> Bytes {
    let sensitive = fields.iter().filter(|field| field.is_sensitive());
    let hidden: usize = sensitive.map(Field::length).sum();
    let length = text.len().saturating_sub(hidden);
    if length == 0 {
        return Bytes::new();
    }
    // Spare capacity makes `Bytes` count its owners from the start, which costs less than at the first
    // clone.
    let mut shared = Vec::with_capacity(length.saturating_add(1));
    // All values between two sensitive ones are copied at once.
    let (mut start, mut end) = (0_usize, 0_usize);
    for field in fields {
        if field.is_sensitive() {
            shared.extend_from_slice(text.get(start..end).unwrap_or_default());
            start = end.saturating_add(field.length());
        }
        end = end.saturating_add(field.length());
    }
    shared.extend_from_slice(text.get(start..).unwrap_or_default());
    shared.into()
}

/// Builds the header map. Values share a buffer, except for sensitive ones: a layer below may keep a value,
/// as HTTP/2's header table does, and must not keep a secret with it.
fn header_map(fields: Vec<Field>, text: Vec<u8>) -> HeaderMap {
    // An upper bound of the names. If it exceeds what a map can reserve, the map grows as needed.
    let mut map = HeaderMap::try_with_capacity(fields.len()).unwrap_or_default();
    let mut shared = shared_values(&fields, &text);
    let mut start = 0_usize;
    for field in fields {
        let end = start.saturating_add(field.length());
        let value = match field.is_sensitive() {
            true => sensitive_value(text.get(start..end).unwrap_or_default()),
            // `shared` has exactly the length of these values.
            false => HeaderValue::from_maybe_shared(shared.split_to(field.length())),
        };
        start = end;
        if let Ok(value) = value {
            map.append(field.name, value);
        }
    }
    map
}

fn sensitive_value(value: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_bytes(value)?;
    value.set_sensitive(true);
    Ok(value)
}
