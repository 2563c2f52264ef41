//! The outcome of each request is known, or reported as unknown, and the books show what is wrong.

mod support;

use std::{
    convert::Infallible,
    future::ready,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use fleet::{
    stack::{Client, Parts, TIME_LIMIT, post},
    tally::{Report, Tally},
    worker::outcome,
    workers::Told,
};
use futures_util::future::join_all;
use http::Request;
use revio_status_limit::{LimitLayer, Quota};
use support::bounded;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tower::{Layer, ServiceExt, service_fn};

fn client(limit: LimitLayer) -> Client {
    let parts = Parts {
        limit: Some(limit),
        ..Parts::default()
    };
    parts.client(|_| {})
}

/// Accepts, reads, and never responds. Counts the posts.
async fn silent_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let posts = Arc::<AtomicUsize>::default();
    let count = posts.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(read(stream, count.clone()));
        }
    });
    (address, posts)
}

async fn read(mut stream: TcpStream, posts: Arc<AtomicUsize>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        let text = String::from_utf8_lossy(&bytes[..count]);
        posts.fetch_add(text.matches("POST /v1/Notes").count(), Relaxed);
    }
}

fn note(name: &str) -> Bytes {
    format!(r#"{{"note": "{name}"}}"#).into()
}

fn report(lines: &[&str], notes: &[&str]) -> Report {
    report_of(vec![tally(lines)], notes)
}

/// A process that asked for as many requests as it reports the end of.
fn tally(lines: &[&str]) -> Tally {
    let mut tally = Tally::default();
    for line in lines {
        tally.add("asked");
        tally.add(line);
    }
    tally
}

fn report_of(tallies: Vec<Tally>, notes: &[&str]) -> Report {
    let notes: Vec<_> = notes.iter().map(|name| note(name)).collect();
    let told = Told {
        tallies,
        failures: Vec::new(),
    };
    Report::new(told, &notes)
}

#[tokio::test(start_paused = true)]
async fn silent_server_gets_each_post_once() {
    let (server, posts) = silent_server().await;
    let client = client(LimitLayer::new(Quota::per_minute(500)));
    let start = Instant::now();
    let requests = ["1-0", "1-1", "1-2"].map(|note| post(client.clone(), server, note.into()));
    let ends = bounded(join_all(requests)).await;
    assert!(start.elapsed() < TIME_LIMIT, "{:?}", start.elapsed());
    assert_eq!(ends.iter().map(outcome).collect::<Vec<_>>(), ["unknown"; 3]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(posts.load(Relaxed), 3);
}

/// A turn in 25 s: longer than a request may take, though not than an attempt may wait.
#[tokio::test(start_paused = true)]
async fn late_turn_is_refused_before_the_deadline() {
    let (server, posts) = silent_server().await;
    let quota = Quota::new(2, Duration::from_secs(25));
    let limit = LimitLayer::new(quota);
    let service = limit.layer(service_fn(|_| ready(Ok::<_, Infallible>(()))));
    let turn = service.oneshot(Request::new(())).await;
    turn.expect("at once");
    let start = Instant::now();
    let end = bounded(post(client(limit), server, "1-0".into())).await;
    assert_eq!(outcome(&end), "unsent");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(posts.load(Relaxed), 0);
}

#[test]
fn wait_is_a_percentile() {
    let lines: Vec<_> = (1..=100)
        .rev()
        .map(|n| format!("made {n}0 1-{n}"))
        .collect();
    let tally = tally(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let waits = [1, 50, 99, 100].map(|percent| tally.wait(percent));
    assert_eq!(waits, [0.01, 0.5, 0.99, 1.0].map(Some));
    assert_eq!(Tally::default().wait(50), None);
}

#[test]
fn unknown_note_may_be_made_or_not() {
    let unknown = "unknown 10000 1-0";
    assert!(report(&[unknown], &[]).is_exact());
    assert!(report(&[unknown], &["1-0"]).is_exact());
    assert!(!report(&[unknown], &["1-0", "1-0"]).is_exact());
}

#[test]
fn request_without_an_end_is_reported() {
    let all = ["made 5 1-0", "unsent 5 1-1", "unknown 5 1-2"];
    assert!(report(&all, &["1-0"]).is_exact());
    for line in ["asked", "sent"] {
        let report = report(&[line], &[]);
        assert!(!report.is_exact());
        let words = "without an end";
        assert!(report.table().contains(words), "{}", report.table());
    }
}

#[test]
fn lost_doubled_and_denied_notes_are_reported() {
    let made = ["made 5 1-0", "made 5 1-1"];
    assert!(report(&made, &["1-1", "1-0"]).is_exact());
    assert_eq!(report(&made, &["1-0"]).lost, 1);
    assert_eq!(report(&made, &["1-0", "1-1", "1-0"]).twice, 1);
    assert_eq!(report(&["unsent 5 1-0"], &["1-0"]).denied, 1);
}

/// Promise (load): A process that panics, dies or hangs stops no other one, and the program reports
/// what is known of each request.
///
/// An unknown note does not account for it.
#[test]
fn denied_note_is_reported_beside_unknown_ones() {
    let lines = ["unsent 5 1-0", "unknown 5 1-1"];
    for (notes, denied) in [(&["1-0"][..], 1), (&["1-1"], 0), (&["1-0", "1-1"], 1)] {
        let report = report(&lines, notes);
        assert_eq!(report.denied, denied, "{notes:?}");
        assert_eq!(report.is_exact(), denied == 0);
    }
    assert_eq!(report(&["unknown 5 1-1"], &["1-1", "1-2"]).denied, 1);
}

/// One end too many here, and a missing one there.
#[test]
fn books_of_processes_are_separate() {
    let [mut one, mut other] = [&["made 5 1-0"], &["made 5 2-0"]].map(|lines| tally(lines));
    one.add("unsent 5 1-1");
    other.add("asked");
    let report = report_of(vec![one, other], &["1-0", "2-0"]);
    assert_eq!(report.endless, 2);
}
