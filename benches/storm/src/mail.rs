//! Requests and responses.

use bytes::Bytes;
use http::{Method, StatusCode, header::RETRY_AFTER, request, response};

use super::server::Answer;

pub const GET: u8 = 0;
pub const PUT: u8 = 1;
pub const POST: u8 = 2;

/// 60 of a hundred requests read, 10 write and are idempotent, 30 are POSTs.
pub fn kind(percentile: u8) -> u8 {
    match percentile {
        0..60 => GET,
        60..70 => PUT,
        _ => POST,
    }
}

/// All requests and responses, made once.
pub struct Mail {
    requests: [request::Parts; 3],
    unavailable: response::Parts,
    late: response::Parts,
    /// By the seconds in `Retry-After`.
    maintenance: Vec<response::Parts>,
    over_limit: Vec<response::Parts>,
    pub body: Bytes,
}

impl Default for Mail {
    fn default() -> Self {
        let request = |method| {
            let mut request = http::Request::new(());
            *request.method_mut() = method;
            request.into_parts().0
        };
        let response = |status, seconds: Option<u32>| {
            let mut response = http::Response::new(());
            *response.status_mut() = status;
            let seconds = seconds.map(|seconds| (RETRY_AFTER, seconds.into()));
            response.headers_mut().extend(seconds);
            response.into_parts().0
        };
        let asking = |status| (0..=60).map(|s| response(status, Some(s))).collect();
        Self {
            requests: [Method::GET, Method::PUT, Method::POST].map(request),
            unavailable: response(StatusCode::SERVICE_UNAVAILABLE, None),
            late: response(StatusCode::GATEWAY_TIMEOUT, None),
            maintenance: asking(StatusCode::SERVICE_UNAVAILABLE),
            over_limit: asking(StatusCode::TOO_MANY_REQUESTS),
            body: Bytes::from_static(b"{}"),
        }
    }
}

impl Mail {
    pub fn request(&self, kind: u8) -> &request::Parts {
        &self.requests[usize::from(kind)]
    }

    pub fn response(&self, failure: Answer) -> &response::Parts {
        match failure {
            Answer::Done => unreachable!("that is no failure"),
            Answer::Unavailable => &self.unavailable,
            Answer::Maintenance(seconds) => &self.maintenance[seconds as usize],
            Answer::Late => &self.late,
            Answer::OverLimit(seconds) => &self.over_limit[seconds as usize],
        }
    }
}
