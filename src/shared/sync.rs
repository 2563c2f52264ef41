//! Atomics and locks: those of the standard library or, for the models, of loom.

#[cfg(not(all(test, revio_loom)))]
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, atomic::AtomicU64};

#[cfg(all(test, revio_loom))]
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard, atomic::AtomicU64};
