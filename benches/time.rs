//! Nanoseconds, side by side in one run: `cargo bench -p benches --bench time --features time`.
//! On a noisy machine compare only lines of one run; `table.rs` has repeatable counts.

use std::{
    hint::black_box,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use revio_status::Budget;
use stacks::{Scenario, Stack, Template};
use tower::retry::budget::{Budget as _, TpsBudget};
use tower_resilience_retry::RetryBudgetBuilder;

fn requests(criterion: &mut Criterion) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    for scenario in Scenario::ALL {
        let mut group = criterion.benchmark_group(format!("{scenario:?}"));
        for stack in Stack::ALL.into_iter().filter(|stack| stack.can(scenario)) {
            group.bench_function(format!("{stack:?}"), |bencher| {
                bencher.iter_custom(|count| {
                    let start = Instant::now();
                    runtime.block_on(stack.run(Template::new(scenario), count as usize));
                    start.elapsed()
                });
            });
        }
        group.finish();
    }
}

/// Measures a deposit into a full budget, and a withdrawal with the deposits that pay for it.
fn budgets(criterion: &mut Criterion) {
    let ours = Budget::new(100, 1.0);
    let tower = Arc::new(TpsBudget::default());
    let bucket = RetryBudgetBuilder::new().token_bucket().build();
    let bucket = bucket.expect("valid");
    for threads in [1, 2] {
        let mut group = criterion.benchmark_group(format!("budget, {threads} threads"));
        bench(
            &mut group,
            threads,
            "revio-status, deposit when full",
            || {
                ours.deposit();
            },
        );
        bench(
            &mut group,
            threads,
            "revio-status, withdraw and deposit",
            || {
                black_box(ours.withdraw());
                ours.deposit();
            },
        );
        bench(&mut group, threads, "tower, deposit", || tower.deposit());
        bench(&mut group, threads, "tower-resilience, deposit", || {
            bucket.deposit();
        });
        group.finish();
    }
}

fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    threads: usize,
    name: &str,
    work: impl Fn() + Sync,
) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|count| on_threads(threads, count, &work));
    });
}

/// Returns the time of the slowest of these threads.
fn on_threads(threads: usize, count: u64, work: &(impl Fn() + Sync)) -> Duration {
    let run = || {
        let start = Instant::now();
        (0..count).for_each(|_| work());
        start.elapsed()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let times = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        times.max().unwrap_or_default()
    })
}

criterion_group!(benches, requests, budgets);
criterion_main!(benches);
