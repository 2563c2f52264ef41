#[cfg(feature = "tower-http")]
mod classify;
mod errors;
#[cfg(feature = "json")]
mod json_method;
mod message_lines;
#[cfg(feature = "json")]
mod messages;
mod retry_after;
mod status_table;
#[cfg(all(feature = "hyper-util", feature = "json", feature = "tokio"))]
mod unsent;
