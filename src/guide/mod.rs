//! The guide: how to build a stack, handle its errors, choose settings, observe and test it.
//!
//! | page | questions |
//! |---|---|
//! | [`stacks`] | In what order do I stack layers? How do I build a production client, over hyper-util or reqwest, in axum, on any runtime? |
//! | [`why_not_my_post`] | Which requests are resent after which failure, and by which setting? |
//! | [`errors`] | What do I do about each failure? How do I find it below other layers' errors? |
//! | [`choosing`] | Which retry settings suit a user who waits, a service, a nightly job? |
//! | [`cool_down`] | What does a 429 do to all requests of its account? Which are held, for how long, and which refused? |
//! | [`processes`] | How do several processes share an account's limit of calls, its cool-downs and the retry budget? |
//! | [`observing`] | What is logged? How do I get a span for each attempt, and metrics? |
//! | [`testing`] | How do I test my code without a server and without waiting? |
//! | [`cost`] | What does a request cost in instructions, allocations and memory? |
//! | [`compile_errors`] | What does this compiler error mean, and how do I fix it? |
//! | [`compared`] | How do other crates and SDKs handle failed requests? |

// `tests/samples.rs` compiles the samples that need more than this package's dev-dependencies.

#[cfg_attr(not(doctest), doc = include_str!("stacks.md"))]
pub mod stacks {}

#[doc = include_str!("why_not_my_post.md")]
pub mod why_not_my_post {}

#[cfg_attr(any(not(doctest), feature = "tokio"), doc = include_str!("errors.md"))]
pub mod errors {}

#[cfg_attr(any(not(doctest), feature = "tokio"), doc = include_str!("choosing.md"))]
pub mod choosing {}

#[cfg_attr(any(not(doctest), feature = "tokio"), doc = include_str!("cool_down.md"))]
// A copy of `benches/storm/plots/batch.svg`, which is not published.
#[cfg_attr(not(doctest), doc = include_str!("cool_down.svg"))]
pub mod cool_down {}

#[cfg_attr(not(doctest), doc = include_str!("processes.md"))]
pub mod processes {}

#[cfg_attr(any(not(doctest), feature = "tokio"), doc = include_str!("observing.md"))]
pub mod observing {}

#[cfg_attr(any(not(doctest), feature = "tokio"), doc = include_str!("testing.md"))]
pub mod testing {}

#[doc = include_str!("cost.md")]
pub mod cost {}

#[cfg_attr(not(doctest), doc = include_str!("compile_errors.md"))]
pub mod compile_errors {}

#[doc = include_str!("compared.md")]
pub mod compared {}
