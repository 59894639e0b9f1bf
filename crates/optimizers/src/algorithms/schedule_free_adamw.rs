use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, zeros};
use crate::shared::averaged::Averaged;
use crate::shared::per_tensor::{average, unbiased};
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// AdamW at a constant rate whose answer is a mean of its points, as good as a schedule's end.
    ///
    /// ```text
    /// y = (1 − β₁)·z + β₁·x                   the parameters, at which gradients are taken
    /// v ← β₂·v + (1 − β₂)·g²
    /// z ← z − lr·weight_decay·y − lr·g/(√(v/(1 − β₂ᵏ)) + eps)
    /// w = k^r·(largest lr so far)^weight_lr_power        at step k = 1, 2, …
    /// x ← x + (z − x)·w/Σw                    the answer, at which the error is measured
    /// ```
    /// Source: Defazio et al. 2024, “The road less scheduled”, algorithm 1.
    ///
    /// Differs from the authors' code: a warm-up is the schedule's (`warmup`), not an option.
    ///
    /// Checked against: `schedulefree.AdamWScheduleFreeReference` 1.4.1.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, ScheduleFreeAdamW};
    /// use tch::Tensor;
    /// let mut stepper = ScheduleFreeAdamW::default().tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64])];
    /// stepper.step(&Tensor::from_slice(&[0.1_f64]), &mut p, &[Tensor::from_slice(&[7.0_f64])]);
    /// // After one step x = y = z.
    /// assert!((f64::try_from(&p[0]).unwrap() - 0.9).abs() < 1e-8);
    /// ```
    pub struct ScheduleFreeAdamW {
        /// How near to the mean gradients are taken.
        pub beta1: f64 = 0.9 => INSIDE_0_1,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// The share of y that a step of rate 1 would remove from z.
        pub weight_decay: f64 = 0.0 => 0.0..,
        /// The power of the step in the weights.
        pub r: f64 = 0.0 => 0.0..,
        /// The power of the rate in the weights.
        pub weight_lr_power: f64 = 2.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for ScheduleFreeAdamW {}

impl OptimizerSpec for ScheduleFreeAdamW {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), step: 0, moments: Vec::new(), averaged: None })
    }
}

struct Stepper {
    options: ScheduleFreeAdamW,
    step: u64,
    moments: Vec<Tensor>,
    averaged: Option<Averaged>,
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        _oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let ScheduleFreeAdamW { beta1, beta2, eps, weight_decay, r, weight_lr_power } = self.options;
        self.step += 1;
        if self.moments.is_empty() {
            self.moments = zeros(parameters);
        }
        let averaged =
            self.averaged.get_or_insert_with(|| Averaged::new(beta1, r, weight_lr_power, lr, parameters));
        let left = unbiased(beta2, self.step);
        for (((z, y), g), v) in averaged.z.iter_mut().zip(&*parameters).zip(gradients).zip(&mut self.moments)
        {
            *v = average(v, beta2, &g.square());
            let scaled = g / ((&*v / left).sqrt() + eps);
            *z = &*z - broadcast_lanes(lr, z) * (y * weight_decay + scaled);
        }
        averaged.update_average(lr, parameters);
    }

    fn eval_params(&self, _parameters: &[Tensor]) -> Option<Vec<Tensor>> {
        self.averaged.as_ref().map(Averaged::eval_params)
    }
}
