//! What a request costs wherever it runs: allocations and sizes. `table.rs` has the rest.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_executor::block_on;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, rt::Sleep};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use revio_status::{
    Cooldown, Error, Idempotent, ReplayBody, RevioStatusLayer, StandardPolicy, StatusError,
};
use stacks::{Scenario, Stack, Template, allocations::Allocations};
use tower::{Layer, Service};

const REQUESTS: usize = 100;

/// Of each request, beyond those of the bare service. All must cost the same.
fn allocations(stack: Stack, template: impl Fn() -> Template) -> usize {
    allocated(stack, template, |all| all.count)
}

fn allocated(
    stack: Stack,
    template: impl Fn() -> Template,
    what: impl Fn(Allocations) -> usize,
) -> usize {
    let count = |stack: Stack, requests| {
        let start = what(Allocations::so_far());
        block_on(stack.run(template(), requests));
        what(Allocations::so_far()) - start
    };
    let more = |requests| count(stack, requests) - count(Stack::Bare, requests);
    more(1); // what is made once in a thread is made now
    let all = more(2 * REQUESTS) - more(REQUESTS);
    assert_eq!(all % REQUESTS, 0, "some requests cost more than others");
    all / REQUESTS
}

/// Nobody may look at it.
#[derive(Clone, Copy)]
struct NoClock {
    is_readable: bool,
}

impl hyper::rt::Timer for NoClock {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        panic!("a sleep was made");
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        panic!("a sleep was made");
    }

    fn now(&self) -> Instant {
        assert!(self.is_readable, "the clock was read");
        Instant::now()
    }
}

/// Nobody may clone it.
struct Only(stacks::Api);

impl Clone for Only {
    fn clone(&self) -> Self {
        panic!("the service was cloned");
    }
}

impl<B: http_body::Body<Data = Bytes> + Unpin> Service<Request<B>> for Only {
    type Response = <stacks::Api as Service<Request<B>>>::Response;
    type Error = <stacks::Api as Service<Request<B>>>::Error;
    type Future = <stacks::Api as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.call(request)
    }
}

/// Promise (bounds): A request that is not resent costs no allocation, no clone and no look at the
/// clock.
#[test]
fn a_request_that_may_not_be_resent_reads_no_clock_and_clones_no_service() {
    let layer = RevioStatusLayer::with_timer(NoClock { is_readable: false });
    let service = layer.layer(Only(stacks::Api::new(Scenario::Post)));
    block_on(stacks::drive(service, Template::new(Scenario::Post), 1));
}

#[test]
fn a_success_makes_no_sleep() {
    let layer = RevioStatusLayer::with_timer(NoClock { is_readable: true });
    let layer = layer.time_limit(Duration::from_secs(1));
    let service = layer.layer(stacks::Api::new(Scenario::Get));
    block_on(stacks::drive(service, Template::new(Scenario::Get), 1));
}

/// Promise (bounds): A request that is not resent costs no allocation, no clone and no look at the
/// clock.
#[test]
fn a_request_that_may_not_be_resent_allocates_nothing() {
    let post = || Template::new(Scenario::Post);
    assert_eq!(allocations(Stack::Layer, post), 0);
}

#[test]
fn typed_errors_alone_allocate_nothing() {
    for scenario in [Scenario::Get, Scenario::Post] {
        let never_retry = allocations(Stack::NeverRetry, || Template::new(scenario));
        assert_eq!(never_retry, 0, "{scenario:?}");
    }
}

/// A session, a list of names and a text of values.
const KEPT: usize = 3;

/// Promise (bounds): A request that may be resent costs three allocations at any number of headers,
/// freed with it.
#[test]
fn a_request_that_may_be_resent_allocates_three_times_at_any_number_of_headers() {
    for headers in [6, 20, 60, 400] {
        let get = || Template::new(Scenario::Get).headers(headers);
        assert_eq!(allocations(Stack::Layer, get), KEPT, "{headers}");
    }
}

#[test]
fn long_values_make_the_text_of_values_grow_once() {
    for (headers, bytes) in [(6, 1024), (20, 100_000)] {
        let get = || {
            Template::new(Scenario::Get)
                .headers(headers)
                .long_header(bytes)
        };
        assert_eq!(allocations(Stack::Layer, get), KEPT + 1);
    }
    // Each of them is longer than the room for it.
    let mut service = RevioStatusLayer::new().layer(stacks::Api::new(Scenario::Get));
    let mut send = |length: usize| {
        let mut request = Request::new(Full::<Bytes>::default());
        for number in 0..20 {
            let name = HeaderName::try_from(format!("x-long-{number}")).expect("valid");
            let value = HeaderValue::try_from("x".repeat(length)).expect("valid");
            request.headers_mut().insert(name, value);
        }
        let names: Vec<_> = request.headers().keys().cloned().collect(); // shared from now on
        let before = Allocations::so_far().count;
        drop(block_on(service.call(request)).expect("200"));
        drop(names);
        Allocations::so_far().count - before
    };
    send(1); // what is made once in a thread is made now
    assert_eq!(send(2000), send(1) + 1);
}

/// Promise (bounds): A value that a lower layer keeps contains no credential.
///
/// Somebody below keeps a value of the resend, as HTTP/2's table of fields does.
#[test]
fn a_value_that_is_kept_below_keeps_no_credential() {
    let kept = Rc::new(RefCell::new(None));
    let keep = kept.clone();
    let mut api = stacks::Api::new(Scenario::Retry);
    let below = tower::service_fn(move |request: Request<ReplayBody<Full<Bytes>>>| {
        keep.replace(request.headers().get("x-request-id").cloned());
        api.call(request)
    });
    let mut service = stacks::layer(Scenario::Retry).layer(below);
    let mut template = Template::new(Scenario::Retry);
    let mut send = || {
        let before = Allocations::so_far().live();
        let mut request = template.request();
        let mut key = HeaderValue::try_from("x".repeat(100_000)).expect("valid");
        key.set_sensitive(true);
        request.headers_mut().insert("authorization", key);
        drop(block_on(service.call(request)).expect("200"));
        Allocations::so_far().live() - before
    };
    send(); // what is made once in a thread is made now
    kept.take();
    let more = send();
    assert!(kept.borrow().is_some());
    assert!(more < 10_000, "{more} bytes");
}

/// Promise (bounds): A request that may be resent costs three allocations at any number of headers,
/// freed with it.
///
/// No buffer outlives the request: what a header says may be a credential.
#[test]
fn what_is_kept_goes_with_the_request() {
    for scenario in [Scenario::Get, Scenario::Retry] {
        let mut service = stacks::layer(scenario).layer(stacks::Api::new(scenario));
        let mut template = Template::new(scenario).headers(60);
        let mut send = || {
            let before = Allocations::so_far().live();
            drop(block_on(service.call(template.request())).expect("200"));
            Allocations::so_far().live() - before
        };
        send(); // what is made once in a thread is made now
        assert_eq!([send(), send()], [0, 0], "{scenario:?}");
    }
}

#[test]
fn a_body_is_recorded_without_a_copy() {
    let put = |bytes| move || Template::new(Scenario::Get).put(bytes);
    let bytes = |size| allocated(Stack::Layer, put(size), |all| all.bytes);
    assert_eq!(bytes(1024), bytes(64 * 1024));
    assert!(bytes(1024) < 1024 + 512, "{}", bytes(1024));
    assert!(allocations(Stack::Layer, put(1024)) <= KEPT + 3);
}

/// A session, for the event should it fail.
#[test]
fn of_a_single_attempt_neither_headers_nor_body_are_kept() {
    let allocated = |max_attempts| {
        let policy = StandardPolicy::default().max_attempts(max_attempts);
        let api = stacks::Api::new(Scenario::Get);
        let service = RevioStatusLayer::new().policy(policy).layer(api);
        let start = Allocations::so_far().count;
        block_on(stacks::drive(
            service,
            Template::new(Scenario::Get).put(1024),
            REQUESTS,
        ));
        Allocations::so_far().count - start
    };
    allocated(1); // what is made once in a thread is made now
    // Three for the body; the session is there in any case.
    assert_eq!(allocated(2) - allocated(1), (3 + KEPT - 1) * REQUESTS);
}

/// Counts its clones.
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Relaxed);
        Self(self.0.clone())
    }
}

/// Promise (bounds): A request that is not resent costs no allocation, no clone and no look at the
/// clock.
#[test]
fn of_a_single_attempt_the_extensions_are_not_cloned() {
    let clones = |max_attempts| {
        let policy = StandardPolicy::default().max_attempts(max_attempts);
        let mut service = RevioStatusLayer::new()
            .policy(policy)
            .layer(stacks::Api::new(Scenario::Get));
        let count = Arc::new(AtomicUsize::new(0));
        let mut request = Template::new(Scenario::Get).request();
        request.extensions_mut().insert(Counted(count.clone()));
        drop(block_on(service.call(request)).expect("200"));
        count.load(Relaxed)
    };
    assert_eq!((clones(1), clones(2)), (0, 1));
}

/// The extensions' own three, and those of the body.
#[test]
fn of_a_post_that_may_be_resent_the_extensions_are_cloned_too() {
    let post = || {
        let mut post = Template::new(Scenario::Post);
        post.idempotent = Some(Idempotent(true));
        post
    };
    assert_eq!(allocations(Stack::Layer, post), KEPT + 3 + 3);
}

/// One of them for what only a request that failed needs, one for the list of its failures.
#[test]
fn two_resends_allocate_no_more_than_they_did() {
    let retry = || Template::new(Scenario::Retry);
    let made = allocations(Stack::Layer, retry);
    assert!(made <= 30, "{made}"); // of each failed answer two for the values of its headers
}

/// Its clock stands still.
struct Still(Instant);

impl hyper::rt::Timer for Still {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Asleep)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Asleep)
    }

    fn now(&self) -> Instant {
        self.0
    }
}

struct Asleep;

impl Sleep for Asleep {}

impl Future for Asleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// One allocation holds the request, one what a resend needs. The timer's sleep is not counted.
#[test]
fn held_request_is_two_allocations() {
    let (cooldown, now) = (Cooldown::default(), Instant::now());
    cooldown.extend_until(StatusCode::TOO_MANY_REQUESTS, now + Duration::from_secs(9));
    let layer = RevioStatusLayer::with_timer(Still(now)).cooldown(cooldown);
    let mut service = layer.layer(stacks::Api::new(Scenario::Get));
    let mut hold = || {
        let request = Request::new(Full::<Bytes>::default());
        let before = Allocations::so_far();
        let mut held = Box::pin(service.call(request));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(held.as_mut().poll(&mut cx).is_pending());
        let after = Allocations::so_far();
        let future = size_of_val(&*held);
        (
            after.count - before.count,
            after.bytes - before.bytes - future,
        )
    };
    hold(); // what is made once in a thread is made now
    let (count, bytes) = hold();
    assert_eq!(count, 3, "the layer's two, and this test's box");
    assert!(bytes <= 768, "{bytes}");
    println!("{bytes} bytes");
}

#[test]
fn futures_and_results_are_small() {
    assert!(
        Stack::Layer.future_size() <= 200,
        "{}",
        Stack::Layer.future_size()
    );
    let client = Client::builder(TokioExecutor::new()).build_http::<ReplayBody<Full<Bytes>>>();
    assert!(
        size_of_val(
            &RevioStatusLayer::new()
                .layer(client)
                .call(Request::default())
        ) <= 128
    );
    assert_eq!(size_of::<Error>(), 2 * size_of::<usize>());
    assert_eq!(size_of::<StatusError>(), size_of::<usize>());
    assert_eq!(
        size_of::<Result<Response<Incoming>, Error>>(),
        size_of::<Response<Incoming>>()
    );
    assert!(size_of::<ReplayBody<Full<Bytes>>>() <= 40);
    // A request of more than 256 bytes is moved in a loop.
    type Boxed = UnsyncBoxBody<Bytes, Error>;
    assert!(size_of::<Request<ReplayBody<Boxed>>>() <= 256);
}
