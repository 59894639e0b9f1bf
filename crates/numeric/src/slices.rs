//! A tensor's memory as a slice: the only place where libtorch's buffers are touched directly.
#![expect(unsafe_code, reason = "libtorch hands out pointers; each block says why its use is sound")]

use tch::{Device, Tensor};

use crate::Float;

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
/// As [`slice`].
#[must_use]
pub fn slice_mut<F: Float>(tensor: &mut Tensor) -> &mut [F] {
    check::<F>(tensor);
    // SAFETY: as in `slice`; the exclusive borrow of the only handle that is used keeps others away.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<F>(), tensor.numel()) }
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
    #[should_panic(expected = "not contiguous")]
    fn a_transposed_tensor_is_refused() {
        let _ = slice::<f32>(&Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).reshape([2, 2]).tr());
    }
}
