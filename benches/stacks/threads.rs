//! The same comparison with several threads that share a stack's state.

use std::{
    pin::pin,
    sync::Barrier,
    task::{Context, Waker},
    thread,
    time::Duration,
};

use cpu_time::ThreadTime;
use http::Response;
use http_body::Body;
use revio_status::RevioStatusLayer;
use tower::{Layer, Service};

use super::{Api, Scenario, Sent, Stack, Template, drive, layer, peers};

#[derive(Clone, Copy, Debug)]
pub enum Shared {
    /// All threads send through clones of one service.
    All,
    /// Each thread has its own layer over the shared API.
    Api,
}

impl Stack {
    /// Returns the mean processor time of a thread that sends GETs while the others do the same.
    pub fn on_threads(self, threads: u32, shared: Shared, count: usize) -> Duration {
        let api = Api::new(Scenario::Get);
        match self {
            Self::Bare => timed(|| api.clone(), threads, shared, count),
            Self::Layer => {
                let make = || layer(Scenario::Get).layer(api.clone());
                timed(make, threads, shared, count)
            }
            Self::NeverRetry => {
                let make = || RevioStatusLayer::new().never_retry().layer(api.clone());
                timed(make, threads, shared, count)
            }
            Self::TowerRetry => {
                let make = || peers::tower_retry(Scenario::Get, api.clone());
                timed(make, threads, shared, count)
            }
            other => panic!("{other:?} is not run so"),
        }
    }
}

fn timed<S, R>(make: impl Fn() -> S, threads: u32, shared: Shared, count: usize) -> Duration
where
    S: Service<Sent, Response = Response<R>> + Clone + Send,
    R: Body + Unpin,
{
    let one = make();
    let barrier = Barrier::new(threads as usize);
    let work = |service: S| {
        barrier.wait();
        let start = ThreadTime::now();
        let mut all = pin!(drive(service, Template::new(Scenario::Get), count));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(all.as_mut().poll(&mut cx).is_ready());
        start.elapsed()
    };
    let work = &work;
    thread::scope(|scope| {
        let threads_of = |_| {
            let service = match shared {
                Shared::All => one.clone(),
                Shared::Api => make(),
            };
            scope.spawn(move || work(service))
        };
        let all: Vec<_> = (0..threads).map(threads_of).collect();
        let times = all.into_iter().map(|one| one.join().expect("no panic"));
        times.sum::<Duration>() / threads
    })
}
