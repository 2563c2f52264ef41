mod api;
#[cfg(all(feature = "hyper-util", feature = "json", feature = "tokio"))]
mod axum;
#[cfg(all(feature = "hyper-util", feature = "json", feature = "tokio"))]
mod composition;
mod config;
mod connections;
mod defaults;
#[cfg(all(feature = "hyper-util", feature = "json", feature = "tokio"))]
mod redirects;
mod runtime;
#[cfg(all(feature = "hyper-util", feature = "json", feature = "tokio"))]
mod smol;
#[cfg(all(feature = "hyper-util", feature = "tokio"))]
mod why_not_my_post;
