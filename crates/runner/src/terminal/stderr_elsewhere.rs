//! Standard error where there is no `poll`.

use std::io::{self, Write};

use indicatif::ProgressDrawTarget;

pub(super) const PATIENCE: i64 = 1;

/// Writes a text, or as much of it as can be written; errors are ignored.
pub(super) fn write(text: &str, _patience_s: i64) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Where progress bars are drawn.
pub(super) fn draw_target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr()
}
