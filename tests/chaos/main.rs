//! Twenty thousand requests to misbehaving servers, and a check of every rule afterwards.
//!
//! Each request and the treatment of each attempt are functions of the seed and of their numbers; only
//! the interleaving varies. `CHAOS_SEED` sets another seed, `CHAOS_REQUESTS` another number of requests.
//! With `CHAOS_SECONDS` further seeds follow until the time is up, and the process's memory is checked
//! after each.
// Features do not change the wire: the defaults are enough.
#![cfg(all(feature = "tokio", feature = "json"))]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod audit;
mod budgets;
mod caller;
mod case;
mod ledger;
mod memory;
mod plan;
mod probe;
mod raw;
mod server;
mod setting;
mod wait;

use std::{
    fmt::Display,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use accounts::Accounts;
use audit::Books;
use budgets::Budgets;
use ledger::Ledger;
use memory::Memory;
use plan::Plan;
use server::Server;
use support::{
    AnyBody, any_body,
    body::{Step, Steps},
    layer,
    wire::{Http, client},
};
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

const SEED: u64 = 2026;
const REQUESTS: usize = 20_000;
/// The longest duration of a run.
const HANGS_AFTER: Duration = Duration::from_secs(150);

/// Promise (once): Whatever the wire does, every success was applied, and everything else that was
/// applied is reported as possibly applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misbehaving_wire_breaks_no_rule() {
    let mut seed = setting("CHAOS_SEED").unwrap_or(SEED);
    let requests = setting("CHAOS_REQUESTS").map_or(REQUESTS, |number| number as usize);
    let end = setting("CHAOS_SECONDS").map(|time| Instant::now() + Duration::from_secs(time));
    let mut budgets = Budgets::new();
    // The first run fills lasting caches. For a stable resident size the allocator needs a full run.
    let first = if end.is_some() { requests } else { 1000 };
    run(seed, first, &mut budgets).await;
    let before = Memory::now();
    loop {
        let books = run(seed, requests, &mut budgets).await;
        say(&books);
        drop(books);
        let memory = Memory::now();
        say(&memory);
        memory.is_all_back(&before);
        if end.is_some() {
            memory.is_flat(&before);
        }
        if end.is_none_or(|end| Instant::now() >= end) {
            break;
        }
        seed += 1;
    }
}

/// Returns a number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Prints. A long run bypasses the test harness, which would keep the output in memory.
fn say(text: impl Display) {
    if setting("CHAOS_SECONDS").is_some() {
        let _ = writeln!(io::stderr(), "{text}");
    } else {
        println!("{text}");
    }
}

/// Sends the requests of this seed's plan. Returns the books if no rule is broken.
async fn run(seed: u64, requests: usize, budgets: &mut Budgets) -> Books {
    say(format_args!("CHAOS_SEED={seed} CHAOS_REQUESTS={requests}")); // seen when the test fails
    let plan = &Plan::new(seed);
    let tasks = alive_tasks();
    let descriptors = memory::descriptors();
    let ledger = Ledger::new(requests);
    let permits = Arc::new(Semaphore::new(caller::PERMITS));
    budgets.refill();
    let start = Instant::now();
    let server = Server::start(plan, &ledger).await.expect("loopback");
    let server = Arc::new(server);
    let accounts = Accounts::new();
    let stacks = caller::Stacks::new(plan, &ledger, &server, &permits, budgets, accounts);
    let watch = tokio::spawn(ledger.clone().watch_the_clock());
    let sending = caller::send_all(plan, &ledger, &server, &stacks);
    timeout(HANGS_AFTER, sending)
        .await
        .expect("a run that ends");
    say(format_args!("{requests} requests in {:?}", start.elapsed()));
    watch.abort();
    drop((stacks, server));
    let mut problems = leftovers(tasks, descriptors, &ledger, &permits).await;
    let books = Books::close(plan, &ledger);
    problems.extend(books.failures().map(str::to_owned));
    if requests >= REQUESTS {
        problems.extend(books.gaps());
    }
    problems.extend(budgets.problems(&books));
    assert!(
        problems.is_empty(),
        "CHAOS_SEED={seed}: {problems:#?}\n{books}"
    );
    books
}

/// Returns the number of this runtime's tasks.
fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Returns all resources that are still alive after the run.
async fn leftovers(
    tasks: usize,
    descriptors: usize,
    ledger: &Arc<Ledger>,
    permits: &Arc<Semaphore>,
) -> Vec<String> {
    let spare = |have: usize, want: usize| have as isize - want as isize;
    let count = || {
        let mut left = vec![
            ("tasks", spare(alive_tasks(), tasks)),
            ("descriptors", spare(memory::descriptors(), descriptors)),
            ("holders of the ledger", spare(Arc::strong_count(ledger), 1)),
            ("holders of permits", spare(Arc::strong_count(permits), 1)),
            (
                "permits",
                spare(caller::PERMITS, permits.available_permits()),
            ),
        ];
        left.extend(ledger.live.all());
        left.retain(|(_, number)| *number != 0);
        left
    };
    // Connections take a moment to close.
    let end = Instant::now() + Duration::from_secs(10);
    while !count().is_empty() && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let left = count().into_iter();
    left.map(|(name, number)| format!("left: {number} {name}"))
        .collect()
}
