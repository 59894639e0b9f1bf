use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::shared::per_tensor::{Now, TensorRule, per_tensor};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// Stochastic gradient descent with a falling rate, whose answer is the mean of its points.
    ///
    /// ```text
    /// g ← ∇f(p) + l2·p
    /// η = lr/(1 + lambd·lr·(k − 1))^alpha      at step k = 1, 2, …
    /// p ← p − η·(g + lambd·p)
    /// a ← a + (p − a)/max(1, k − t0)           the answer, at which the error is measured
    /// ```
    /// Source: Polyak & Juditsky 1992, “Acceleration of stochastic approximation by averaging”; the rates are those of
    /// Xu 2011, “Toward optimal one pass large scale learning with averaged stochastic gradient descent”.
    ///
    /// Differs from PyTorch: η follows `lr` at once, where PyTorch's is a step behind a schedule; `t0` is 0, where
    /// PyTorch's million keeps most runs from averaging at all, and a step counts from `t0` itself.
    ///
    /// Checked against: `torch.optim.ASGD` of PyTorch 2.13 at constant rates, whose `weight_decay` is `l2` and
    /// whose t0 is one less than here.
    ///
    /// ```
    /// use optimizers::{Asgd, OptimizerSpec};
    /// use tch::Tensor;
    /// let mut stepper = Asgd { lambd: 0.0, ..Asgd::default() }.tensor();
    /// let (lr, mut p) = (Tensor::from_slice(&[1.0_f64]), [Tensor::from_slice(&[0.0_f64])]);
    /// for gradient in [-1.0, -2.0] {
    ///     stepper.step(&lr, &mut p, &[Tensor::from_slice(&[gradient])]);
    /// }
    /// // At 3, after 1: the mean is 2.
    /// let answer = stepper.eval_params(&p).unwrap();
    /// assert_eq!((f64::try_from(&p[0]).unwrap(), f64::try_from(&answer[0]).unwrap()), (3.0, 2.0));
    /// ```
    pub struct Asgd {
        /// Decay, and how fast the rate falls.
        pub lambd: f64 = 1e-4 => 0.0..,
        /// The power the rate falls with.
        pub alpha: f64 = 0.75 => 0.0..,
        /// The step after which averaging begins.
        pub t0: u64 = 0,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for Asgd {}

impl OptimizerSpec for Asgd {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }
}

impl TensorRule for Asgd {
    /// The mean.
    type State = Tensor;
    fn start(&self, parameter: &Tensor) -> Tensor {
        parameter.copy()
    }

    fn update(&self, now: &Now<'_>, mean: &mut Tensor) -> Tensor {
        let steps = (now.step - 1) as f64;
        let eta = &now.lr / (&now.lr * (self.lambd * steps) + 1.0).pow_tensor_scalar(self.alpha);
        let next = now.p - eta * (now.g + now.p * (self.l2 + self.lambd));
        let weight = 1.0 / now.step.saturating_sub(self.t0).max(1) as f64;
        *mean = &*mean + (&next - &*mean) * weight;
        next
    }

    fn eval_params(&self, mean: &Tensor) -> Option<Tensor> {
        Some(mean.shallow_clone())
    }
}
