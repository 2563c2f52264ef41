//! How often the stack calls, and how long it waits.

use std::{future::pending, iter::repeat_n};

use http::{Request, Response};
use tokio::time::Instant;
use tower::{ServiceExt, timeout::error::Elapsed};

use crate::{
    shell::{Shell, against, assert_fails, bounded, quickstart, seconds},
    support::{
        AnyBody, any_body,
        body::{Step, Steps, data},
        no_body,
        wire::Server,
    },
};
use revio::{Exit, stack::Limits};

#[tokio::test(start_paused = true)]
async fn of_calls_there_are_five_hundred_a_minute_resends_included() {
    let (api, shell) = quickstart().await;
    let client = shell.client(&Limits::default());
    let began = Instant::now();
    let call = async |path| {
        let answer = bounded(client.clone().oneshot(get(api.uri(path)))).await;
        assert_eq!(answer.expect("an answer").status(), 200);
    };
    call("/v1/Contacts/7").await; // takes two
    for _ in 2..500 {
        call("/v1/Customers/7").await;
    }
    assert_eq!(api.take_received().len(), 500);
    assert!(began.elapsed() < seconds(2), "the wait for the second");
    call("/v1/Customers/7").await;
    assert_eq!(began.elapsed(), seconds(60));
}

fn get(uri: String) -> Request<AnyBody> {
    Request::get(uri).body(no_body()).expect("valid")
}

#[tokio::test(start_paused = true)]
async fn an_attempt_waits_half_a_minute_for_its_answer() {
    let mute = Server::start(|_| pending()).await;
    let began = Instant::now();
    let got = Shell::at(mute.uri("")).run(&["GET", "/v1/Notes"]).await;
    let line = "revio: no answer: request timed out; nothing was to be changed\n";
    assert_fails(&got, Exit::NoAnswer, line);
    assert_eq!(began.elapsed(), seconds(30));
}

#[tokio::test(start_paused = true)]
async fn a_silent_download_ends_and_a_slow_one_does_not() {
    let silent = || Response::new(any_body(Steps::new([data("half"), Step::Hang])));
    let began = Instant::now();
    let got = against(["GET", "/v1/Notes"], silent).await;
    assert_eq!((got.exit, &*got.out), (Exit::AnswerLost, "half"));
    let line = "revio: 200 OK, but its answer broke off: data was not received within the \
        designated timeout\n";
    assert_eq!(got.err, line);
    assert_eq!(began.elapsed(), seconds(30));

    // Longer than anything else may take.
    let slow = || {
        let part = [data("part "), Step::Wait(seconds(29))];
        Response::new(any_body(Steps::new(repeat_n(part, 5).flatten())))
    };
    let began = Instant::now();
    let got = against(["GET", "/v1/Notes"], slow).await;
    assert_eq!((got.exit, &*got.out), (Exit::Done, &*"part ".repeat(5)));
    assert_eq!(began.elapsed(), 5 * seconds(29));
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_for_its_turn_forever() {
    let (api, shell) = quickstart().await;
    let client = shell.client(&Limits {
        calls: (1, seconds(600)),
        ..Limits::default()
    });
    let customer = || get(api.uri("/v1/Customers/7"));
    let first = bounded(client.clone().oneshot(customer())).await;
    assert_eq!(first.expect("an answer").status(), 200);

    let began = Instant::now();
    let second = bounded(client.oneshot(customer())).await;
    assert!(second.is_err_and(|error| error.is::<Elapsed>()));
    // The deadline, an attempt, and five seconds for the words of its answer.
    assert_eq!(began.elapsed(), seconds(90 + 30 + 5));
    assert_eq!(api.take_received().len(), 1);
}
