//! The spans of the tracing example: one for each attempt, and every field of each.
#![cfg(all(feature = "tokio", feature = "tower-http"))]

#[path = "../examples/tracing.rs"]
mod example;
mod support;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use http::Request;
use http_body_util::Full;
use support::{hasty, script::*};
use tower::{ServiceBuilder, ServiceExt};
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

type Fields = BTreeMap<&'static str, String>;

/// Collects the fields of each span of the example.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(Id, Fields)>>>);

struct Write<'a>(&'a mut Fields);

impl Visit for Write<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
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
        // An id is used again once its span is closed: the latest one is meant.
        if let Some((_, fields)) = spans.iter_mut().rev().find(|(known, _)| known == id) {
            record.record(&mut Write(fields));
        }
    }
}

/// The spans of one GET that is answered by this script.
async fn spans_of(script: Script) -> Vec<Fields> {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(Registry::default().with(spans.clone()));
    let stack = ServiceBuilder::new()
        .layer(hasty())
        .layer(example::attempt_spans());
    let request = Request::get("http://aladdin:hunter2@api.test:8080/v1/Bills?card=4111&all");
    let request = request
        .body(Full::<bytes::Bytes>::default())
        .expect("valid");
    let _ = stack.service(script).oneshot(request).await;
    let spans = std::mem::take(&mut *spans.0.lock().expect("no panic"));
    spans.into_iter().map(|(_, fields)| fields).collect()
}

fn expected<const N: usize>(more: [(&'static str, &str); N]) -> Fields {
    let all = [
        ("otel.name", "GET"),
        ("otel.kind", "client"),
        ("http.request.method", "GET"),
        ("server.address", "api.test"),
        ("server.port", "8080"),
        (
            "url.full",
            "http://api.test:8080/v1/Bills?card=REDACTED&all=REDACTED",
        ),
    ];
    let fields = all.into_iter().chain(more);
    fields
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_span_and_each_field_its_value() {
    let failed = [
        ("http.response.status_code", "503"),
        ("error.type", "503"),
        ("otel.status_code", "ERROR"),
    ];
    let [status, kind, verdict] = failed;
    assert_eq!(
        spans_of(Script::new([503, 503, 200])).await,
        [
            expected(failed),
            expected([("http.request.resend_count", "1"), status, kind, verdict]),
            expected([
                ("http.request.resend_count", "2"),
                ("http.response.status_code", "200"),
            ]),
        ]
    );
}
