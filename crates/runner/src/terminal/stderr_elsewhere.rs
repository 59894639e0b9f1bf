//! Standard error where there is no `poll`.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::ProgressDrawTarget;

pub(super) const PATIENCE: Duration = Duration::ZERO;

/// Writes a text, or as much of it as can be written; errors are ignored.
pub(super) fn write(text: &str, _patience: Duration) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Where progress bars are drawn.
pub(super) fn draw_target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr()
}
