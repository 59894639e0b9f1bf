use numeric::Float;
use registry::options;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::lanes::{broadcast_lanes, norm};
use crate::shared::per_tensor::{Now, TensorRule, average, is_matrix, matrix, per_tensor};
use crate::{AdamW, Fusible, OptimizerSpec, TensorStepper};

options! {
    /// Momentum whose matrix is made orthogonal, so that every direction moves equally far; AdamW for the rest.
    ///
    /// ```text
    /// B ← momentum·B + (1 − momentum)·G
    /// X = (1 − momentum)·G + momentum·B  if nesterov, else B
    /// X ← X/max(‖X‖, eps), transposed if it has more rows than columns
    /// A = X·Xᵀ,  X ← 3.4445·X + (−4.7750·A + 2.0315·A²)·X        `ns_steps` times
    /// P ← P − lr·weight_decay·P − lr·scale·X
    /// scale = √max(1, rows/columns) (original), 0.2·√max(rows, columns) (match_rms_adamw)
    /// ```
    /// Source: Jordan et al. 2024, “Muon: an optimizer for hidden layers in neural networks”; the second scale is that
    /// of Liu et al. 2025, “Muon is scalable for LLM training”.
    ///
    /// Vectors and scalars get AdamW's step, with the rate `lr·adamw_lr`. Dimensions after a parameter's first are
    /// taken for columns.
    ///
    /// Differs from PyTorch: the iteration runs in the parameters' type instead of bfloat16; PyTorch refuses
    /// what isn't a matrix.
    ///
    /// Checked against: `torch.optim.Muon` of PyTorch 2.13 in float64 throughout, and `torch.optim.AdamW` beside it.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, Muon};
    /// use tch::Tensor;
    /// let mut stepper = Muon { weight_decay: 0.0, ..Muon::default() }.tensor();
    /// // One lane of a matrix of one element: its orthogonal form is near to its sign.
    /// let mut p = [Tensor::from_slice(&[1.0_f64]).reshape([1, 1, 1])];
    /// let g = [Tensor::from_slice(&[1e-3_f64]).reshape([1, 1, 1])];
    /// stepper.step(&Tensor::from_slice(&[0.1_f64]), &mut p, &g);
    /// assert!((f64::try_from(&p[0]).unwrap() - 0.9).abs() < 0.04);
    /// ```
    pub struct Muon {
        /// Decay of the momentum.
        pub momentum: f64 = 0.95 => 0.0..1.0,
        /// Looks ahead along the momentum.
        pub nesterov: bool = true,
        /// The share of a matrix that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.1 => 0.0..,
        /// Iterations of Newton and Schulz.
        pub ns_steps: u64 = 5 => 1..=1000,
        /// The least norm to divide by.
        pub eps: f64 = 1e-7 => above(0.0),
        /// What the shape of a matrix does to its rate: `original` or `match_rms_adamw`.
        pub adjust: Adjust = Adjust::Original,
        /// The rate of AdamW, as a multiple of the matrices'.
        pub adamw_lr: f64 = 1.0 => above(0.0),
        /// What vectors and scalars are stepped by.
        pub adamw: AdamW = AdamW::default(),
    }
    check: |muon| muon.adamw.check(),
}

/// What the shape of a matrix does to its rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjust {
    /// √max(1, rows/columns)
    #[default]
    Original,
    /// 0.2·√max(rows, columns): about the root mean square of AdamW's steps.
    MatchRmsAdamw,
}

impl<F: Float> Fusible<F> for Muon {}

impl OptimizerSpec for Muon {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }
}

/// The momentum of a matrix, or the optimizer of anything else.
pub(crate) enum Kept {
    Momentum(Tensor),
    Other(Box<dyn TensorStepper>),
}

impl TensorRule for Muon {
    type State = Kept;
    fn start(&self, parameter: &Tensor) -> Kept {
        if is_matrix(parameter) {
            Kept::Momentum(matrix(parameter).zeros_like())
        } else {
            Kept::Other(OptimizerSpec::tensor(&self.adamw))
        }
    }

    fn update(&self, now: &Now<'_>, state: &mut Kept) -> Tensor {
        let momentum = match state {
            Kept::Momentum(momentum) => momentum,
            Kept::Other(adamw) => {
                let mut p = [now.p.copy()];
                adamw.step(&(now.rates * self.adamw_lr), &mut p, &[now.g.shallow_clone()]);
                let [p] = p;
                return p;
            }
        };
        let g = matrix(now.g);
        *momentum = average(momentum, self.momentum, &g);
        let direction =
            if self.nesterov { average(&g, 1.0 - self.momentum, momentum) } else { momentum.shallow_clone() };
        let (rows, columns) = (g.size()[1] as f64, g.size()[2] as f64);
        let scale = match self.adjust {
            Adjust::Original => (rows / columns).max(1.0).sqrt(),
            Adjust::MatchRmsAdamw => 0.2 * rows.max(columns).sqrt(),
        };
        let step = orthogonal(&direction, self.ns_steps, self.eps).reshape(now.p.size());
        now.p - &now.lr * self.weight_decay * now.p - &now.lr * scale * step
    }
}

/// Newton and Schulz's iteration for the nearest orthogonal matrices, with Jordan's coefficients: singular
/// values come to between about 0.7 and 1.2, not to 1.
fn orthogonal(matrices: &Tensor, steps: u64, eps: f64) -> Tensor {
    let tall = matrices.size()[1] > matrices.size()[2];
    let turned = |x: &Tensor| if tall { x.transpose(1, 2) } else { x.shallow_clone() };
    let mut x = turned(matrices);
    x = &x / broadcast_lanes(&norm(&x).clamp_min(eps), &x);
    for _ in 0..steps {
        let gram = x.bmm(&x.transpose(1, 2));
        let polynomial = &gram * -4.7750 + gram.bmm(&gram) * 2.0315;
        x = &x * 3.4445 + polynomial.bmm(&x);
    }
    turned(&x)
}
