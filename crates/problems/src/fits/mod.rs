//! Predictions, or a line, against a target: one file each.

mod direct_fit;
mod free_fit;
mod line_fit;

pub use direct_fit::DirectFit;
pub use free_fit::{Exported, FreeFit, Readout, Sees};
pub use line_fit::LineFit;
