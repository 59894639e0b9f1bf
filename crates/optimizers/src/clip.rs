//! Gradient clipping, for rows of lanes and for tensors.

use numeric::{Float, LANES, Row, rows, vectorize};
use tch::{Kind, Tensor};

use crate::stepper::row_by_row;

/// Added to the norm before dividing by it, as PyTorch does.
const EPS: f64 = 1e-6;

/// How large a gradient may be: its elements first, then its norm.
///
/// ```text
/// g ← min(max(g, −value), value)            each element
/// g ← g · min(1, norm/(‖g‖ + 1e-6))         ‖g‖ over all parameters of a lane
/// ```
/// Pascanu, Mikolov & Bengio 2013, “On the difficulty of training recurrent neural networks”.
///
/// NaN stays NaN, and one NaN makes its lane's whole gradient NaN if there is a `norm`. Where the
/// squares overflow (beyond 1.8e19 in single precision) the norm is ∞, and a finite gradient becomes 0.
///
/// Differs from the paper: the 1e-6, and that the scale is never more than 1, as in PyTorch.
///
/// Checked against: `torch.nn.utils.clip_grad_value_`, then `clip_grad_norm_`, of PyTorch 2.13.
///
/// ```
/// use optimizers::Clip;
/// // Two parameters (two rows) of sixteen runs.
/// let mut gradient = [[3.0_f64; 16], [4.0; 16]];
/// Clip { norm: Some(1.0), value: None }.rows(2, &mut gradient);
/// assert!((gradient[0][7] - 0.6).abs() < 1e-6 && (gradient[1][7] - 0.8).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// The largest Euclidean norm.
    pub norm: Option<f64>,
    /// The largest absolute value of an element.
    pub value: Option<f64>,
}

impl Clip {
    /// Clips the gradient of every lane, in place. Rows come in chunks of `elements` (see
    /// [`numeric::rows`]); a lane's norm is over the rows of its chunk.
    ///
    /// # Panics
    /// If `elements` is 0.
    pub fn rows<F: Float>(&self, elements: usize, gradient: &mut [Row<F>]) {
        vectorize(
            #[inline(always)]
            || {
                for chunk in gradient.chunks_exact_mut(elements) {
                    if let Some(value) = self.value {
                        clip_value(F::from_f64(value), chunk);
                    }
                    if let Some(norm) = self.norm {
                        clip_norm(F::from_f64(norm), chunk);
                    }
                }
            },
        );
    }

    /// The same for the gradients `[lanes, …]` of all parameters; a lane's norm is over all of them.
    ///
    /// Replaces the tensors; the storage of the old ones is left as it was.
    ///
    /// # Panics
    /// If the gradients differ in their number of lanes.
    pub fn tensors(&self, gradients: &mut [Tensor]) {
        let _guard = tch::no_grad_guard();
        if let Some(value) = self.value {
            for gradient in gradients.iter_mut() {
                *gradient = gradient.clamp(-value, value);
            }
        }
        let (Some(norm), Some(first)) = (self.norm, gradients.first()) else { return };
        let lanes = first.size()[0];
        let squares = |g: &Tensor| g.square().reshape([lanes, -1]).sum_dim_intlist(1, false, None::<Kind>);
        let total = gradients.iter().map(squares).reduce(|a, b| a + b).expect("there is a first");
        let scale = (Tensor::from(norm) / (total.sqrt() + EPS)).clamp_max(1.0);
        for gradient in gradients {
            let mut shape = vec![1; gradient.dim()];
            shape[0] = lanes;
            *gradient = &*gradient * scale.reshape(shape);
        }
    }
}

#[inline(always)]
fn clip_value<F: Float>(value: F, chunk: &mut [Row<F>]) {
    for row in chunk {
        let mut g = *row;
        for g in &mut g {
            // Comparisons with NaN are false: it stays.
            let below = if *g > value { value } else { *g };
            *g = if below < -value { -value } else { below };
        }
        *row = g;
        row_by_row();
    }
}

#[inline(always)]
fn clip_norm<F: Float>(norm: F, chunk: &mut [Row<F>]) {
    let mut scale = rows::zero::<F>();
    for row in chunk.iter() {
        let g = *row;
        for lane in 0..LANES {
            scale[lane] += g[lane] * g[lane];
        }
        row_by_row();
    }
    let (one, eps) = (F::from_f64(1.0), F::from_f64(EPS));
    for scale in &mut scale {
        let ratio = norm / (scale.sqrt() + eps);
        *scale = if ratio > one { one } else { ratio };
    }
    for row in chunk {
        let mut g = *row;
        for lane in 0..LANES {
            g[lane] = g[lane] * scale[lane];
        }
        *row = g;
        row_by_row();
    }
}
