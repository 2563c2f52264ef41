//! The stand-in counts as the gateway does.

mod support;

use std::{net::SocketAddr, time::Duration};

use fleet::{
    server::Api,
    stack::{Parts, post},
};
use revio_status::Cooldown;
use support::bounded;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, advance},
};

const WINDOW: Duration = Duration::from_secs(10);

/// The head and body of its answer.
async fn call(server: SocketAddr) -> String {
    let mut stream = TcpStream::connect(server).await.expect("it runs");
    let request =
        "POST /v1/Notes HTTP/1.1\r\nhost: api\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.expect("taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    answer
}

async fn calls(server: SocketAddr, count: usize) -> Vec<String> {
    let mut answers = Vec::new();
    for _ in 0..count {
        answers.push(call(server).await);
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_in_a_window_is_refused_and_counts() {
    let api = Api::start(2, WINDOW).await.expect("loopback");
    let answers = calls(api.address(), 5).await;
    let (made, refused) = answers.split_at(2);
    assert!(made.iter().all(|answer| answer.contains(" 201 ")));
    for answer in refused {
        assert!(answer.contains(" 429 "), "{answer}");
        let (_, seconds) = answer.split_once("retry-after: ").expect("told");
        let seconds = seconds.split("\r\n").next().map(str::parse);
        assert!(matches!(seconds, Some(Ok(1..=11_u32))), "{answer}");
    }
    assert_eq!((api.calls(), api.notes().len()), (5, 2));
    advance(WINDOW).await;
    assert!(call(api.address()).await.contains(" 201 "));
}

/// Two a window: three and one in the whole ones, and some in the two that are not whole.
#[tokio::test(start_paused = true)]
async fn the_part_that_is_used_is_that_of_whole_windows() {
    let api = Api::start(2, WINDOW).await.expect("loopback");
    let begin = Instant::now();
    for count in [1, 3, 1, 2] {
        calls(api.address(), count).await;
        advance(WINDOW).await;
    }
    let end = begin + 3 * WINDOW;
    assert_eq!(api.used(begin, end), Some(0.75));
    assert_eq!(api.used(begin, begin + WINDOW / 20), None);
}

/// One a window: whoever comes second is told to wait, and does.
#[tokio::test]
async fn a_post_that_is_refused_is_made_in_the_next_window() {
    let api = Api::start(1, Duration::from_secs(1)).await;
    let api = api.expect("loopback");
    let parts = Parts {
        cooldown: Cooldown::default(),
        limit: None,
        quiet: None,
    };
    let client = parts.client(|_| {});
    for note in ["1-0", "1-1", "1-2"] {
        let end = bounded(post(client.clone(), api.address(), note.into())).await;
        end.expect("made");
    }
    assert_eq!(api.notes().len(), 3);
}
