//! Ten requests at once, through a limit of five calls a second: `cargo run -p revio-status-limit
//! --example paced`. The last ones would wait longer than they may, and are refused unsent.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use revio_status::StatusError;
use revio_status_limit::{LimitLayer, Quota};
use tokio::{task::JoinSet, time::Instant};
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let quota = Quota::new(5, Duration::from_secs(1));
    let limit = LimitLayer::new(quota).max_wait(Duration::from_millis(1_900));
    let client = ServiceBuilder::new()
        .layer(limit)
        .service(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(()))
        }));

    let start = Instant::now();
    let mut requests = JoinSet::new();
    for number in 1..=10 {
        let client = client.clone();
        requests.spawn(async move {
            let result = client.oneshot(Request::new(())).await;
            (number, result)
        });
    }
    while let Some(Ok((number, result))) = requests.join_next().await {
        let time = start.elapsed().as_secs_f64();
        match result {
            Ok(response) => println!("{time:.2} s  request {number:>2}: {}", response.status()),
            Err(error) => {
                let error = StatusError::find(&*error).expect("a refusal");
                let retry_after = error.retry_after().unwrap_or_default();
                println!("{time:.2} s  request {number:>2}: not sent, retry after {retry_after:?}");
            }
        }
    }
}
