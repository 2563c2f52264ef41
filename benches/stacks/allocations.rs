//! Counts what each thread allocates.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static MADE: Cell<Allocations> = const { Cell::new(Allocations { count: 0, bytes: 0 }) };
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allocations {
    pub count: usize,
    pub bytes: usize,
}

impl Allocations {
    /// What this thread has allocated since it began.
    pub fn so_far() -> Self {
        MADE.get()
    }

    /// What one of so many equal pieces of work has allocated since `start`.
    pub fn each_since(start: Self, pieces: usize) -> Self {
        let end = Self::so_far();
        Self {
            count: (end.count - start.count) / pieces,
            bytes: (end.bytes - start.bytes) / pieces,
        }
    }
}

struct Counter;

#[global_allocator]
static COUNTER: Counter = Counter;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Allocations { count, bytes } = MADE.get();
        MADE.set(Allocations {
            count: count + 1,
            bytes: bytes + layout.size(),
        });
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
