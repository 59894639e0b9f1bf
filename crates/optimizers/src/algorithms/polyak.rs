use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::algorithms::dog::descend;
use crate::lanes::dot;
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Gradient descent, with the step to where a straight slope would reach the least loss.
    ///
    /// ```text
    /// p ← p − min((f(p) − f_min)/(c·‖g‖²), lr)·g       ‖·‖ over all parameters
    /// ```
    /// Source: Loizou et al. 2021, “Stochastic Polyak step-size for SGD: an adaptive learning rate for fast
    /// convergence” (`SPS_max`); without `lr` the step is that of Polyak 1969, “Minimization of unsmooth functionals”.
    ///
    /// It needs the loss. The learning rate is the largest step.
    ///
    /// Differs from the paper: nothing.
    ///
    /// Checked against: `optax.polyak_sgd` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let polyak: Optimizer = serde_json::from_str(r#"{"polyak": {"c": 0.5}}"#).unwrap();
    /// assert_eq!(polyak.label(), "polyak(c=0.5)");
    /// ```
    pub struct Polyak {
        /// The least loss, or a bound below it.
        pub f_min: f64 = 0.0 => ..,
        /// How many times shorter steps are; ½ is right for convex losses of minibatches.
        pub c: f64 = 1.0 => above(0.0),
    }
}

impl<F: Float> Fusible<F> for Polyak {}

impl OptimizerSpec for Polyak {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper(self.clone()))
    }
}

struct Stepper(Polyak);

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let gap = oracle.loss() - self.0.f_min;
        let step = (gap / (dot(gradients, gradients) * self.0.c)).minimum(lr);
        descend(&step, parameters, gradients);
    }
}
