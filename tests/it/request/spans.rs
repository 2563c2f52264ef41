//! The spans of the tracing example: one for each attempt, and every field of each.

#[path = "../../../examples/tracing/src/main.rs"]
mod example;
use std::{
    collections::BTreeMap,
    fmt::{Debug, Display},
    sync::{Arc, Mutex},
};

use crate::support::{AnyBody, hasty, script::Script};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use revio_status::{BoxError, ReplayBody};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// OpenTelemetry's types: a number must not become text.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Number(u64),
    Other(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

type Fields = BTreeMap<&'static str, Value>;

/// Collects the fields of each span of the example.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(Id, Fields)>>>);

struct Write<'a>(&'a mut Fields);

impl Visit for Write<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = Value::Other(format!("{value:?}"));
        self.0.insert(field.name(), value);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == "attempt" {
            let mut fields = Fields::new();
            attributes.record(&mut Write(&mut fields));
            self.0.lock().expect("no panic").push((id.clone(), fields));
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().expect("no panic");
        // Ids are reused after a span closes: the latest span is meant.
        if let Some((_, fields)) = spans.iter_mut().rev().find(|(known, _)| known == id) {
            record.record(&mut Write(fields));
        }
    }
}

/// Sends one request to this service, and returns its spans.
async fn spans_of<S>(method: &str, uri: &str, service: S) -> Vec<Fields>
where
    S: Service<Request<ReplayBody<Full<Bytes>>>, Response = Response<AnyBody>> + Clone,
    S::Error: Into<BoxError> + Display + 'static,
{
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(Registry::default().with(spans.clone()));
    let stack = ServiceBuilder::new()
        .layer(hasty())
        .layer(example::attempt_spans());
    let method = Method::from_bytes(method.as_bytes()).expect("valid");
    let request = Request::builder().method(method).uri(uri);
    let request = request.body(Full::default()).expect("valid");
    let _ = stack.service(service).oneshot(request).await;
    let spans = std::mem::take(&mut *spans.0.lock().expect("no panic"));
    spans.into_iter().map(|(_, fields)| fields).collect()
}

fn fields<const N: usize>(all: [(&'static str, Value); N]) -> Fields {
    Fields::from(all)
}

/// Returns the fields that every span of a GET has.
fn get_fields(address: &str, port: u64, url: &str) -> Fields {
    fields([
        ("otel.name", "GET".into()),
        ("otel.kind", "client".into()),
        ("http.request.method", "GET".into()),
        ("server.address", address.into()),
        ("server.port", port.into()),
        ("url.full", url.into()),
    ])
}

fn failed(status: u64, kind: &str) -> Fields {
    fields([
        ("http.response.status_code", status.into()),
        ("error.type", kind.into()),
        ("otel.status_code", "ERROR".into()),
    ])
}

fn joined<const N: usize>(parts: [Fields; N]) -> Fields {
    parts.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_complete_span() {
    let uri = "http://aladdin:hunter2@api.test:8080/v1/Bills?card=4111&all";
    let url = "http://api.test:8080/v1/Bills?card=REDACTED&all=REDACTED";
    let get = || get_fields("api.test", 8080, url);
    let resend = |number: u64| fields([("http.request.resend_count", number.into())]);
    let status = fields([("http.response.status_code", 200.into())]);
    assert_eq!(
        spans_of("GET", uri, Script::new([503, 503, 200])).await,
        [
            joined([get(), failed(503, "503")]),
            joined([get(), resend(1), failed(503, "503")]),
            joined([get(), resend(2), status]),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn failures_begin_at_400() {
    let get = || get_fields("api.test", 80, "http://api.test/");
    for (status, kind) in [(404, "404"), (400, "400")] {
        let spans = spans_of("GET", "http://api.test", Script::new([status])).await;
        assert_eq!(spans, [joined([get(), failed(status.into(), kind)])]);
    }
    let status = fields([("http.response.status_code", 399.into())]);
    let spans = spans_of("GET", "http://api.test", Script::new([399])).await;
    assert_eq!(spans, [joined([get(), status])]);
}

#[tokio::test(start_paused = true)]
async fn ipv6_has_no_brackets_https_has_port() {
    let spans = spans_of("GET", "https://[2001:db8::1]/v1", Script::new([200])).await;
    let get = get_fields("2001:db8::1", 443, "https://[2001:db8::1]/v1");
    let status = fields([("http.response.status_code", 200.into())]);
    assert_eq!(spans, [joined([get, status])]);
}

#[tokio::test(start_paused = true)]
async fn no_response_span_has_no_status() {
    let broken = service_fn(|_| async { Err::<Response<AnyBody>, _>(BoxError::from("broken")) });
    let spans = spans_of("GET", "http://api.test/", broken).await;
    let get = get_fields("api.test", 80, "http://api.test/");
    let failed = fields([
        ("error.type", "no_response".into()),
        ("otel.status_code", "ERROR".into()),
    ]);
    assert_eq!(spans, [joined([get, failed])]);
}

#[tokio::test(start_paused = true)]
async fn unknown_method_is_named_other() {
    for (method, name, recorded, original) in [
        ("BREW", "HTTP", "_OTHER", Some("BREW")),
        ("get", "HTTP", "_OTHER", Some("get")),
        ("PATCH", "PATCH", "PATCH", None),
        ("QUERY", "QUERY", "QUERY", None),
    ] {
        let spans = spans_of(method, "http://api.test/", Script::new([200])).await;
        let [span] = &spans[..] else {
            panic!("not one attempt: {spans:?}");
        };
        assert_eq!(span["otel.name"], name.into());
        assert_eq!(span["http.request.method"], recorded.into());
        let original = original.map(Value::from);
        assert_eq!(span.get("http.request.method_original"), original.as_ref());
    }
}
