//! Whole stacks: see `tests`. This file compiles what the README shows.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
