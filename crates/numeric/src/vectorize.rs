//! Running a loop with the widest vectors the machine has, without changing a bit of its result.
#![expect(
    unsafe_code,
    reason = "a function compiled for AVX2 may only run where the CPU has it, which is checked"
)]

/// Runs `work`, compiled for AVX2 where the CPU has it.
///
/// Wider vectors do the same IEEE operations on more elements at once; nothing is contracted or
/// reordered, so the bits are those of the plain build. `work` and what it calls must be inlined
/// for this to help: mark it `#[inline(always)]`.
#[inline]
pub fn vectorize<O>(work: impl FnOnce() -> O) -> O {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide<O>(work: impl FnOnce() -> O) -> O {
            work()
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: `wide` needs AVX2, and the CPU has just been seen to have it.
            return unsafe { wide(work) };
        }
    }
    work()
}
