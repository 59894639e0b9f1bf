//! Predictions, or a line, against a target: one file each.

pub(crate) mod direct_fit;
pub(crate) mod free_fit;
pub(crate) mod line_fit;
