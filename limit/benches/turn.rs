//! The cost of a turn for which a request does not have to wait: `cargo bench -p revio-status-limit`.
//!
//! With the feature `redis` and a URL in `REVIO_REDIS_URL`, also over Redis.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::spin_loop,
    time::{Duration, Instant},
};

use http::Request;
use revio_status::Cooldown;
use revio_status_limit::{LimitLayer, Quota};
use tower::{Layer, Service, service_fn};

const CALLS: usize = 20_000;

/// Longer than the interval between two turns.
const PAUSE: Duration = Duration::from_micros(5);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("A TURN             p50      p99  µs a call");
    let quota = Quota::new(500_000, Duration::from_secs(1));
    let limit = LimitLayer::new(quota).cooldown(Cooldown::default());
    measure("nothing", service_fn(respond)).await;
    measure("one process", limit.layer(service_fn(respond))).await;
    #[cfg(feature = "redis")]
    if let Ok(url) = std::env::var("REVIO_REDIS_URL") {
        let client = redis::Client::open(url).expect("a URL");
        let account = revio_status_limit::Account::new(client, "cost of a turn");
        let limit = limit.shared(&account, 1);
        let mut service = limit.layer(service_fn(respond));
        while !limit.is_shared() {
            let _ = service.call(Request::new(())).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        measure("over Redis", service).await;
        assert!(limit.is_shared(), "Redis went away");
    }
}

async fn measure<S: Service<Request<()>>>(name: &str, mut service: S) {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let free = Instant::now() + PAUSE;
        while Instant::now() < free {
            spin_loop();
        }
        let start = Instant::now();
        let result = service.call(Request::new(())).await;
        times.push(start.elapsed());
        assert!(result.is_ok(), "no turn");
    }
    times.sort_unstable();
    let [median, high] = [50, 99].map(|percent| times[CALLS * percent / 100 - 1]);
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!("{name:<12} {:>9.2} {:>8.2}", micros(median), micros(high));
}

fn respond(_: Request<()>) -> Ready<Result<(), Infallible>> {
    ready(Ok(()))
}
