//! Failures as real gateways make them: nginx, HAProxy, Apache and Varnish, over HTTP/1.1 and HTTP/2.
//! Where one is not installed its tests say so and pass.
#![cfg(all(feature = "json", feature = "hyper-util"))]

mod support;

#[path = "gateways/apache.rs"]
mod apache;
#[path = "gateways/backends.rs"]
mod backends;
#[path = "gateways/caller.rs"]
mod caller;
#[path = "gateways/haproxy.rs"]
mod haproxy;
#[path = "gateways/nginx.rs"]
mod nginx;
#[path = "gateways/process.rs"]
mod process;
#[path = "gateways/restart.rs"]
mod restart;
#[path = "gateways/varnish.rs"]
mod varnish;

use support::wire::Http;

const VERSIONS: [Http; 2] = [Http::One, Http::Two];
