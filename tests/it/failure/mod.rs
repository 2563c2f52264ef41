#[cfg(feature = "tower-http")]
mod classify;
mod documents;
mod elements;
#[cfg(feature = "json")]
mod error_bodies;
mod errors;
mod no_news;
mod pages;
mod retry_after;
mod sentences;
mod status_table;
#[cfg(feature = "json")]
mod status_words;
#[cfg(all(feature = "hyper-util", feature = "json", feature = "tokio"))]
mod unsent;
