//! New tensors, which all lanes share.

use tch::{Device, Kind, Tensor};

use super::{Rule, operators};
use crate::call::Call;
use crate::value::Number;

fn options(c: &Call, dtype: usize) -> (Kind, Device) {
    (c.float_kind(dtype), Device::Cpu)
}

/// The type of a range: that of its numbers, unless another is asked for.
fn of_numbers(c: &Call, numbers: &[usize], dtype: usize) -> (Kind, Device) {
    let ends = numbers.iter().take(2).map(|number| c.float(*number)).reduce(|start, end| end - start);
    c.context.room_for((ends.unwrap_or(0.0) / numbers.get(2).map_or(1.0, |step| c.float(*step))).abs());
    let whole = numbers.iter().all(|number| matches!(c.scalar(*number), Number::Int(_)));
    let own = if whole { Kind::Int64 } else { c.context.kind };
    (c.kind(dtype).unwrap_or(own), Device::Cpu)
}

fn full(c: &Call) -> Tensor {
    let own = match c.scalar(1) {
        Number::Int(_) => Kind::Int64,
        Number::Bool(_) => Kind::Bool,
        Number::Float(_) => c.context.kind,
    };
    Tensor::full(c.ints(0), c.number(1), (c.kind(2).unwrap_or(own), Device::Cpu))
}

operators! {
    Rule::Whole => {
        "aten.zeros.default size dtype layout device pin_memory" c => Tensor::zeros(c.ints(0), options(c, 1));
        "aten.ones.default size dtype layout device pin_memory" c => Tensor::ones(c.ints(0), options(c, 1));
        "aten.empty.memory_format size dtype layout device pin_memory memory_format" c => Tensor::zeros(c.ints(0), options(c, 1));
        "aten.full.default size fill_value dtype layout device pin_memory" c => full(c);
        "aten.scalar_tensor.default s dtype layout device pin_memory" c => Tensor::scalar_tensor(c.number(0), options(c, 1));
        "aten.arange.default end dtype layout device pin_memory" c => Tensor::arange(c.number(0), of_numbers(c, &[0], 1));
        "aten.arange.start start end dtype layout device pin_memory" c => Tensor::arange_start(c.number(0), c.number(1), of_numbers(c, &[0, 1], 2));
        "aten.arange.start_step start end step dtype layout device pin_memory" c => {
            let (numbers, step) = if c.has(2) { (of_numbers(c, &[0, 1, 2], 3), c.number(2)) } else { (of_numbers(c, &[0, 1], 3), 1.into()) };
            Tensor::arange_start_step(c.number(0), c.number(1), step, numbers)
        };
        "aten.linspace.default start end steps dtype layout device pin_memory" c => Tensor::linspace(c.number(0), c.number(1), c.int(2), options(c, 3));
        "aten.logspace.default start end steps base dtype layout device pin_memory" c => Tensor::logspace(c.number(0), c.number(1), c.int(2), c.float_or(3, 10.0), options(c, 4));
        "aten.eye.default n dtype layout device pin_memory" c => Tensor::eye(c.int(0), options(c, 1));
        "aten.eye.m n m dtype layout device pin_memory" c => Tensor::eye_m(c.int(0), c.int(1), options(c, 2));
        "aten.tril_indices.default row col offset dtype layout device pin_memory" c => Tensor::tril_indices(c.int(0), c.int(1), c.int_or(2, 0), (Kind::Int64, Device::Cpu));
        "aten.triu_indices.default row col offset dtype layout device pin_memory" c => Tensor::triu_indices(c.int(0), c.int(1), c.int_or(2, 0), (Kind::Int64, Device::Cpu));
        "aten.hann_window.default window_length dtype layout device pin_memory" c => Tensor::hann_window(c.int(0), options(c, 1));
        "aten.hann_window.periodic window_length periodic dtype layout device pin_memory" c => Tensor::hann_window_periodic(c.int(0), c.bool(1), options(c, 2));
        "aten.hamming_window.default window_length dtype layout device pin_memory" c => Tensor::hamming_window(c.int(0), options(c, 1));
        "aten._new_zeros_with_same_feature_meta.default self other self_num_batch_dims" c => Tensor::zeros(c.lanes_of(1).lane_size(), (c.lanes_of(0).any().kind(), Device::Cpu));
        "aten.new_zeros.default self size dtype layout device pin_memory" c => Tensor::zeros(c.ints(1), like(c, 2));
        "aten.new_ones.default self size dtype layout device pin_memory" c => Tensor::ones(c.ints(1), like(c, 2));
        "aten.new_empty.default self size dtype layout device pin_memory" c => Tensor::zeros(c.ints(1), like(c, 2));
        "aten.new_full.default self size fill_value dtype layout device pin_memory" c => Tensor::full(c.ints(1), c.number(2), like(c, 3));
    }
}

/// The type of the first argument, unless another is asked for.
fn like(c: &Call, dtype: usize) -> (Kind, Device) {
    (c.kind(dtype).unwrap_or_else(|| c.lanes_of(0).any().kind()), Device::Cpu)
}
