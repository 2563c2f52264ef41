//! The cost of one request in each stack, as a Markdown table:
//!
//! ```console
//! $ cargo bench -p benches --bench table
//! ```
//!
//! Callgrind, a part of valgrind, counts instructions: each number is the difference between a run with
//! 2 n requests and a run with n. Without valgrind those columns stay empty.

use std::{env, process::Command, time::Duration};

use cpu_time::ThreadTime;
use tracing::subscriber::NoSubscriber;

use stacks::{
    Scenario, Stack, Template,
    allocations::Allocations,
    failures::{Failure, Part},
    loopback,
    threads::Shared,
};

const REQUESTS: usize = 1000;
const ROUNDS: usize = 101;

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["memory", stack, scenario, headers, count] => {
            let stack = named(&Stack::ALL, stack);
            let template = Template::new(named(&Scenario::ALL, scenario));
            block_on(stack.run(template.headers(number(headers)), number(count)));
        }
        ["growth", what, size, stack, count] => {
            grown(what, size, named(&Stack::ALL, stack), number(count));
        }
        ["loopback", stack, count] => {
            let stack = named(&loopback::Stack::ALL, stack);
            block_on(async { stack.run(&loopback::serve().await, number(count)).await });
        }
        ["failure", failure, part, count] => {
            named(&Failure::ALL, failure).run(named(&Part::ALL, part), number(count));
        }
        // `cargo bench` adds this argument; `cargo test --benches` does not.
        ["--bench", ..] => report(),
        _ => println!("To be run by cargo bench."),
    }
}

fn grown(what: &str, size: &str, stack: Stack, count: usize) {
    let template = Template::new(Scenario::Get);
    match what {
        "body" => block_on(stack.run(template.put(number(size)), count)),
        "in flight" => block_on(async { stack.run_together(number(size), count) }),
        "subscriber" => tracing::subscriber::with_default(NoSubscriber::default(), || {
            block_on(stack.run(template, count));
        }),
        _ => panic!("{what}?"),
    }
}

fn named<T: std::fmt::Debug + Copy>(all: &[T], name: &str) -> T {
    let found = all.iter().find(|one| format!("{one:?}") == name);
    *found.unwrap_or_else(|| panic!("{name}?"))
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

fn report() {
    let can_count = Command::new("valgrind").arg("--version").output().is_ok();
    if !can_count {
        println!("valgrind is not installed: no instructions are counted.\n");
    }
    let count = |args: &[&str], requests| can_count.then(|| instructions(args, requests));
    in_memory(&count);
    over_loopback(&count);
    on_two_threads();
    growth(&count);
    messages(&count);
}

type Count<'a> = &'a dyn Fn(&[&str], usize) -> Option<f64>;

/// The requests in memory, with their numbers of headers.
const CASES: [(Scenario, usize); 7] = [
    (Scenario::Get, 6),
    (Scenario::Get, 20),
    (Scenario::Get, 60),
    (Scenario::Post, 6),
    (Scenario::Retry, 6),
    (Scenario::Retry, 20),
    (Scenario::Retry, 60),
];

/// Prints instructions and allocations beyond those of the bare service, and the size of the future.
fn in_memory(count: Count<'_>) {
    println!(
        "| in memory: instructions; allocations | GET → 200, 6 headers | 20 headers | 60 headers | POST → 200 | 503, 503, 200, 6 headers | 20 headers | 60 headers | future |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    let allocated = |stack: Stack, (scenario, headers), requests| {
        let start = Allocations::so_far().count;
        block_on(stack.run(Template::new(scenario).headers(headers), requests));
        Allocations::so_far().count - start
    };
    let measure = |stack: Stack, case: (Scenario, usize)| {
        let (scenario, headers) = (format!("{:?}", case.0), case.1.to_string());
        let args = ["memory", &format!("{stack:?}"), &scenario, &headers];
        let all = |requests| allocated(stack, case, requests);
        let allocations = (all(2 * REQUESTS) - all(REQUESTS)) / REQUESTS;
        (count(&args, REQUESTS), allocations)
    };
    let bare = CASES.map(|case| measure(Stack::Bare, case));
    for stack in Stack::ALL {
        print!("| {} |", stack.name());
        for (case, bare) in CASES.into_iter().zip(bare) {
            if !stack.can(case.0) {
                print!(" |");
                continue;
            }
            if stack == Stack::Bare {
                print!(" {}; {} |", show(bare.0, ""), bare.1);
                continue;
            }
            let (instructions, allocations) = measure(stack, case);
            let more = instructions.zip(bare.0).map(|(all, bare)| all - bare);
            print!(" {}; {} |", show(more, "+"), allocations - bare.1);
        }
        println!(" {} B |", stack.future_size());
    }
    println!();
}

/// Prints the instructions of client and server beyond those with hyper-util's client alone, and the
/// processor time as a multiple of that client's: the median and the middle half of rounds in which all
/// stacks take turns. Client and server share a thread, and only its time counts.
fn over_loopback(count: Count<'_>) {
    const REQUESTS: usize = 3200;
    println!(
        "| over loopback, 32 tasks | instructions | processor time | of all rounds, half in |"
    );
    println!("|---|--:|--:|--:|");
    let measure = |stack| count(&["loopback", &format!("{stack:?}")], REQUESTS);
    let bare = measure(loopback::Stack::HyperUtil);
    let times = rounds(REQUESTS / 4);
    for (place, stack) in loopback::Stack::ALL.into_iter().enumerate() {
        let instructions = match stack {
            loopback::Stack::HyperUtil => show(bare, ""),
            _ => show(measure(stack).zip(bare).map(|(all, bare)| all - bare), "+"),
        };
        let mut ratios: Vec<f64> = times
            .iter()
            .map(|round| round[place].as_secs_f64() / round[0].as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "| {} | {instructions} | {:.3} × | {:.3}–{:.3} |",
            stack.name(),
            ratios[ROUNDS / 2],
            ratios[ROUNDS / 4],
            ratios[ROUNDS * 3 / 4],
        );
    }
    println!();
}

fn rounds(requests: usize) -> Vec<[Duration; loopback::Stack::ALL.len()]> {
    block_on(async {
        let base = loopback::serve().await;
        let mut rounds = Vec::new();
        for first in 0..=ROUNDS {
            let mut round = [Duration::ZERO; loopback::Stack::ALL.len()];
            for turn in 0..round.len() {
                let place = (first + turn) % round.len(); // no stack is always first
                let start = ThreadTime::now();
                loopback::Stack::ALL[place].run(&base, requests).await;
                round[place] = start.elapsed();
            }
            rounds.push(round);
        }
        rounds.split_off(1) // the first round warms up
    })
}

/// Prints the processor time of a GET while two threads send, as a multiple of its time with one thread:
/// the median of rounds in which all stacks take turns.
fn on_two_threads() {
    const REQUESTS: usize = 20_000;
    println!("| two threads | over one service | over a service each |");
    println!("|---|--:|--:|");
    let stacks = [
        Stack::Bare,
        Stack::Layer,
        Stack::NeverRetry,
        Stack::TowerRetry,
    ];
    let mut ratios = stacks.map(|_| [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        for (stack, ratios) in stacks.into_iter().zip(&mut ratios) {
            let alone = stack.on_threads(1, Shared::All, REQUESTS).as_secs_f64();
            for (shared, ratios) in [Shared::All, Shared::Api].into_iter().zip(ratios) {
                ratios.push(stack.on_threads(2, shared, REQUESTS).as_secs_f64() / alone);
            }
        }
    }
    for (stack, ratios) in stacks.into_iter().zip(ratios) {
        let [one, each] = ratios.map(|mut ratios| {
            ratios.sort_by(f64::total_cmp);
            ratios[ROUNDS / 2]
        });
        println!("| {} | {one:.2} × | {each:.2} × |", stack.name());
    }
    println!();
}

/// Prints the layer's instructions for growing bodies and numbers of requests in flight.
fn growth(count: Count<'_>) {
    println!("| **revio-status**, beyond the bare service | instructions |");
    println!("|---|--:|");
    let rows = [
        ("PUT of 1 KiB", "body", "1024"),
        ("PUT of 64 KiB", "body", "65536"),
        ("GET, 1 in flight", "in flight", "1"),
        ("GET, 1,000 in flight", "in flight", "1000"),
        ("GET, 100,000 in flight", "in flight", "100000"),
        (
            "GET, with a subscriber that wants no event",
            "subscriber",
            "",
        ),
    ];
    for (name, what, size) in rows {
        let requests = match what {
            "in flight" => number(size).max(REQUESTS),
            _ => REQUESTS,
        };
        let [bare, layer] = [Stack::Bare, Stack::Layer]
            .map(|stack| count(&["growth", what, size, &format!("{stack:?}")], requests));
        let more = layer.zip(bare).map(|(layer, bare)| layer - bare);
        println!("| {name} | {} |", show(more, "+"));
    }
}

/// Prints the instructions of `message` on a failed response, and of `Display` after it.
fn messages(count: Count<'_>) {
    println!("\n| instructions | `message` | then `Display` |");
    println!("|---|--:|--:|");
    for failure in Failure::ALL {
        let measure = |part| {
            count(
                &["failure", &format!("{failure:?}"), &format!("{part:?}")],
                REQUESTS,
            )
        };
        let [error, message, display] = Part::ALL.map(measure);
        let message_alone = message.zip(error).map(|(all, error)| all - error);
        let display_alone = display.zip(message).map(|(all, message)| all - message);
        let (message, display) = (show(message_alone, "+"), show(display_alone, "+"));
        println!("| {} | {message} | {display} |", failure.name());
    }
}

fn show(number: Option<f64>, sign: &str) -> String {
    let Some(number) = number else {
        return "–".into();
    };
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    let sign = if number < 0.0 { "−" } else { sign };
    format!("{sign}{text}")
}

/// Returns the instructions for each request.
fn instructions(args: &[&str], requests: usize) -> f64 {
    let total = |requests: usize| -> f64 {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(env::current_exe().expect("this program"))
            .args(args)
            .arg(requests.to_string())
            .output()
            .expect("valgrind");
        let text = String::from_utf8_lossy(&output.stderr);
        let total = text
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let total = total.and_then(|(_, number)| number.trim().parse().ok());
        total.unwrap_or_else(|| panic!("{text}"))
    };
    (total(2 * requests) - total(requests)) / requests as f64
}
