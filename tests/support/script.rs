//! An inner service with scripted responses that records requests and their times.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::RETRY_AFTER, request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::Service;

use super::{
    AnyBody, any_body,
    body::{Step, Steps},
};

/// One request as the inner service received it.
pub struct Sent {
    pub at: Instant,
    pub head: request::Parts,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

/// A service that reads each request's body and returns the next response of its script. The last
/// response repeats.
#[derive(Clone)]
pub struct Script {
    responses: Arc<Mutex<VecDeque<Answer>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

#[derive(Clone)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<Step>,
}

pub fn answer(status: u16) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).expect("a valid status"),
        headers: HeaderMap::new(),
        body: Vec::new(),
    }
}

impl Answer {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = value.parse().expect("a valid header");
        self.headers.append(name, value);
        self
    }

    pub fn retry_after(self, value: &str) -> Self {
        self.header(RETRY_AFTER.as_str(), value)
    }

    pub fn text(self, text: &'static str) -> Self {
        self.body([Step::Data(Bytes::from_static(text.as_bytes()))])
    }

    pub fn body(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.body = steps.into_iter().collect();
        self
    }
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        answer(status)
    }
}

impl Script {
    pub fn new<A: Into<Answer>>(responses: impl IntoIterator<Item = A>) -> Self {
        let responses = responses.into_iter().map(Into::into).collect();
        Self {
            responses: Arc::new(Mutex::new(responses)),
            sent: Arc::default(),
        }
    }

    /// Takes and returns the requests so far.
    pub fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.sent.lock().expect("no panic"))
    }

    pub fn count(&self) -> usize {
        self.sent.lock().expect("no panic").len()
    }

    /// Returns the waits between the attempts.
    pub fn waits(&self) -> Vec<std::time::Duration> {
        let sent = self.sent.lock().expect("no panic");
        sent.windows(2)
            .map(|pair| pair[1].at - pair[0].at)
            .collect()
    }

    fn next(&self) -> Answer {
        let mut responses = self.responses.lock().expect("no panic");
        match responses.len() {
            0 => panic!("the script is empty"),
            1 => responses[0].clone(),
            _ => responses.pop_front().expect("more than one"),
        }
    }
}

impl<B> Service<Request<B>> for Script
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug,
{
    type Response = Response<AnyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let script = self.clone();
        let at = Instant::now();
        let (head, body) = request.into_parts();
        Box::pin(async move {
            let body = body.collect().await.expect("a whole request body");
            let trailers = body.trailers().cloned();
            let body = body.to_bytes();
            let sent = Sent {
                at,
                head,
                body,
                trailers,
            };
            script.sent.lock().expect("no panic").push(sent);
            let Answer {
                status,
                headers,
                body,
            } = script.next();
            let body = match body.as_slice() {
                [] => any_body(Full::default()),
                [Step::Data(data)] => any_body(Full::new(data.clone())),
                _ => any_body(Steps::new(body)),
            };
            let mut response = Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        })
    }
}
