//! The head of a request as it is kept: a list of its fields, which costs less than a clone of the
//! map. The map is made when an attempt has failed.

use http::{Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version, request};

pub(crate) struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    extensions: Extensions,
    fields: Vec<(HeaderName, HeaderValue)>,
    /// All of it, once it was asked for.
    whole: Option<Box<request::Parts>>,
}

impl Head {
    #[inline]
    pub(crate) fn new(head: &request::Parts) -> Self {
        let mut fields = Vec::with_capacity(head.headers.len());
        for (name, value) in &head.headers {
            fields.push((name.clone(), value.clone()));
        }
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            extensions: head.extensions.clone(),
            fields,
            whole: None,
        }
    }

    /// Of a head that is sent once and not again: what an event needs.
    pub(crate) fn outline(head: &request::Parts) -> Self {
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            extensions: Extensions::new(),
            fields: Vec::new(),
            whole: None,
        }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn whole(&mut self) -> &mut request::Parts {
        self.whole.get_or_insert_with(|| {
            let mut head = Box::new(empty());
            head.method = self.method.clone();
            head.uri = self.uri.clone();
            head.version = self.version;
            // Collecting reserves a place for each value, and http before 1.5 panics at so many where
            // a map of few names has no need of them.
            for (name, value) in self.fields.drain(..) {
                head.headers.append(name, value);
            }
            head.extensions = std::mem::take(&mut self.extensions);
            head
        })
    }

    /// Gives all of it away. What stays is an outline.
    pub(crate) fn take(&mut self) -> request::Parts {
        std::mem::replace(self.whole(), empty())
    }
}

fn empty() -> request::Parts {
    Request::new(()).into_parts().0
}
