//! How the allocator treats large blocks.
#![expect(unsafe_code, reason = "the C library's setting has no safe wrapper")]

/// Keeps freed memory instead of giving it back to the system.
///
/// Every libtorch operation allocates its result and frees it a moment later. glibc hands blocks of that
/// size back to the kernel, which then clears new pages for the next operation: about a tenth of the time
/// of a small model's training on two threads. Call it first thing in `main`; elsewhere than on glibc it
/// does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: `mallopt` only stores two numbers, and takes any.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
            libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        }
    }
}
