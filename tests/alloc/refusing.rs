//! An allocator that refuses on demand and knows how much memory each thread holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Which allocations of this thread are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A single one, so that what follows shows whether the refusal was noticed.
    Only(usize),
    /// This one and all later ones, as when memory is full: error handling may not need any either.
    From(usize),
    /// All that ask for more bytes than this.
    Above(usize),
}

/// What is refused, how many allocations there have been since, and whether one was refused.
#[derive(Clone, Copy)]
struct State {
    refused: Option<Refused>,
    seen: usize,
    hit: bool,
}

const CALM: State = State { refused: None, seen: 0, hit: false };

thread_local! {
    // Each test has a thread of its own; the others continue undisturbed.
    static STATE: Cell<State> = const { Cell::new(CALM) };
    // Negative where a thread frees what another has allocated.
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
    static SOUGHT: Cell<Option<&'static [u8]>> = const { Cell::new(None) };
    static FREED: Cell<usize> = const { Cell::new(0) };
}

struct Refusing;

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

/// Runs `work` while refusing allocations of this thread. Returns whether one was refused.
pub(crate) fn refusing<T>(refused: Refused, work: impl FnOnce() -> T) -> (T, bool) {
    STATE.set(State { refused: Some(refused), ..CALM });
    let outcome = work();
    let hit = STATE.get().hit;
    STATE.set(CALM);
    (outcome, hit)
}

/// Runs `work` without refusals and without counting, in the middle of [`refusing`].
pub(crate) fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let (state, sought) = (STATE.replace(CALM), SOUGHT.replace(None));
    let outcome = work();
    STATE.set(state);
    SOUGHT.set(sought);
    outcome
}

/// Bytes that this thread has allocated and not freed.
pub(crate) fn held() -> i64 {
    HELD.get()
}

/// Runs `work`, and returns how far the memory held by this thread rose above its initial amount.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let before = HELD.get();
    MOST.set(before);
    let outcome = work();
    (outcome, MOST.get() - before)
}

/// Runs `work`, and returns how many pieces of memory that this thread freed meanwhile, outside [`undisturbed`],
/// contained these bytes.
pub(crate) fn freed_with<T>(sought: &'static [u8], work: impl FnOnce() -> T) -> (T, usize) {
    SOUGHT.set(Some(sought));
    FREED.set(0);
    let outcome = work();
    SOUGHT.set(None);
    (outcome, FREED.get())
}

/// Inspects memory that is about to be freed.
fn is_sought(bytes: &[u8]) -> bool {
    SOUGHT.get().is_some_and(|sought| bytes.windows(sought.len()).any(|window| window == sought))
}

/// Passes on what an allocator has returned, and counts it if it is not null.
fn taken(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if !pointer.is_null() {
        HELD.set(HELD.get() + bytes as i64);
        MOST.set(MOST.get().max(HELD.get()));
    }
    pointer
}

fn is_refused(bytes: usize) -> bool {
    let mut state = STATE.get();
    let Some(refused) = state.refused else { return false };
    state.seen += 1;
    let is_refused = match refused {
        Refused::Only(nth) => state.seen == nth,
        Refused::From(nth) => state.seen >= nth,
        Refused::Above(most) => bytes > most,
    };
    state.hit |= is_refused;
    STATE.set(state);
    is_refused
}

// SAFETY: every method either returns null, which means that there is no memory, or does what the system's allocator
// does with the same arguments.
unsafe impl GlobalAlloc for Refusing {
    // SAFETY: the caller guarantees what the system's allocator requires.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return core::ptr::null_mut();
        }
        // Zeroed, so that an inspected piece contains only what its holder wrote.
        // SAFETY: as above.
        taken(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    // SAFETY: as above.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return core::ptr::null_mut();
        }
        // SAFETY: as above.
        taken(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    // Shrinking is never refused: at worst, an allocator leaves a piece as large as it is.
    // SAFETY: as above.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let refused = size > layout.size() && is_refused(size);
        if refused {
            return core::ptr::null_mut();
        }
        // SAFETY: the piece belongs to the caller and is `layout.size()` bytes long.
        let had = is_sought(unsafe { core::slice::from_raw_parts(pointer, layout.size()) });
        // SAFETY: as above.
        let moved = taken(unsafe { System.realloc(pointer, layout, size) }, size);
        if !moved.is_null() {
            let more = size.saturating_sub(layout.size());
            // SAFETY: the piece is now `size` bytes long, the last `more` of which this call added.
            unsafe { moved.add(size - more).write_bytes(0, more) };
            FREED.set(FREED.get() + usize::from(had && moved != pointer));
            HELD.set(HELD.get() - layout.size() as i64);
        }
        moved
    }

    // SAFETY: as above.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as i64);
        // SAFETY: the piece belongs to the caller and is `layout.size()` bytes long.
        let had = is_sought(unsafe { core::slice::from_raw_parts(pointer, layout.size()) });
        FREED.set(FREED.get() + usize::from(had));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
