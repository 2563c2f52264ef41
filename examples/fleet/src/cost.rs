//! What a turn costs a call that needs not wait for it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::spin_loop,
    time::{Duration, Instant},
};

use http::Request;
use revio_status::{BoxError, Cooldown};
use tower::{Layer, Service, service_fn};

use crate::{
    redis_server::client,
    shared::{Account, Limit, Settings},
};

pub const CALLS: usize = 20_000;

/// Longer than there is between two turns.
const PAUSE: Duration = Duration::from_micros(5);

/// A table of microseconds, from so many calls.
///
/// # Errors
///
/// If the URL is none.
pub async fn table(redis: &str, calls: usize) -> Result<String, BoxError> {
    let client = client(redis)?;
    let settings = Settings {
        calls: 500_000,
        per: Duration::from_secs(1),
        ..Settings::new(1, Cooldown::default())
    };
    let own = Limit::own(settings.clone());
    let shared = Limit::shared(settings, &Account::new(client, "fleet cost")).await;
    if !shared.is_shared() {
        return Err("Redis does not answer".into());
    }
    let mut text = "A TURN             p50      p99  µs a call\n".to_owned();
    text += &row("own share", own, calls).await?;
    text += &row("over Redis", shared, calls).await?;
    Ok(text)
}

async fn row(name: &str, limit: Limit, calls: usize) -> Result<String, BoxError> {
    let mut service = limit.layer(service_fn(answer));
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let free = Instant::now() + PAUSE; // nobody waits
        while Instant::now() < free {
            spin_loop();
        }
        let begin = Instant::now();
        service.call(Request::new(())).await?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    let [median, high] = [50, 99].map(|percent| times[calls * percent / 100 - 1]);
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(format!(
        "{name:<12} {:>9.1} {:>8.1}\n",
        micros(median),
        micros(high)
    ))
}

fn answer(_: Request<()>) -> Ready<Result<(), Infallible>> {
    ready(Ok(()))
}
