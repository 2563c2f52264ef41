//! Failed responses whose message is read: the cost of `StatusError::message` and `Display`.

use std::hint::black_box;

use bytes::Bytes;
use http::{Response, header};
use revio_status::StatusError;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    /// JSON of Azure API Management.
    Apim404,
    /// nginx's page.
    Nginx503,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// The error alone.
    Error,
    Message,
    /// The message and `Display`.
    Display,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Error, Self::Message, Self::Display];
}

impl Failure {
    pub const ALL: [Self; 2] = [Self::Apim404, Self::Nginx503];

    pub fn name(self) -> &'static str {
        match self {
            Self::Apim404 => "404 with API Management's JSON",
            Self::Nginx503 => "503 with nginx's page",
        }
    }

    /// Makes `count` errors, and reads this part of each.
    pub fn run(self, part: Part, count: usize) {
        for _ in 0..count {
            let error = StatusError::from_response(self.response()).expect("a failure");
            if part != Part::Error {
                black_box(error.message().expect("a message"));
            }
            if part == Part::Display {
                black_box(error.to_string());
            }
        }
    }

    fn response(self) -> Response<Bytes> {
        let (status, media_type, body) = match self {
            Self::Apim404 => (
                404,
                "application/json",
                "{ \"statusCode\": 404, \"message\": \"Resource not found\" }",
            ),
            Self::Nginx503 => (
                503,
                "text/html",
                "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n\
                 <body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n\
                 <hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n",
            ),
        };
        Response::builder()
            .status(status)
            .header(header::SERVER, "nginx/1.22.1")
            .header(header::CONTENT_TYPE, media_type)
            .body(Bytes::from_static(body.as_bytes()))
            .expect("valid")
    }
}
