//! Bounds on memory, measured by an allocator that counts.

#[allow(dead_code)]
#[path = "../../benches/stacks/allocations.rs"]
mod allocations;
mod hostile;
mod pinned;
#[path = "../support/mod.rs"]
mod support;
