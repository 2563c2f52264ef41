//! Processes that panic, hang, or forget: the books still have the outcome of each request.

mod support;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use fleet::{
    args::Share,
    tally::{Report, Tally},
    worker::{Spec, send},
    workers::Workers,
};
use revio_status::Error;
use support::bounded;
use tokio::time::Instant;

const EVER: Duration = Duration::from_secs(3600);

fn spec(how: &str, process: u32) -> Spec {
    Spec {
        server: ([127, 0, 0, 1], 1).into(),
        account: how.into(),
        process,
        processes: 3,
        limit: 100,
        window: Duration::from_secs(1),
        share: Share::Nothing,
        per_second: 1000.0,
        length: Duration::from_millis(50),
    }
}

/// Three processes, of which the second one fails in this way.
async fn report(how: &str, most: Duration) -> Report {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/worker.sh");
    let specs = [1, 2, 3].map(|process| spec(how, process));
    let workers = Workers::start(&program, &specs, "").expect("sh");
    let told = bounded(workers.watch(most, |_, _| {})).await;
    Report::new(told.expect("ended"), &[Bytes::from(r#"{"note": "2-1"}"#)])
}

fn assert_all_have_an_end(tally: &Tally) {
    let ended = (tally.made.len() + tally.unsent.len()) as u32 + tally.unknown;
    assert_eq!(tally.asked, ended);
}

/// Promise (load): A process that panics, dies or hangs stops no other one, and the program reports
/// what is known of each request.
#[tokio::test]
async fn panicked_process_leaves_requests_unknown() {
    let report = report("panics", EVER).await;
    assert!(report.is_exact(), "{}", report.table());
    report.tallies.iter().for_each(assert_all_have_an_end);
    let unknown = report.tallies.iter().map(|tally| tally.unknown);
    assert_eq!(unknown.collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(report.failures, ["process 2 ended with exit status: 101"]);
}

/// Promise (load): A process that panics, dies or hangs stops no other one, and the program reports
/// what is known of each request.
#[tokio::test]
async fn endless_process_is_killed() {
    let report = report("hangs", Duration::from_millis(300)).await;
    report.tallies.iter().for_each(assert_all_have_an_end);
    assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
    assert!(report.failures[0].contains("process 2"));
}

/// The process succeeds: then our own books are wrong.
#[tokio::test]
async fn forgotten_request_is_reported() {
    let report = report("forgets", EVER).await;
    assert!(report.failures.is_empty());
    assert_eq!(report.endless, 1);
}

/// Promise (load): A process that panics, dies or hangs stops no other one, and the program reports
/// what is known of each request.
#[tokio::test(start_paused = true)]
async fn panicked_request_stops_no_other() {
    let lines = Arc::<Mutex<Tally>>::default();
    let tally = lines.clone();
    let count = AtomicU32::new(0);
    let post = |_| {
        let is_third = count.fetch_add(1, Relaxed) == 2;
        async move {
            tokio::task::yield_now().await;
            assert!(!is_third, "as if something were wrong");
            Ok::<_, Error>(())
        }
    };
    let report = move |line: &str| tally.lock().expect("whole").add(line);
    let end = bounded(send(&spec("", 1), post, report)).await;
    assert!(end.expect_err("told").to_string().contains("1 request"));
    let tally = lines.lock().expect("whole");
    assert_all_have_an_end(&tally);
    assert!(tally.asked > 3, "{}", tally.asked);
    assert_eq!((tally.unsent.len(), tally.unknown), (0, 1));
}

/// A request in four minutes, for a second.
#[tokio::test(start_paused = true)]
async fn light_process_ends_in_time() {
    let length = Duration::from_secs(1);
    let spec = Spec {
        per_second: 1.0 / 240.0,
        length,
        ..spec("", 1)
    };
    let start = Instant::now();
    let end = send(&spec, |_| async { Ok::<_, Error>(()) }, |_| {}).await;
    end.expect("all is well");
    assert!(start.elapsed() <= 2 * length, "{:?}", start.elapsed());
}
