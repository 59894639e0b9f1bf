use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, norm};
use crate::shared::per_tensor::{Now, TensorRule, average, per_tensor};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// Momentum of gradients that have each been divided by the norm of their tensor.
    ///
    /// ```text
    /// v ← β₂·v + (1 − β₂)·‖g‖²                 v = ‖g‖² at the first step; ‖·‖ over the tensor
    /// m ← β₁·m + g/(√v + eps) + weight_decay·p  without the β₁·m at the first step
    /// p ← p − lr·m
    /// ```
    /// Source: Ginsburg et al. 2019, “Stochastic gradient methods with layer-wise adaptive moments for training of deep
    /// networks”, algorithm 1.
    ///
    /// Differs from the paper: nothing. The default β₂ is the paper's, where optax has 0.25.
    ///
    /// Checked against: `optax.novograd` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, NovoGrad};
    /// use tch::Tensor;
    /// let mut stepper = NovoGrad::default().tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64, 1.0]).reshape([1, 2])];
    /// stepper.step(&Tensor::from_slice(&[0.5_f64]), &mut p, &[Tensor::from_slice(&[3.0_f64, 4.0]).reshape([1, 2])]);
    /// let p = Vec::<f64>::try_from(p[0].reshape(-1)).unwrap();
    /// assert!((p[0] - 0.7).abs() < 1e-8 && (p[1] - 0.6).abs() < 1e-8);
    /// ```
    pub struct NovoGrad {
        /// The share of the last step that is kept.
        pub beta1: f64 = 0.95 => 0.0..1.0,
        /// Decay of the squared norm.
        pub beta2: f64 = 0.98 => 0.0..1.0,
        /// Added to the norm.
        pub eps: f64 = 1e-8 => above(0.0),
        /// The share of the parameter in the direction.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for NovoGrad {}

impl OptimizerSpec for NovoGrad {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }
}

/// The momentum, and the squared norm of each lane.
pub(crate) struct Moments {
    first: Tensor,
    second: Tensor,
}

impl TensorRule for NovoGrad {
    type State = Moments;
    fn start(&self, parameter: &Tensor) -> Moments {
        let first = parameter.zeros_like();
        Moments { second: norm(&first), first }
    }

    fn update(&self, now: &Now<'_>, Moments { first, second }: &mut Moments) -> Tensor {
        let square = norm(now.g).square();
        *second = average(second, if now.step == 1 { 0.0 } else { self.beta2 }, &square);
        let scaled = now.g / broadcast_lanes(&(second.sqrt() + self.eps), now.p);
        *first = &*first * self.beta1 + scaled + now.p * self.weight_decay;
        now.p - &now.lr * &*first
    }
}
