//! This process's memory, in use by all threads and resident, and its descriptors.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fmt, fs,
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
};

/// The allowed growth of used memory: less than two bytes for each request. The smallest leak takes
/// sixteen.
const GROWTH: isize = 32 * 1024;
/// The allowed growth of resident memory: the allocator keeps fragmented pages.
const RESIDENT_GROWTH: usize = 8 * 1024 * 1024;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// In bytes.
pub struct Memory {
    pub in_use: isize,
    /// `None` if the system does not report it.
    resident: Option<usize>,
}

impl Memory {
    pub fn now() -> Self {
        Self {
            in_use: IN_USE.load(Relaxed),
            resident: resident(),
        }
    }

    /// Asserts that used memory has not grown.
    pub fn is_all_back(&self, before: &Self) {
        let growth = self.in_use - before.in_use;
        assert!(growth < GROWTH, "{growth} bytes are left");
    }

    /// Asserts that resident memory has not grown.
    pub fn is_flat(&self, before: &Self) {
        if let (Some(resident), Some(before)) = (self.resident, before.resident) {
            let growth = resident.saturating_sub(before);
            assert!(growth < RESIDENT_GROWTH, "{growth} resident bytes are left");
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resident = self.resident.unwrap_or(0) / 1024;
        let (in_use, descriptors) = (self.in_use, descriptors());
        write!(
            f,
            "memory: {in_use} bytes in use, {resident} KiB resident; {descriptors} descriptors"
        )
    }
}

fn resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Returns the number of open descriptors, or 0 if the system does not report it.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
