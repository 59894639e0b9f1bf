//! How the allocator treats large blocks.
#![expect(unsafe_code, reason = "the C library's settings have no safe wrapper")]

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

/// `count` copies of `value`, in huge pages where they fill several and the system grants them on request.
///
/// A pass over ten million parameters touches tens of thousands of ordinary pages, which all have to be
/// looked up.
#[must_use]
pub fn filled<T: Clone>(value: T, count: usize) -> Vec<T> {
    let mut values = Vec::with_capacity(count);
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        const HUGE: usize = 2 << 20;
        let (start, bytes) = (values.as_mut_ptr() as usize, count * size_of::<T>());
        if bytes >= 4 * HUGE {
            let first = start.next_multiple_of(PAGE);
            let length = (start + bytes - first) / PAGE * PAGE;
            // SAFETY: the whole pages of the range lie within the vector's own allocation, and the advice
            // changes how they are mapped, not what they hold. That it may be refused doesn't matter.
            unsafe { libc::madvise(first as *mut libc::c_void, length, libc::MADV_HUGEPAGE) };
        }
    }
    values.resize(count, value);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_filled_whatever_its_size() {
        for count in [0, 1, 1000, 3_000_000] {
            let values = filled(7_u64, count);
            assert!(values.len() == count && values.iter().all(|value| *value == 7));
        }
    }
}
