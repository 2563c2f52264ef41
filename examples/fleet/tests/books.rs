//! What became of each request is known, or said to be unknown, and the books show what is wrong.

mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use fleet::{
    shared::{Limit, Settings},
    stack::{DEADLINE, Parts, post},
    tally::{Report, Tally},
    worker::word,
    workers::Told,
};
use futures_util::future::join_all;
use http::Request;
use revio_status::Cooldown;
use support::{bounded, turn};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// Accepts, reads, and never answers. Counts what was posted.
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

/// Of a process that asked for as many requests as it tells the end of.
fn tally(lines: &[&str]) -> Tally {
    let mut tally = Tally::default();
    for line in lines {
        tally.take("asked");
        tally.take(line);
    }
    tally
}

fn report_of(tallies: Vec<Tally>, notes: &[&str]) -> Report {
    let notes: Vec<_> = notes.iter().map(|name| note(name)).collect();
    let told = Told {
        tallies,
        last_refusal: None,
        failures: Vec::new(),
    };
    Report::new(told, &notes)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_holds_nobody_for_ever_and_gets_each_post_once() {
    let (server, posts) = silent_server().await;
    let cooldown = Cooldown::default();
    let limit = Limit::own(Settings::new(1, cooldown.clone()));
    let parts = Parts {
        cooldown,
        limit: Some(limit),
        quiet: None,
    };
    let client = parts.client(|_| {});
    let begin = Instant::now();
    let requests = ["1-0", "1-1", "1-2"].map(|note| post(client.clone(), server, note.into()));
    let ends = bounded(join_all(requests)).await;
    assert!(begin.elapsed() < DEADLINE, "{:?}", begin.elapsed());
    assert_eq!(ends.iter().map(word).collect::<Vec<_>>(), ["unknown"; 3]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(posts.load(Relaxed), 3);
}

/// A turn in 25 s: longer than a request may take, though not than an attempt may wait.
#[tokio::test(start_paused = true)]
async fn who_gets_no_turn_before_the_deadline_is_told_at_once() {
    let (server, posts) = silent_server().await;
    let cooldown = Cooldown::default();
    let settings = Settings {
        calls: 2,
        per: Duration::from_secs(25),
        ..Settings::new(1, cooldown.clone())
    };
    let limit = Limit::own(settings);
    turn(&limit, Request::default()).await.expect("at once");
    let parts = Parts {
        cooldown,
        limit: Some(limit),
        quiet: None,
    };
    let begin = Instant::now();
    let end = bounded(post(parts.client(|_| {}), server, "1-0".into())).await;
    assert_eq!(word(&end), "unsent");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(posts.load(Relaxed), 0);
}

#[test]
fn a_wait_is_that_of_so_many_of_a_hundred() {
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
fn what_is_unknown_may_be_there_or_not() {
    let unknown = "unknown 10000 1-0";
    assert!(report(&[unknown], &[]).is_exact());
    assert!(report(&[unknown], &["1-0"]).is_exact());
    assert!(!report(&[unknown], &["1-0", "1-0"]).is_exact());
}

#[test]
fn a_request_whose_end_nobody_tells_is_told() {
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
fn what_is_lost_or_made_twice_or_called_unsent_is_told() {
    let made = ["made 5 1-0", "made 5 1-1"];
    assert!(report(&made, &["1-1", "1-0"]).is_exact());
    assert_eq!(report(&made, &["1-0"]).lost, 1);
    assert_eq!(report(&made, &["1-0", "1-1", "1-0"]).twice, 1);
    assert_eq!(report(&["unsent 5 1-0"], &["1-0"]).denied, 1);
}

/// Promise (load): A process that panics, dies or hangs stops no other one, and the program reports
/// what is known of each request.
///
/// Another one, of which nobody knows, is no excuse for it.
#[test]
fn what_is_called_unsent_is_told_beside_what_is_unknown() {
    let lines = ["unsent 5 1-0", "unknown 5 1-1"];
    for (notes, denied) in [(&["1-0"][..], 1), (&["1-1"], 0), (&["1-0", "1-1"], 1)] {
        let report = report(&lines, notes);
        assert_eq!(report.denied, denied, "{notes:?}");
        assert_eq!(report.is_exact(), denied == 0);
    }
    assert_eq!(report(&["unknown 5 1-1"], &["1-1", "1-2"]).denied, 1);
}

/// One end too many here, and one that is missing there.
#[test]
fn no_process_makes_up_for_the_books_of_another() {
    let [mut one, mut other] = [&["made 5 1-0"], &["made 5 2-0"]].map(|lines| tally(lines));
    one.take("unsent 5 1-1");
    other.take("asked");
    let report = report_of(vec![one, other], &["1-0", "2-0"]);
    assert_eq!(report.endless, 2);
}
