//! The program: reads the settings and serves the library's router.

use std::{env, time::Duration};

use axum_gateway::{Account, Upstream, gateway, log_filter, metrics_page};
use metrics_example::{Page, record};
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
    // Users wait: a short wait and a clear failure are better than a long wait.
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

/// Names a missing variable, never a value.
fn var(name: &str) -> Result<String, BoxError> {
    env::var(name).map_err(|_| format!("{name} is not set").into())
}
