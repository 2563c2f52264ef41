//! The program: settings and a port for the library beside it.

use std::{env, time::Duration};

use axum_gateway::{
    Account, Upstream, gateway, log_filter, metrics_page,
    prometheus::{Page, record},
};
use revio_status::{BoxError, Budget, RevioStatusLayer, StandardPolicy};
use tokio::net::TcpListener;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let log = tracing_subscriber::fmt::layer();
    tracing_subscriber::registry()
        .with(log)
        .with(log_filter())
        .init();
    let account = Account {
        base_url: var("REVIO_BASE_URL")?,
        username: format!("{}@{}", var("REVIO_USERNAME")?, var("REVIO_CLIENT_CODE")?),
        password: var("REVIO_PASSWORD")?,
        subscription_key: var("REVIO_SUBSCRIPTION_KEY")?,
    };
    // Users wait for their answer: better tell them soon to come back.
    let layer = RevioStatusLayer::new()
        .policy(StandardPolicy::interactive())
        .time_limit(Duration::from_secs(20));
    let budget = Budget::default();
    let page = Page::install(budget.clone())?;
    let upstream = Upstream::new(layer.budget(budget).on_event(record), &account)?;
    let service = gateway(upstream).merge(metrics_page(page));
    let listener = TcpListener::bind(("127.0.0.1", 3000)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, service).await?;
    Ok(())
}

/// Names the variable, never its value.
fn var(name: &str) -> Result<String, BoxError> {
    env::var(name).map_err(|_| format!("{name} is not set").into())
}
