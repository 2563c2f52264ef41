//! Real processes, as the program starts them.

mod support;

use std::{
    convert::Infallible,
    env, fs,
    future::ready,
    io::{self, BufRead, Read},
    path::Path,
    process::{self, Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use ::redis::Value;
use fleet::{args::Share, server::Api, worker::Spec, workers::Workers};
use http::Request;
use revio_status_limit::{Account, LimitLayer, Quota};
use support::{
    bounded, command,
    program::{EXACT, URL, program, text, three_for},
    redis, until,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::Instant,
};
use tower::{Layer, ServiceExt, service_fn};

const ACCOUNT: &str = "acme & sons";
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn program_starts_redis_and_the_books_balance() {
    if redis(&[]).is_none() {
        return;
    }
    let mut program = program(&["--seconds", "4"]);
    let output = program.output().expect("it runs");
    let (out, error) = text(&output);
    assert!(output.status.success(), "{error}");
    assert!(out.contains(EXACT) && out.contains("used: "), "{out}");
    assert!(out.contains("; no refusal"), "{out}");
    assert!(error.lines().count() >= 3, "{error}");
}

/// Promise (load): A failing Redis costs no request and no endless wait: each process keeps to its
/// own share, and returns.
///
/// Killed while they send, and started again.
#[test]
fn killed_redis_loses_no_note_or_password() {
    let Some(mut redis) = redis(&["--requirepass", "horse"]) else {
        return;
    };
    let mut child = three_for("15")
        .env(URL, format!("{}?pass=horse", redis.url()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let error = child.stderr.take().expect("piped");
    let mut seen = String::new();
    let (mut is_killed, mut is_back) = (false, false);
    for line in io::BufReader::new(error).lines() {
        let line = line.expect("text") + "\n";
        seen += &line;
        let second = line.trim_start().split(' ').next();
        let second = second.and_then(|second| second.parse::<u32>().ok());
        if !is_killed && second >= Some(1) {
            is_killed = true;
            redis.kill();
        }
        if !is_back && seen.matches("its own share").count() >= 3 {
            is_back = true;
            redis.restart().expect("as before");
        }
    }
    let mut out = String::new();
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_to_string(&mut out).expect("text");
    assert!(child.wait().expect("it ends").success(), "{seen}");
    assert!(out.contains(EXACT), "{out}");
    assert!(seen.matches("its own share").count() >= 3, "{seen}");
    assert!(seen.matches("quota is shared again").count() >= 3, "{seen}");
    assert!(
        !seen.contains("horse") && !out.contains("horse"),
        "{seen}{out}"
    );
}

/// What it has started goes with it: only then is its folder removed.
#[test]
fn signal_leaves_no_redis_behind() {
    if redis(&[]).is_none() {
        return;
    }
    for signal in ["INT", "TERM", "HUP"] {
        let folder = env::temp_dir().join(format!("fleet-{}-{signal}", process::id()));
        fs::create_dir(&folder).expect("new");
        let mut command = three_for("60");
        command.env("TMPDIR", &folder).stdout(Stdio::null());
        let mut fleet = command.stderr(Stdio::piped()).spawn().expect("it runs");
        read_until(&mut fleet, " 1 s | all");
        let is_empty = || fs::read_dir(&folder).expect("there").next().is_none();
        assert!(!is_empty(), "its Redis is there");
        send(signal, &fleet.id().to_string());
        let status = fleet.wait().expect("it ends");
        assert!(!status.success(), "{signal}");
        assert!(is_empty(), "{signal}");
        fs::remove_dir(&folder).expect("empty");
    }
}

/// Promise (load): A process that panics, dies or hangs stops no other one, and the program reports
/// what is known of each request.
///
/// Its folder is there, and the server in it may be or not.
#[tokio::test]
async fn signal_at_the_start_leaves_no_redis() {
    if redis(&[]).is_none() {
        return;
    }
    for round in 0..8 {
        let folder = env::temp_dir().join(format!("fleet-{}-{round}", process::id()));
        fs::create_dir(&folder).expect("new");
        let mut command = three_for("60");
        command.env("TMPDIR", &folder).stdout(Stdio::null());
        let mut fleet = command.stderr(Stdio::null()).spawn().expect("it runs");
        let is_empty = || fs::read_dir(&folder).expect("there").next().is_none();
        until(|| !is_empty()).await;
        send("TERM", &fleet.id().to_string());
        let status = fleet.wait().expect("it ends");
        assert_eq!(status.code(), Some(128 + 15), "{status}");
        assert!(is_empty(), "round {round}");
        fs::remove_dir(&folder).expect("empty");
    }
}

fn send(signal: &str, id: &str) {
    let kill = Command::new("kill")
        .args([&format!("-{signal}"), id])
        .status();
    assert!(kill.expect("kill").success());
}

/// What it has said at last, and the rest of what it will say.
fn read_until(fleet: &mut Child, words: &str) -> (String, io::BufReader<ChildStderr>) {
    let mut errors = io::BufReader::new(fleet.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains(words) {
        let read = errors.read_line(&mut said).expect("text");
        assert!(read > 0, "{said}");
    }
    (said, errors)
}

/// The process that sends most, while the fleet runs.
fn busiest_of(fleet: &Child) -> Option<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", fleet.id())).expect("it runs");
    let ids: Vec<String> = tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|ids| {
            ids.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    ids.into_iter().find(|id| {
        let args = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        args.split('\0').nth(1) == Some("worker") && args.contains("\"process\":3,")
    })
}

/// Promise (load): A process that panics, dies or hangs stops no other one, and the program reports
/// what is known of each request.
#[test]
fn killed_process_is_reported() {
    let Some(redis) = redis(&[]) else { return };
    let mut command = three_for("3");
    command.env(URL, redis.url()).stdout(Stdio::piped());
    let mut fleet = command.stderr(Stdio::piped()).spawn().expect("it runs");
    let (mut error, mut errors) = read_until(&mut fleet, " 1 s | all");
    send("ABRT", &busiest_of(&fleet).expect("a process"));
    errors.read_to_string(&mut error).expect("text");
    let output = fleet.wait_with_output().expect("it ends");
    let (out, _) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("process 3 ended with signal: 6"), "{error}");
    assert!(
        out.contains(EXACT) && !out.contains("without an end"),
        "{out}"
    );
    let (_, table) = out.split_once("PROCESS").expect("a table");
    for name in ["1 ", "2 ", "3 ", "all "] {
        let row = table.lines().find(|line| line.starts_with(name));
        let numbers = row.expect("a row").split_whitespace().skip(1).take(7);
        let numbers: Vec<u32> = numbers
            .map(|word| word.parse().expect("a number"))
            .collect();
        let [asked, _, _, _, made, unsent, unknown] = numbers[..] else {
            panic!("{out}")
        };
        assert_eq!(asked, made + unsent + unknown, "{out}");
        assert!(made > 0, "{out}");
        assert_eq!(unknown > 0, ["3 ", "all "].contains(&name), "{out}");
    }
}

/// Promise (load): Processes that share an account keep to its quota together, in fair shares.
///
/// 98 turns a second, and a server that would take more. Where Redis is too slow for one of them, its own
/// share is one in a second.
#[tokio::test]
async fn three_processes_keep_to_the_limit() {
    let Some(redis) = redis(&[]) else { return };
    for (share, processes) in [(Share::Redis, 100), (Share::Fixed, 3)] {
        let api = Api::start(u32::MAX, 3600 * SECOND).await.expect("loopback");
        let specs = [1, 2, 3].map(|process| Spec {
            process,
            processes,
            limit: 100,
            share,
            length: 2 * SECOND,
            ..spec(&api)
        });
        let start = Instant::now();
        let program = Path::new(env!("CARGO_BIN_EXE_fleet"));
        let workers = Workers::start(program, &specs, &redis.url()).expect("they run");
        let told = bounded(workers.watch(60 * SECOND, |_, _| {})).await;
        assert!(told.expect("ended").failures.is_empty());
        let most = 101.0 * start.elapsed().as_secs_f64() + 6.0;
        let calls = api.calls();
        assert!(f64::from(calls) <= most, "{share}: {calls} of {most}");
        assert!(calls > 0);
    }
}

/// Promise (load): A cool-down that starts in one process holds in all others.
///
/// The server that refuses is not the other one's: only Redis can have told it.
#[tokio::test]
async fn cooldown_of_one_process_holds_the_other() {
    let Some(redis) = redis(&[]) else { return };
    let strict = Api::start(0, 100 * DAY).await.expect("loopback");
    let api = Api::start(u32::MAX, 3600 * SECOND).await.expect("loopback");
    let other = Spec {
        limit: 1000,
        ..spec(&api)
    };
    let mut other = start(&other, &redis.url());
    let mut lines = BufReader::new(other.stdout.take().expect("piped")).lines();
    until(|| api.calls() > 0).await;
    let told = Spec {
        process: 2,
        limit: 1000,
        ..spec(&strict)
    };
    let _told = start(&told, &redis.url());
    bounded(async {
        while let Some(line) = lines.next_line().await.expect("text") {
            assert_ne!(line, "refused");
            if line.starts_with("unsent ") {
                return;
            }
        }
        panic!("it never hears of it");
    })
    .await;
}

/// One of two, that wants 50 calls a second for a minute.
fn spec(api: &Api) -> Spec {
    Spec {
        server: api.address(),
        account: ACCOUNT.into(),
        process: 1,
        processes: 2,
        limit: 2,
        window: SECOND,
        share: Share::Redis,
        per_second: 50.0,
        length: 60 * SECOND,
    }
}

/// It dies with its handle.
fn start(spec: &Spec, redis: &str) -> tokio::process::Child {
    let mut command = tokio::process::Command::from(program(&["worker"]));
    let command = command.arg(spec.to_arg()).env(URL, redis);
    let command = command.stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("it runs")
}

/// One turn a second. A process has booked one, and is killed while it waits for it.
#[tokio::test]
async fn killed_process_stops_no_other() {
    let Some(redis) = redis(&[]) else { return };
    let url = redis.url();
    let api = Api::start(u32::MAX, 3600 * SECOND).await.expect("loopback");
    let spec = spec(&api);
    let mut child = start(&spec, &url);
    let key = "revio:{75af65ffc3913b3ebe1f8666cc870314}:limit:2"; // that of the account
    let ahead = format!(
        "local time = redis.call('TIME')
         local turn = string.match(redis.call('GET', '{key}') or '0', '%d+')
         return turn - time[1] * 1000000 - time[2]"
    );
    // The turn after the booked one is more than a second away.
    until(|| match command(&url, &["EVAL", &ahead, "0"]) {
        Value::Int(micros) => micros > 1_000_000,
        other => panic!("{other:?}"),
    })
    .await;
    child.kill().await.expect("it runs");
    let limit = LimitLayer::new(Quota::new(spec.limit, spec.window))
        .shared(&account(&url), 2)
        .redis_timeout(10 * SECOND);
    bounded(async {
        while !limit.is_shared() {
            turn(&limit).await;
        }
        turn(&limit).await;
    })
    .await;
    assert!(limit.is_shared());
}

fn account(url: &str) -> Account {
    Account::new(::redis::Client::open(url).expect("a URL"), ACCOUNT)
}

/// Waits for a turn, and sends nothing.
async fn turn(limit: &LimitLayer) {
    let service = limit.layer(service_fn(|_| ready(Ok::<_, Infallible>(()))));
    service.oneshot(Request::new(())).await.expect("a turn");
}
