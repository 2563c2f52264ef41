//! Failures from real gateways: nginx, HAProxy, Apache and Varnish, over HTTP/1.1 and HTTP/2.
//! If a gateway is not installed, its tests print that and pass.
#![cfg(all(feature = "json", feature = "hyper-util"))]

#[path = "../support/mod.rs"]
mod support;

mod apache;
mod backends;
mod caller;
mod haproxy;
mod nginx;
mod process;
mod restart;
mod varnish;

use support::wire::Http;

const VERSIONS: [Http; 2] = [Http::One, Http::Two];
