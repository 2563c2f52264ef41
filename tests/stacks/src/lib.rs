//! Whole stacks: see `tests`. This file compiles what the README shows, and those pages of the guide
//! that need more than the root package's dev-dependencies.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../src/guide/stacks.md")]
struct Stacks;

#[cfg(doctest)]
#[doc = include_str!("../../../src/guide/compile_errors.md")]
struct CompileErrors;
