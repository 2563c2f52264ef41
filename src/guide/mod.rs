//! Longer texts: how to build a stack, handle its errors, set it up, watch it and test it.
//!
//! | page | answers |
//! |---|---|
//! | [`stacks`] | In what order do I stack layers? What does a client for production look like, over hyper-util or reqwest, in axum, on any runtime? |
//! | [`why_not_my_post`] | Which requests are sent again after which failure, and by which setting? |
//! | [`errors`] | What do I do about each failure? How do I find it below other layers' errors? |
//! | [`choosing`] | Which retry settings fit a user who waits, a service, a nightly job? |
//! | [`cool_down`] | What does a 429 do to all requests of its account? What is held, for how long, and what is refused? |
//! | [`processes`] | How do many processes divide a budget? |
//! | [`many_processes`] | How do many processes share an account's limit of calls? |
//! | [`observing`] | What is logged? How do I get a span for each attempt, and metrics? |
//! | [`testing`] | How do I test my own code without a server and without waiting? |
//! | [`cost`] | What does a request cost in instructions, allocations and memory? |
//! | [`compile_errors`] | What do rustc's words mean, and what mends it? |
//! | [`compared`] | What do other crates and SDKs do? |

// Samples that need more than this package's dev-dependencies are compiled by `tests/samples.rs`.

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

#[cfg_attr(any(not(doctest), feature = "tokio"), doc = include_str!("processes.md"))]
pub mod processes {}

#[doc = include_str!("many_processes.md")]
pub mod many_processes {}

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
