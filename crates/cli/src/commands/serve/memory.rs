//! How memory goes back to the system.
//!
//! A secret check takes 19 MiB for a moment, a backup some 80 MiB while it runs. By default glibc's
//! allocator keeps such blocks for the next time once it has seen them freed, in as many heaps as
//! there were threads: after a dozen logins an idle service held 170 MiB. With a fixed threshold
//! large blocks are mapped for themselves and gone when they are freed (15 MiB in the same case).

/// Blocks of at least this size are mapped for themselves, in bytes. Above what requests and
/// records take, below what a pack or a secret check takes.
const MAP_FROM: libc::c_int = 256 * 1024;

/// Makes large blocks go back to the system when they are freed, in this process.
pub(super) fn give_back_large_blocks() {
    // SAFETY: mallopt only sets a parameter of the allocator; it may be called at any time.
    let set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAP_FROM) };
    if set != 1 {
        tracing::debug!("the allocator keeps its own ways");
    }
}
