use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, norm};
use crate::shared::per_tensor::{Now, TensorRule, average, per_tensor, unbiased};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// AdamW of a gradient that is carried on along its last change, to take out its noise.
    ///
    /// ```text
    /// c = g + gamma·β₁/(1 − β₁)·(g − g_previous)     g_previous = 0 at the first step
    /// c ← c/max(1, ‖c‖)                              ‖·‖ over the tensor
    /// then AdamW's step along c
    /// ```
    /// Source: Yuan et al. 2024, “MARS: unleashing the power of variance reduction for training large models”,
    /// algorithm 2, in its approximate form, which takes `g_previous` from the batch before.
    ///
    /// Differs from the paper: `g_previous` is 0 at the first step, as in the authors' code; vectors are stepped like
    /// matrices, where that code has AdamW.
    ///
    /// Checked against: `pytorch_optimizer.MARS(optimize_1d=True)` 4.1.0, which adds eps before the second moment's
    /// correction: with its default the two are up to 1e-4 of the movement apart.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, Mars};
    /// use tch::Tensor;
    /// let mut stepper = Mars::default().tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64, 1.0]).reshape([1, 2])];
    /// stepper.step(&Tensor::from_slice(&[0.1_f64]), &mut p, &[Tensor::from_slice(&[5.0_f64, -1.0]).reshape([1, 2])]);
    /// let p = Vec::<f64>::try_from(p[0].reshape(-1)).unwrap();
    /// assert!((p[0] - 0.9).abs() < 1e-7 && (p[1] - 1.1).abs() < 1e-7);
    /// ```
    pub struct Mars {
        /// Decay of the first moment.
        pub beta1: f64 = 0.95 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.99 => 0.0..1.0,
        /// How far the gradient is carried on.
        pub gamma: f64 = 0.025 => 0.0..,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for Mars {}

impl OptimizerSpec for Mars {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }
}

/// The moments, and the last gradient.
pub(crate) struct Kept {
    m: Tensor,
    v: Tensor,
    previous: Tensor,
}

impl TensorRule for Mars {
    type State = Kept;
    fn start(&self, parameter: &Tensor) -> Kept {
        Kept { m: parameter.zeros_like(), v: parameter.zeros_like(), previous: parameter.zeros_like() }
    }

    fn update(&self, now: &Now<'_>, Kept { m, v, previous }: &mut Kept) -> Tensor {
        let along = self.gamma * self.beta1 / (1.0 - self.beta1);
        let corrected = (now.g - &*previous) * along + now.g;
        let corrected = &corrected / broadcast_lanes(&norm(&corrected).clamp_min(1.0), now.p);
        *previous = now.g.copy();
        *m = average(m, self.beta1, &corrected);
        *v = average(v, self.beta2, &corrected.square());
        let root = v.sqrt() / unbiased(self.beta2, now.step).sqrt() + self.eps;
        let step = &*m / unbiased(self.beta1, now.step) / root;
        now.p - &now.lr * self.weight_decay * now.p - &now.lr * step
    }
}
