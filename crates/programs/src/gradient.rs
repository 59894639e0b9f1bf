//! Gradients that a graph doesn't have: those of a `torch.autograd.Function`, which the exporter writes as a graph of its own.

use tch::{Kind, Tensor};

use crate::lanes::Lanes;

/// The mean of a value in every lane, whose derivatives by some tensors are what their gradients say.
///
/// ```text
/// value + Σ (x − x₀)·(g(x) + g(x₀))/2,   x₀ = x and g(x₀) constants
/// ```
/// Its first derivative at x₀ is g, its second g′, and the sum itself is 0.
///
/// # Errors
/// If the shapes of the lanes differ.
pub(crate) fn with_gradients(
    value: &Lanes,
    lanes: usize,
    gradients: Vec<(&Lanes, Lanes)>,
) -> Result<Lanes, String> {
    let all_but_lanes = |all: &Tensor| (1..all.dim() as i64).collect::<Vec<_>>();
    let value = value.together(lanes)?.detach();
    let dims = all_but_lanes(&value);
    let mut total =
        if dims.is_empty() { value } else { value.mean_dim(dims.as_slice(), false, None::<Kind>) };
    for (x, gradient) in gradients {
        if !x.is_recorded() {
            continue;
        }
        let x = x.together(lanes)?;
        let gradient = gradient.together(lanes)?;
        let share = (&x - x.detach()) * (&gradient + gradient.detach()) * 0.5;
        let dims = all_but_lanes(&share);
        total +=
            if dims.is_empty() { share } else { share.sum_dim_intlist(dims.as_slice(), false, None::<Kind>) };
    }
    Ok(Lanes::Together(total))
}
