use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::algorithms::lamb::trust_ratio;
use crate::lanes::norm;
use crate::shared::per_tensor::{Now, TensorRule, per_tensor};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// Momentum, with steps as long as a share of the tensor's norm.
    ///
    /// ```text
    /// λ = trust_coefficient·‖p‖/(‖g‖ + weight_decay·‖p‖)     ‖·‖ over the tensor; λ = 1 where a norm is 0
    /// b ← momentum·b + lr·λ·(g + weight_decay·p)
    /// p ← p − b
    /// ```
    /// Source: You, Gitman & Ginsburg 2017, “Large batch training of convolutional networks”, algorithm 1.
    ///
    /// Differs from the paper: λ = 1 where a norm is 0. optax divides by `‖g + weight_decay·p‖` instead; without decay
    /// that is the same.
    ///
    /// Checked against: `optax.lars` of optax 0.2.8 without decay, and with it `pytorch_optimizer.LARS` 4.1.0 at a
    /// constant rate (it has the rate outside of the momentum).
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, Lars};
    /// use tch::Tensor;
    /// let mut stepper = Lars { trust_coefficient: 0.5, weight_decay: 1.0, ..Lars::default() }.tensor();
    /// let mut p = [Tensor::from_slice(&[3.0_f64, 4.0]).reshape([1, 2])];
    /// stepper.step(&Tensor::from_slice(&[0.1_f64]), &mut p, &[Tensor::from_slice(&[0.0_f64, -5.0]).reshape([1, 2])]);
    /// // λ = ½·5/(5 + 5), and the direction is (3, −1)
    /// let p = Vec::<f64>::try_from(p[0].reshape(-1)).unwrap();
    /// assert!((p[0] - 2.925).abs() < 1e-12 && (p[1] - 4.025).abs() < 1e-12);
    /// ```
    pub struct Lars {
        /// The share of the last step that is kept.
        pub momentum: f64 = 0.9 => 0.0..1.0,
        /// The length of a step of rate 1, in norms of the tensor.
        pub trust_coefficient: f64 = 1e-3 => above(0.0),
        /// Decay added to the gradient, and to the norm it is divided by.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for Lars {}

impl OptimizerSpec for Lars {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }
}

impl TensorRule for Lars {
    type State = Tensor;
    fn start(&self, parameter: &Tensor) -> Tensor {
        parameter.zeros_like()
    }

    fn update(&self, now: &Now<'_>, b: &mut Tensor) -> Tensor {
        let size = norm(now.g) + norm(now.p) * self.weight_decay;
        let ratio = trust_ratio(self.trust_coefficient, now.p, &size);
        *b = &*b * self.momentum + &now.lr * ratio * (now.g + now.p * self.weight_decay);
        now.p - &*b
    }
}
