//! `/metrics`, in a process of its own: what is counted there is counted for all.

#![allow(dead_code)] // of the desk, which has more than this needs

#[path = "gateway/desk.rs"]
mod desk;
#[path = "../../../tests/support/mod.rs"]
mod support;

use axum_gateway::{
    gateway, metrics_page,
    prometheus::{Page, record},
};
use desk::{Desk, SECRET, answer, upstream};
use http::{Method, StatusCode, header::CONTENT_TYPE};
use revio_status::Budget;
use support::{hasty, wire::Server};

#[tokio::test]
async fn the_page_tells_what_was_sent_to_the_api() {
    let api = Server::start(async |_| answer(503, &[], SECRET)).await;
    let budget = Budget::default();
    let page = Page::install(budget.clone()).expect("the first");
    let layer = hasty().budget(budget).on_event(record);
    let upstream = upstream(layer, &api.uri("")).expect("a valid base");
    let desk = Desk::serve(gateway(upstream).merge(metrics_page(page))).await;
    for (method, path) in [(Method::GET, "/customers/7"), (Method::POST, "/notes")] {
        desk.problem(method, path).await;
    }

    let (head, page) = desk.get("/metrics").await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers[CONTENT_TYPE], "text/plain; version=0.0.4");
    for line in [
        "revio_attempts_total 4",
        r#"revio_retries_total{status="503"} 2"#,
        r#"revio_given_up_total{stop_reason="attempts_exhausted"} 1"#,
        r#"revio_given_up_total{stop_reason="not_idempotent"} 1"#,
        "revio_retry_delay_seconds_count 2",
        "revio_budget_available_retries 98",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}: {page}");
    }
    let page = page.to_lowercase();
    for private in [SECRET, "customers", "notes"] {
        assert!(!page.contains(private), "{private}: {page}");
    }
}
