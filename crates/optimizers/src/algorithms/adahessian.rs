use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, zeros};
use crate::shared::hutchinson::diagonal;
use crate::shared::per_tensor::{average, unbiased};
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Adam, with the curvature in the place of the gradient's size.
    ///
    /// ```text
    /// p ← p − lr·weight_decay·p
    /// m ← β₁·m + (1 − β₁)·g
    /// v ← β₂·v + (1 − β₂)·D²                  every `every` steps; D = z·Hz with random signs z
    /// p ← p − lr·m̂/((√v̂)^hessian_power + eps)
    /// ```
    /// Source: Yao et al. 2021, “ADAHESSIAN: an adaptive second order optimizer for machine learning”, algorithm 1.
    ///
    /// A product with the Hessian costs one more evaluation, which is counted.
    ///
    /// Differs from the paper: D isn't averaged over blocks (its section 3.2 does so for convolutions and
    /// attention).
    ///
    /// Checked against: `pytorch_optimizer.AdaHessian` 4.1.0 on losses whose Hessian is diagonal, where D is exact
    /// for any signs; that D's mean is the diagonal, against the Hessian itself.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let adahessian: Optimizer = serde_json::from_str(r#"{"adahessian": {"hessian_power": 0.5}}"#).unwrap();
    /// assert_eq!(adahessian.label(), "adahessian(hessian_power=0.5)");
    /// ```
    pub struct AdaHessian {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the squared curvature.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
        /// The power of the curvature: 1 is Newton's, 0 the gradient's.
        pub hessian_power: f64 = 1.0 => 0.0..=1.0,
        /// The steps from one estimate of the curvature to the next.
        pub every: u64 = 1 => STEPS,
    }
}

impl<F: Float> Fusible<F> for AdaHessian {}

impl OptimizerSpec for AdaHessian {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), step: 0, moments: Vec::new() })
    }
}

struct Stepper {
    options: AdaHessian,
    step: u64,
    /// m and v of every parameter.
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
        let AdaHessian { beta1, beta2, eps, weight_decay, hessian_power, every } = self.options;
        if self.moments.is_empty() {
            self.moments = zeros(parameters).into_iter().map(|zeros| [zeros.copy(), zeros]).collect();
        }
        self.step += 1;
        let renew = (self.step - 1).is_multiple_of(every);
        let curvature = renew.then(|| diagonal(self.step, parameters, oracle));
        let _guard = tch::no_grad_guard();
        for (index, ((p, g), [m, v])) in
            parameters.iter_mut().zip(gradients).zip(&mut self.moments).enumerate()
        {
            *m = average(m, beta1, g);
            if let Some(curvature) = &curvature {
                *v = average(v, beta2, &curvature[index].square());
            }
            let root = (&*v / unbiased(beta2, self.step)).pow_tensor_scalar(hessian_power / 2.0) + eps;
            let step = &*m / unbiased(beta1, self.step) / root;
            let next = &*p - broadcast_lanes(lr, g) * (&*p * weight_decay + step);
            p.copy_(&next);
        }
    }
}
