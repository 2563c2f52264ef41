//! An allocator that counts the allocations of each thread.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static MADE: Cell<Allocations> = const { Cell::new(Allocations { count: 0, bytes: 0, freed: 0 }) };
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allocations {
    pub count: usize,
    pub bytes: usize,
    freed: usize,
}

impl Allocations {
    /// Returns this thread's allocations since its start.
    pub fn so_far() -> Self {
        MADE.get()
    }

    /// Returns the allocated bytes that are not yet freed.
    pub fn live(self) -> isize {
        self.bytes as isize - self.freed as isize
    }
}

fn count(size: usize) {
    let made = MADE.get();
    MADE.set(Allocations {
        count: made.count + 1,
        bytes: made.bytes + size,
        ..made
    });
}

fn free(size: usize) {
    let made = MADE.get();
    MADE.set(Allocations {
        freed: made.freed + size,
        ..made
    });
}

struct Counter;

#[global_allocator]
static COUNTER: Counter = Counter;

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        free(layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        free(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }
}
