//! The head of a request as it is kept. Of each field the name is cloned and the value written into
//! one text: a clone of a value that was made for this request alone would allocate. The map is made
//! when an attempt has failed.

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::InvalidHeaderValue, request,
};

/// Bytes for each value. Most are shorter, and where they are longer the text grows: to add them up
/// first would cost every request more than that.
const ROOM: usize = 48;

pub(crate) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    extensions: Extensions,
    fields: Vec<Field>,
    /// Their values, one after the other.
    text: Vec<u8>,
}

struct Field {
    name: HeaderName,
    /// Twice the value's length, and one more if it is sensitive.
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
        let mut text = Vec::with_capacity(ROOM.saturating_mul(count));
        let mut fields = Vec::with_capacity(count);
        for (name, value) in &head.headers {
            if value.len() > text.capacity().wrapping_sub(text.len()) {
                make_room(&mut text, head.headers.values().skip(fields.len()));
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

    /// Of a head that is sent once and not again: what an event needs.
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

    /// All of it, in the form in which it came. What stays is an outline.
    pub(crate) fn whole(&mut self) -> request::Parts {
        let mut head = Request::new(()).into_parts().0;
        head.method = self.method.clone();
        head.uri = self.uri.clone();
        head.version = self.version;
        head.extensions = std::mem::take(&mut self.extensions);
        head.headers = map(
            std::mem::take(&mut self.fields),
            std::mem::take(&mut self.text),
        );
        head
    }
}

/// For all values that are still to come, at once.
#[cold]
fn make_room<'a>(text: &mut Vec<u8>, values: impl Iterator<Item = &'a HeaderValue>) {
    text.reserve_exact(values.map(HeaderValue::len).sum());
}

/// The values that are not sensitive.
fn shared(fields: &[Field], text: &[u8]) -> Bytes {
    let sensitive = fields.iter().filter(|field| field.is_sensitive());
    let hidden: usize = sensitive.map(Field::length).sum();
    let length = text.len().saturating_sub(hidden);
    if length == 0 {
        return Bytes::new();
    }
    // `Bytes` of a vector with room to spare count their owners from the start. Others begin to at the
    // first clone, and that costs more.
    let mut shared = Vec::with_capacity(length.saturating_add(1));
    // What stands between two sensitive values is copied at once.
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

/// Values share a buffer, but for sensitive ones: somebody below may keep a value, HTTP/2's table of
/// fields does, and is to keep none of those with it.
fn map(fields: Vec<Field>, text: Vec<u8>) -> HeaderMap {
    // At most so many names. Beyond what a map can hold of them it grows as it goes.
    let mut map = HeaderMap::try_with_capacity(fields.len()).unwrap_or_default();
    let mut shared = shared(&fields, &text);
    let mut start = 0_usize;
    for field in fields {
        let end = start.saturating_add(field.length());
        let value = match field.is_sensitive() {
            true => sensitive(text.get(start..end).unwrap_or_default()),
            // It has the lengths of all of these.
            false => HeaderValue::from_maybe_shared(shared.split_to(field.length())),
        };
        start = end;
        if let Ok(value) = value {
            map.append(field.name, value);
        }
    }
    map
}

fn sensitive(value: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_bytes(value)?;
    value.set_sensitive(true);
    Ok(value)
}
