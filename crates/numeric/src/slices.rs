//! Memory seen as something else: a tensor's buffer as a slice, cache lines as rows of lanes.
#![expect(unsafe_code, reason = "libtorch hands out pointers; each block says why its use is sound")]

use std::ops::{Deref, DerefMut};

use tch::{Device, Tensor};

use crate::{Float, LANES, Row};

/// The elements of a contiguous CPU tensor of type `F`, in row-major order.
///
/// # Panics
/// If the tensor is not contiguous, not on the CPU, or of another type.
#[must_use]
pub fn slice<F: Float>(tensor: &Tensor) -> &[F] {
    check::<F>(tensor);
    // SAFETY: the tensor is contiguous, on the CPU and holds `numel` values of `F`. The slice borrows
    // the tensor, which keeps its storage alive.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast_const().cast::<F>(), tensor.numel()) }
}

/// The same, to write to. The tensor's storage must not be reached through another handle meanwhile;
/// pass a tensor that owns its storage (a leaf parameter), and no view of it.
///
/// # Panics
/// As [`slice`](fn@slice).
#[must_use]
pub fn slice_mut<F: Float>(tensor: &mut Tensor) -> &mut [F] {
    check::<F>(tensor);
    // SAFETY: as in `slice`; the exclusive borrow of the only handle that is used keeps others away.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<F>(), tensor.numel()) }
}

/// A row on a cache line (two in double precision).
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line<F>(Row<F>);

/// Rows that start on cache lines.
///
/// The loops over short runs hand rows from one pass's store to the next pass's load; a vector that straddles
/// two lines can't take that short way. Where the allocator puts things must not decide over it.
#[derive(Clone)]
pub struct Rows<F>(Vec<Line<F>>);

impl<F: Float> Rows<F> {
    /// So many rows of this value.
    #[must_use]
    pub fn splat(value: F, count: usize) -> Self {
        Self(vec![Line([value; LANES]); count])
    }

    /// So many rows of zeros.
    #[must_use]
    pub fn zero(count: usize) -> Self {
        Self::splat(F::default(), count)
    }
}

impl<F: Float> FromIterator<Row<F>> for Rows<F> {
    fn from_iter<I: IntoIterator<Item = Row<F>>>(rows: I) -> Self {
        Self(rows.into_iter().map(Line).collect())
    }
}

impl<F> Deref for Rows<F> {
    type Target = [Row<F>];
    fn deref(&self) -> &[Row<F>] {
        const { assert!(size_of::<Line<F>>() == size_of::<Row<F>>()) }
        // SAFETY: a line is a row and nothing more, as has just been checked: it has no padding.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len()) }
    }
}

impl<F> DerefMut for Rows<F> {
    fn deref_mut(&mut self) -> &mut [Row<F>] {
        const { assert!(size_of::<Line<F>>() == size_of::<Row<F>>()) }
        // SAFETY: as above, and any row is a valid line.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len()) }
    }
}

fn check<F: Float>(tensor: &Tensor) {
    assert!(tensor.defined(), "the tensor is undefined");
    assert_eq!(tensor.kind(), F::KIND, "the tensor is of another type");
    assert_eq!(tensor.device(), Device::Cpu, "the tensor is not on the CPU");
    assert!(tensor.is_contiguous(), "the tensor is not contiguous");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_seen_by_libtorch() {
        let mut tensor = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).reshape([2, 2]);
        slice_mut::<f32>(&mut tensor)[3] = 9.0;
        assert_eq!(tensor.double_value(&[1, 1]), 9.0);
        assert_eq!(slice::<f32>(&tensor), [1.0, 2.0, 3.0, 9.0]);
    }

    #[test]
    fn rows_start_on_cache_lines() {
        let mut rows: Rows<f32> = (0..5).map(|i| [i as f32; LANES]).collect();
        rows[4][15] = 9.0;
        assert_eq!((rows.len(), rows[3], rows[4][15]), (5, [3.0; LANES], 9.0));
        assert_eq!(rows.as_ptr() as usize % 64, 0);
        assert_eq!(Rows::<f64>::splat(0.5, 3).as_ptr() as usize % 64, 0);
    }

    #[test]
    #[should_panic(expected = "not contiguous")]
    fn a_transposed_tensor_is_refused() {
        let _ = slice::<f32>(&Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).reshape([2, 2]).tr());
    }
}
