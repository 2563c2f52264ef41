//! One span for each attempt, named and filled by OpenTelemetry's conventions for HTTP clients:
//! `cargo run -p tracing_example`.
//!
//! `attempt_spans` is the part to copy.

use std::time::Duration;

use http::{Method, Request, Response, Uri};
use revio_status::{
    ResendCount,
    classify::{FailureClass, StatusClassifier},
};
use tower_http::{
    classify::SharedClassifier,
    trace::{MakeSpan, OnFailure, OnResponse, TraceLayer},
};
use tracing::{Span, field::Empty, info_span};

type AttemptSpans = TraceLayer<
    SharedClassifier<StatusClassifier>,
    AttemptSpan,
    (),
    AttemptSpan,
    (),
    (),
    AttemptSpan,
>;

/// The layer to put below `RevioStatusLayer`, where every attempt passes.
pub fn attempt_spans() -> AttemptSpans {
    TraceLayer::new(SharedClassifier::new(StatusClassifier::default()))
        .make_span_with(AttemptSpan)
        .on_request(())
        .on_response(AttemptSpan)
        .on_body_chunk(())
        .on_eos(())
        .on_failure(AttemptSpan)
}

/// <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span>
#[derive(Clone, Copy, Debug)]
pub struct AttemptSpan;

impl<B> MakeSpan<B> for AttemptSpan {
    fn make_span(&mut self, request: &Request<B>) -> Span {
        let (method, uri) = (known(request.method()), request.uri());
        let resends = request.extensions().get().map(|ResendCount(n)| *n);
        info_span!(
            "attempt",
            otel.name = method.unwrap_or("HTTP"),
            otel.kind = "client",
            http.request.method = method.unwrap_or("_OTHER"),
            http.request.method_original = match method {
                Some(_) => None,
                None => Some(request.method().as_str()),
            },
            http.request.resend_count = resends, // absent on the first attempt
            server.address = uri.host().map(|host| host.trim_matches(['[', ']'])),
            server.port = port(uri),
            url.full = redacted(uri),
            http.response.status_code = Empty,
            error.type = Empty,
            otel.status_code = Empty,
        )
    }
}

impl<B> OnResponse<B> for AttemptSpan {
    fn on_response(self, response: &Response<B>, _: Duration, span: &Span) {
        span.record("http.response.status_code", response.status().as_u16());
        if response.status().as_u16() >= 400 {
            span.record("error.type", response.status().as_str());
            span.record("otel.status_code", "ERROR");
        }
    }
}

impl OnFailure<FailureClass> for AttemptSpan {
    fn on_failure(&mut self, failure: FailureClass, _: Duration, span: &Span) {
        if let FailureClass::NoResponse = failure {
            span.record("error.type", failure.to_string());
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// Any other method could make a name for spans of its own.
fn known(method: &Method) -> Option<&str> {
    const KNOWN: [&str; 10] = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
    ];
    let name = method.as_str();
    KNOWN.contains(&name).then_some(name)
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    })
}

/// The URI without user info, and with the names of the query's parameters but not their values.
fn redacted(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    let mut url = format!("{scheme}://{host}{}", uri.path());
    let names = uri.query().map(|query| query.split('&'));
    for (place, parameter) in names.into_iter().flatten().enumerate() {
        let name = parameter.split('=').next().unwrap_or_default();
        url.push(if place == 0 { '?' } else { '&' });
        url.push_str(name);
        url.push_str("=REDACTED");
    }
    url
}

#[allow(dead_code)] // the test includes this file for the code above
#[tokio::main]
async fn main() -> Result<(), tower::BoxError> {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use bytes::Bytes;
    use http_body_util::Full;
    use revio_status::{ReplayBody, RevioStatusLayer};
    use tower::{ServiceBuilder, ServiceExt};
    use tracing_subscriber::fmt::format::FmtSpan;

    tracing_subscriber::fmt()
        .with_span_events(FmtSpan::CLOSE)
        .with_target(false)
        .without_time()
        .init();

    // In place of a client: an API in maintenance for two requests.
    let calls = Arc::new(AtomicU32::new(0));
    let api = tower::service_fn(move |_: Request<ReplayBody<Full<Bytes>>>| {
        let status = match calls.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => 503,
            _ => 200,
        };
        async move {
            Response::builder()
                .status(status)
                .body(Full::<Bytes>::default())
        }
    });

    let client = ServiceBuilder::new()
        .layer(RevioStatusLayer::new())
        .layer(attempt_spans())
        .service(api);
    let request = Request::get("http://api.test/v1/Customers?email=ada@example.com");
    client.oneshot(request.body(Full::default())?).await?;
    Ok(())
}
