//! Bodies stream both ways, and what is half looks it.

use std::{iter::repeat_n, time::Duration};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

use crate::{
    desk::{Desk, bounded},
    support::{
        any_body,
        body::{Step, Steps, data},
        hasty,
        wire::{Counter, Server, then},
    },
};

#[tokio::test]
async fn a_chunked_body_has_no_length_whatever_the_api_says() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let api = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 4096]).await.expect("a request");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\
            transfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n";
        stream.write_all(answer).await.expect("sent");
        stream
    };
    let desk = Desk::before(hasty(), &format!("http://{address}")).await;
    let ((head, body), _stream) = tokio::join!(desk.get("/customers/7"), api);
    assert_eq!((head.status, &*body), (StatusCode::OK, "whole"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_body_breaks_off_and_a_slow_one_does_not() {
    let silent = Steps::new([data("half of"), Step::Hang]);
    let part = [data("part "), Step::Wait(Duration::from_secs(29))];
    let slow = Steps::new(repeat_n(part, 5).flatten());
    let answers = [silent, slow].map(|body| Response::new(any_body(body)));
    let desk = Desk::open(hasty(), answers).await;

    let began = Instant::now();
    let response = desk.call(desk.request(Method::GET, "/customers/7")).await;
    assert!(bounded(response.into_body().collect()).await.is_err());
    assert_eq!(began.elapsed(), Duration::from_secs(30));

    let began = Instant::now();
    let (_, body) = desk.get("/customers/7").await;
    assert_eq!(body, "part ".repeat(5));
    assert_eq!(began.elapsed(), 5 * Duration::from_secs(29));
}

#[tokio::test]
async fn a_good_body_arrives_while_the_api_still_sends() {
    let first_seen = Counter::default();
    let rest = first_seen.reaches(1);
    let [first, second] = ["first", "second"].map(|text| any_body(Full::from(text)));
    let answer = Response::new(then(first, rest, second));
    let desk = Desk::open(hasty(), [answer]).await;
    bounded(async {
        let response = desk.call(desk.request(Method::GET, "/customers/7")).await;
        let mut body = response.into_body();
        let frame = body.frame().await.expect("not the end").expect("whole");
        assert_eq!(frame.into_data().expect("data"), "first");
        first_seen.add(1);
        let rest = body.collect().await.expect("whole").to_bytes();
        assert_eq!(rest, "second");
    })
    .await;
}

#[tokio::test]
async fn a_note_arrives_while_the_user_still_writes() {
    let first_seen = Counter::default();
    let seen = first_seen.clone();
    let api = Server::start(move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let mut body = request.into_body();
            let frame = body.frame().await.expect("not the end").expect("whole");
            let first = frame.into_data().expect("data");
            seen.add(1);
            let rest = body.collect().await.expect("whole").to_bytes();
            Response::new(any_body(Full::from([first, rest].concat())))
        }
    })
    .await;
    let desk = Desk::before(hasty(), &api.uri("")).await;
    let [first, second] = ["first, ", "second"].map(|text| any_body(Full::from(text)));
    let note = then(first, first_seen.reaches(1), second);
    let request = desk.request(Method::POST, "/notes").map(|_| note);
    let (head, echo) = desk.send(request).await;
    assert_eq!((head.status, &*echo), (StatusCode::OK, "first, second"));
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_whole() {
    let body = Steps::new([data("half of"), Step::Yield, Step::Fail("broken")]);
    let desk = Desk::open(hasty(), [Response::new(any_body(body))]).await;
    let received = bounded(async {
        let response = desk.call(desk.request(Method::GET, "/customers/7")).await;
        response.into_body().collect().await
    });
    assert!(received.await.is_err());
}
