//! The stand-in counts as the gateway does.

mod support;

use std::{net::SocketAddr, time::Duration};

use fleet::{
    server::Api,
    stack::{Parts, post},
};
use support::bounded;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, advance},
};

const WINDOW: Duration = Duration::from_secs(10);

/// Returns the head and body of the response.
async fn call(server: SocketAddr) -> String {
    let mut stream = TcpStream::connect(server).await.expect("it runs");
    let request =
        "POST /v1/Notes HTTP/1.1\r\nhost: api\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.expect("taken");
    let mut response = String::new();
    stream.read_to_string(&mut response).await.expect("text");
    response
}

async fn calls(server: SocketAddr, count: usize) -> Vec<String> {
    let mut responses = Vec::new();
    for _ in 0..count {
        responses.push(call(server).await);
    }
    responses
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_are_refused_and_count() {
    let api = Api::start(2, WINDOW).await.expect("loopback");
    let responses = calls(api.address(), 5).await;
    let (made, refused) = responses.split_at(2);
    assert!(made.iter().all(|response| response.contains(" 201 ")));
    for response in refused {
        assert!(response.contains(" 429 "), "{response}");
        let (_, seconds) = response.split_once("retry-after: ").expect("told");
        let seconds = seconds.split("\r\n").next().map(str::parse);
        assert!(matches!(seconds, Some(Ok(1..=11_u32))), "{response}");
    }
    assert_eq!((api.calls(), api.notes().len()), (5, 2));
    advance(WINDOW).await;
    assert!(call(api.address()).await.contains(" 201 "));
}

/// Two a window: three and one in the whole ones, and some in the two that are not whole.
#[tokio::test(start_paused = true)]
async fn used_part_is_that_of_whole_windows() {
    let api = Api::start(2, WINDOW).await.expect("loopback");
    let start = Instant::now();
    for count in [1, 3, 1, 2] {
        calls(api.address(), count).await;
        advance(WINDOW).await;
    }
    let end = start + 3 * WINDOW;
    assert_eq!(api.used(start, end), Some(0.75));
    assert_eq!(api.used(start, start + WINDOW / 20), None);
}

/// One a window: the second is asked to wait, and does.
#[tokio::test]
async fn refused_post_is_made_in_the_next_window() {
    let api = Api::start(1, Duration::from_secs(1)).await;
    let api = api.expect("loopback");
    let client = Parts::default().client(|_| {});
    for note in ["1-0", "1-1", "1-2"] {
        let end = bounded(post(client.clone(), api.address(), note.into())).await;
        end.expect("made");
    }
    assert_eq!(api.notes().len(), 3);
}
