//! The head of a request as it is kept. Of each field the name is cloned and the value written into
//! one text: a clone of a value that was made for this request alone would allocate. The map is made
//! when an attempt has failed.

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request,
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

impl Head {
    #[inline]
    pub(crate) fn new(head: &request::Parts) -> Self {
        let count = head.headers.len();
        let mut text = Vec::with_capacity(ROOM.saturating_mul(count));
        let mut fields = Vec::with_capacity(count);
        for (name, value) in &head.headers {
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

fn map(fields: Vec<Field>, text: Vec<u8>) -> HeaderMap {
    // A map with so many names there was: there is room for it.
    let mut map = HeaderMap::try_with_capacity(fields.len()).unwrap_or_default();
    let mut text = Bytes::from(text);
    for field in fields {
        let value = text.split_to(field.value >> 1);
        if let Ok(mut value) = HeaderValue::from_maybe_shared(value) {
            value.set_sensitive(field.value & 1 == 1);
            map.append(field.name, value);
        }
    }
    map
}
