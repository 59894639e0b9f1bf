//! Programs that PyTorch wrote, against what PyTorch computes from them, and files that somebody damaged.

mod cases;
mod docs;
mod files;
mod lowered;
mod operators;
mod zoo;

/// Whether tests of a chosen size run in full.
fn is_full() -> bool {
    std::env::var_os("OPTBENCH_FULL").is_some()
}
