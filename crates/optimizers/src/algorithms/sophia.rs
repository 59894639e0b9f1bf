use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, zeros};
use crate::shared::hutchinson::diagonal;
use crate::shared::per_tensor::average;
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// The mean gradient over the curvature, clipped to steps of lr.
    ///
    /// ```text
    /// p ← p − lr·weight_decay·p
    /// m ← β₁·m + (1 − β₁)·g
    /// h ← β₂·h + (1 − β₂)·z·Hz                 every `every` steps, with random signs z
    /// p ← p − lr·clip(m/max(gamma·h, eps), ±1)
    /// ```
    /// Source: Liu et al. 2023, “Sophia: a scalable stochastic second-order optimizer for language model pre-training”,
    /// algorithm 3 with algorithm 1 (Sophia-H).
    ///
    /// A product with the Hessian costs one more evaluation, which is counted.
    ///
    /// Differs from the paper: nothing. optax corrects m for its bias and uses h a step later.
    ///
    /// Checked against: `pytorch_optimizer.SophiaH` 4.1.0, at rates of lr/gamma and its p = gamma, on losses whose
    /// Hessian is diagonal, where z·Hz is exact for any signs.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let sophia: Optimizer = serde_json::from_str(r#"{"sophia": {"gamma": 0.05}}"#).unwrap();
    /// assert_eq!(sophia.label(), "sophia(gamma=0.05)");
    /// ```
    pub struct Sophia {
        /// Decay of the first moment.
        pub beta1: f64 = 0.96 => 0.0..1.0,
        /// Decay of the curvature.
        pub beta2: f64 = 0.99 => 0.0..1.0,
        /// The least denominator.
        pub eps: f64 = 1e-12 => above(0.0),
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
        /// What the curvature is multiplied by.
        pub gamma: f64 = 0.01 => above(0.0),
        /// The steps from one estimate of the curvature to the next.
        pub every: u64 = 10 => STEPS,
    }
}

impl<F: Float> Fusible<F> for Sophia {}

impl OptimizerSpec for Sophia {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), step: 0, moments: Vec::new() })
    }
}

struct Stepper {
    options: Sophia,
    step: u64,
    /// m and h of every parameter.
    moments: Vec<[Tensor; 2]>,
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let Sophia { beta1, beta2, eps, weight_decay, gamma, every } = self.options;
        if self.moments.is_empty() {
            self.moments = zeros(parameters).into_iter().map(|zeros| [zeros.copy(), zeros]).collect();
        }
        self.step += 1;
        let renew = (self.step - 1).is_multiple_of(every);
        let curvature = renew.then(|| diagonal(self.step, parameters, oracle));
        let _guard = tch::no_grad_guard();
        for (index, ((p, g), [m, h])) in
            parameters.iter_mut().zip(gradients).zip(&mut self.moments).enumerate()
        {
            *m = average(m, beta1, g);
            if let Some(curvature) = &curvature {
                *h = average(h, beta2, &curvature[index]);
            }
            let step = (&*m / (&*h * gamma).clamp_min(eps)).clamp(-1.0, 1.0);
            let next = &*p - broadcast_lanes(lr, g) * (&*p * weight_decay + step);
            p.copy_(&next);
        }
    }
}
