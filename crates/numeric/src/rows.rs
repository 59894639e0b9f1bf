//! How lanes lie in memory: sixteen side by side in a row, so that every operation is a vector one.
//!
//! Lanes come in *chunks* of [`LANES`]. A chunk of a problem with `d` parameters is `d` rows, one a
//! parameter; a block of several chunks is one contiguous slice of `chunks × d` rows. Nothing is
//! ever summed across a row, so lanes cannot touch.

use crate::Float;

/// The lanes in a row.
pub const LANES: usize = 16;

/// One value for each of [`LANES`] lanes.
pub type Row<F> = [F; LANES];

/// A row with the same value in every lane.
#[inline(always)]
#[must_use]
pub fn splat<F: Float>(value: F) -> Row<F> {
    [value; LANES]
}

/// A row of zeros.
#[inline(always)]
#[must_use]
pub fn zero<F: Float>() -> Row<F> {
    splat(F::default())
}

/// How many chunks hold `lanes` lanes.
#[must_use]
pub fn chunks(lanes: usize) -> usize {
    lanes.div_ceil(LANES)
}
