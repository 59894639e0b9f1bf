//! Numbers of each lane, and the tensors `[lanes, …]` that they belong to.

use tch::{Kind, Tensor};

/// A number a lane, `[lanes]`, with as many dimensions as `like`, so that the two can be multiplied.
pub(crate) fn broadcast_lanes(lane: &Tensor, like: &Tensor) -> Tensor {
    let mut shape = vec![1; like.dim()];
    shape[0] = lane.size()[0];
    lane.reshape(shape)
}

/// Every lane's sum, `[lanes]`.
pub(crate) fn sum(tensor: &Tensor) -> Tensor {
    tensor.reshape([tensor.size()[0], -1]).sum_dim_intlist(1, false, None::<Kind>)
}

/// Every lane's Euclidean norm, `[lanes]`.
pub(crate) fn norm(tensor: &Tensor) -> Tensor {
    sum(&tensor.square()).sqrt()
}

/// Every lane's number of elements.
pub(crate) fn size(tensor: &Tensor) -> f64 {
    (tensor.numel() as i64 / tensor.size()[0]) as f64
}

/// Every lane's inner product of two lists of tensors, `[lanes]`.
pub(crate) fn dot(a: &[Tensor], b: &[Tensor]) -> Tensor {
    let products = a.iter().zip(b).map(|(a, b)| sum(&(a * b)));
    products.reduce(|a, b| a + b).expect("an optimizer has parameters")
}

/// All the parameters of each lane in one row, `[lanes, n]`.
pub(crate) fn flatten(tensors: &[Tensor]) -> Tensor {
    let rows: Vec<Tensor> = tensors.iter().map(|t| t.reshape([t.size()[0], -1])).collect();
    Tensor::cat(&rows, 1)
}

/// The rows of [`flatten`] in the shapes of `like` again.
pub(crate) fn unflatten(rows: &Tensor, like: &[Tensor]) -> Vec<Tensor> {
    let sizes: Vec<i64> = like.iter().map(|t| t.numel() as i64 / t.size()[0]).collect();
    rows.split_with_sizes(&sizes, 1).iter().zip(like).map(|(part, t)| part.reshape(t.size())).collect()
}

/// Copies of the tensors, that no graph belongs to.
pub(crate) fn copies(tensors: &[Tensor]) -> Vec<Tensor> {
    tensors.iter().map(|t| t.detach().copy()).collect()
}

/// Zeros in the shapes of the tensors.
pub(crate) fn zeros(tensors: &[Tensor]) -> Vec<Tensor> {
    tensors.iter().map(|t| t.detach().zeros_like()).collect()
}
