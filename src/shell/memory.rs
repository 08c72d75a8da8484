//! The module's allocator: small blocks come from a list of freed ones of their size, all else from
//! the library's.
//!
//! A request takes some hundred small blocks. The library looks for the best place for each and
//! joins what is freed with its neighbours, which costs a tenth of all the filter's time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{self, null_mut};

/// Bytes by which sizes differ.
const STEP: usize = 16;
/// How many sizes there are; larger blocks are the library's.
const SIZES: usize = 256;
/// Most bytes on the lists; what is freed beyond goes back to the library, which can join it.
const MOST_FREE: usize = 256 * 1024;
/// What the library aligns a block to that asks for nothing more.
const ALIGN: usize = 8;

struct Pool {
    /// The first free block of each size, or null; in its first bytes it has the next one.
    free: [Cell<*mut u8>; SIZES],
    /// Bytes on the lists.
    held: Cell<usize>,
}

// SAFETY: the module has one thread.
unsafe impl Sync for Pool {}

#[global_allocator]
static POOL: Pool = Pool { free: [const { Cell::new(null_mut()) }; SIZES], held: Cell::new(0) };

/// Which size a block is of; `SIZES` or more: it is the library's.
fn size_of(layout: Layout) -> usize {
    if layout.align() > ALIGN { SIZES } else { layout.size().wrapping_sub(1) / STEP }
}

// SAFETY: a block is handed out once, as it is taken off its list or comes from the library; it is
// as large as its list's size, and only blocks of that size come onto the list, as `size_of`
// depends on the layout alone.
unsafe impl GlobalAlloc for Pool {
    // One of each: copies in every caller would make them all larger.
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = size_of(layout);
        // SAFETY: as the caller promises.
        let Some(free) = self.free.get(size) else { return unsafe { System.alloc(layout) } };
        let (block, bytes) = (free.get(), (size + 1) * STEP);
        if block.is_null() {
            // SAFETY: not empty, and far from overflow.
            return unsafe { System.alloc(Layout::from_size_align_unchecked(bytes, ALIGN)) };
        }
        self.held.set(self.held.get() - bytes);
        // SAFETY: `dealloc` wrote it there.
        free.set(unsafe { block.cast::<*mut u8>().read() });
        block
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let size = size_of(layout);
        let held = self.held.get() + (size + 1) * STEP;
        match self.free.get(size) {
            Some(free) if held <= MOST_FREE => {
                // SAFETY: nobody else has it any more, and it is at least `STEP` bytes.
                unsafe { block.cast::<*mut u8>().write(free.get()) };
                free.set(block);
                self.held.set(held);
            }
            // SAFETY: as the caller promises. The library knows how large it is.
            _ => unsafe { System.dealloc(block, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let (size, wanted_size) = (size_of(layout), size_of(wanted));
        if size >= SIZES && wanted_size >= SIZES {
            // SAFETY: as the caller promises.
            return unsafe { System.realloc(block, layout, new_size) };
        }
        if size == wanted_size {
            return block;
        }
        // SAFETY: as the caller promises; both have the bytes that are copied.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
