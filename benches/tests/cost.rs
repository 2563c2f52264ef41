//! The machine-independent costs of a request: allocations and sizes. `table.rs` has the others.

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

/// Returns the allocations of one request beyond those of the bare service. All must cost the same.
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
    more(1); // warms up the thread
    let all = more(2 * REQUESTS) - more(REQUESTS);
    assert_eq!(all % REQUESTS, 0, "some requests cost more than others");
    all / REQUESTS
}

/// A timer that creates no sleep and, unless `is_readable`, panics when read.
#[derive(Clone, Copy)]
struct NoClock {
    is_readable: bool,
}

impl hyper::rt::Timer for NoClock {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        panic!("a sleep was created");
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        panic!("a sleep was created");
    }

    fn now(&self) -> Instant {
        assert!(self.is_readable, "the clock was read");
        Instant::now()
    }
}

/// A service that panics when cloned.
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

/// Promise (bounds): A request that is not resent costs no allocation, no clone and no clock
/// reading.
#[test]
fn unresendable_request_reads_no_clock() {
    let layer = RevioStatusLayer::with_timer(NoClock { is_readable: false });
    let service = layer.layer(Only(stacks::Api::new(Scenario::Post)));
    block_on(stacks::drive(service, Template::new(Scenario::Post), 1));
}

#[test]
fn success_creates_no_sleep() {
    let layer = RevioStatusLayer::with_timer(NoClock { is_readable: true });
    let layer = layer.time_limit(Duration::from_secs(1));
    let service = layer.layer(stacks::Api::new(Scenario::Get));
    block_on(stacks::drive(service, Template::new(Scenario::Get), 1));
}

/// Promise (bounds): A request that is not resent costs no allocation, no clone and no clock
/// reading.
#[test]
fn unresendable_request_allocates_nothing() {
    let post = || Template::new(Scenario::Post);
    assert_eq!(allocations(Stack::Layer, post), 0);
}

#[test]
fn never_retry_allocates_nothing() {
    for scenario in [Scenario::Get, Scenario::Post] {
        let never_retry = allocations(Stack::NeverRetry, || Template::new(scenario));
        assert_eq!(never_retry, 0, "{scenario:?}");
    }
}

/// Allocations of a resendable request: its state, a list of header names, a text of values.
const KEPT: usize = 3;

/// Promise (bounds): A request that may be resent costs three allocations at any number of headers,
/// freed with it.
#[test]
fn resendable_request_allocates_three_times() {
    for headers in [6, 20, 60, 400] {
        let get = || Template::new(Scenario::Get).headers(headers);
        assert_eq!(allocations(Stack::Layer, get), KEPT, "{headers}");
    }
}

#[test]
fn long_values_cost_one_allocation() {
    for (headers, bytes) in [(6, 1024), (20, 100_000)] {
        let get = || {
            Template::new(Scenario::Get)
                .headers(headers)
                .long_header(bytes)
        };
        assert_eq!(allocations(Stack::Layer, get), KEPT + 1);
    }
    // Each value is longer than its reserved space.
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
    send(1); // warms up the thread
    assert_eq!(send(2000), send(1) + 1);
}

/// Promise (bounds): A value that a lower layer keeps contains no credential.
///
/// The service keeps a header value of the resend, as HTTP/2's header table does.
#[test]
fn value_kept_by_lower_layer_has_no_credential() {
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
    send(); // warms up the thread
    kept.take();
    let more = send();
    assert!(kept.borrow().is_some());
    assert!(more < 10_000, "{more} bytes");
}

/// Promise (bounds): A request that may be resent costs three allocations at any number of headers,
/// freed with it.
///
/// A buffer that outlives the request could hold a credential.
#[test]
fn finished_request_frees_its_recording() {
    for scenario in [Scenario::Get, Scenario::Retry] {
        let mut service = stacks::layer(scenario).layer(stacks::Api::new(scenario));
        let mut template = Template::new(scenario).headers(60);
        let mut send = || {
            let before = Allocations::so_far().live();
            drop(block_on(service.call(template.request())).expect("200"));
            Allocations::so_far().live() - before
        };
        send(); // warms up the thread
        assert_eq!([send(), send()], [0, 0], "{scenario:?}");
    }
}

#[test]
fn recording_copies_no_body() {
    let put = |bytes| move || Template::new(Scenario::Get).put(bytes);
    let bytes = |size| allocated(Stack::Layer, put(size), |all| all.bytes);
    assert_eq!(bytes(1024), bytes(64 * 1024));
    assert!(bytes(1024) < 1024 + 512, "{}", bytes(1024));
    assert!(allocations(Stack::Layer, put(1024)) <= KEPT + 3);
}

/// A single attempt keeps only its state, for the event of a failure.
#[test]
fn single_attempt_keeps_no_headers_and_no_body() {
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
    allocated(1); // warms up the thread
    // Three for the body; both cases allocate the state.
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

/// Promise (bounds): A request that is not resent costs no allocation, no clone and no clock
/// reading.
#[test]
fn single_attempt_clones_no_extensions() {
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

/// Three allocations for the extensions, three for the body.
#[test]
fn idempotent_post_clones_extensions() {
    let post = || {
        let mut post = Template::new(Scenario::Post);
        post.idempotent = Some(Idempotent(true));
        post
    };
    assert_eq!(allocations(Stack::Layer, post), KEPT + 3 + 3);
}

/// They include the state of a failed request and its list of failures.
#[test]
fn two_resends_allocate_at_most_30_times() {
    let retry = || Template::new(Scenario::Retry);
    let made = allocations(Stack::Layer, retry);
    assert!(made <= 30, "{made}"); // two per failed response for its header values
}

/// A timer whose clock stands still.
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

/// One allocation for the request, one for the state of a resend. The timer's sleep is not counted.
#[test]
fn held_request_allocates_twice() {
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
    hold(); // warms up the thread
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
