//! An error does not hold the buffers of its response's connection.

use crate::allocations::Allocations;
use crate::support::{
    Refused, any_body, layer, request,
    wire::{Http, Server, bounded, client},
};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt};

/// Promise (cause): An error keeps no buffer of the connection alive.
///
/// hyper reads a response into one buffer of 8 KiB or more, which lives as long as any header value or
/// piece of the body in it.
#[tokio::test]
async fn error_pins_no_connection_buffer() {
    const ERRORS: usize = 32;
    for http in [Http::One, Http::Two] {
        let server = Server::start(|_| async {
            let mut response = Response::new(any_body(Full::from("no such customer 100")));
            *response.status_mut() = StatusCode::NOT_FOUND;
            let node = "node-17".parse().expect("valid");
            response.headers_mut().insert("x-node", node);
            response
        })
        .await;
        let mut errors = Vec::new();
        for _ in 0..ERRORS {
            // Each connection has a buffer of its own.
            let service = layer().layer(client(http));
            let mut request = request(Method::GET);
            *request.uri_mut() = server.uri("/v1/Customers/1001").parse().expect("valid");
            let error = bounded(service.oneshot(request)).await.refused();
            assert_eq!(error.body(), "no such customer 100");
            assert_eq!(error.headers()["x-node"], "node-17");
            errors.push(error);
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await; // the connections end
        }
        let before = Allocations::so_far().live();
        drop(errors);
        let held = before - Allocations::so_far().live();
        let each = held / ERRORS as isize;
        println!("{http:?}: {each} bytes for each error");
        assert!(each < 2048, "{http:?}: {each} bytes for each error");
    }
}
