use numeric::Real;
use registry::options;

use crate::nan_safe::sign;
use crate::rule::with_weight_decay;
use crate::shared::moments::average;
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Steps of one size, along the sign of the mean gradient.
    ///
    /// ```text
    /// p ← p − lr·weight_decay·p
    /// p ← p − lr·sign(β₁·m + (1 − β₁)·g)
    /// m ← β₂·m + (1 − β₂)·g
    /// ```
    /// Source: Chen et al. 2023, “Symbolic discovery of optimization algorithms”, algorithm 2.
    ///
    /// Differs from the paper: nothing.
    ///
    /// Checked against: `optax.lion` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::{Fusible, Lion};
    /// let mut stepper = Lion::default().stepper(1).unwrap();
    /// let mut p = [1.0_f64, 1.0];
    /// stepper.step_slice(0.25, &mut p, &[1e-9, -5.0]);
    /// assert_eq!(p, [0.75, 1.25]);
    /// ```
    pub struct Lion {
        /// The share of the past in the step.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the mean.
        pub beta2: f64 = 0.99 => 0.0..1.0,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for Lion {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_weight_decay(self.weight_decay, self.clone(), visitor)
    }
}

impl Rule<1> for Lion {
    type StepConstants = ();
    fn step_constants(&self, _step: u64, (): ()) {}

    #[inline(always)]
    fn update<R: Real>(&self, (): (), lr: R, p: R, g: R, [m]: &mut [R; 1]) -> R {
        let mut mixed = m.clone();
        average(&mut mixed, self.beta1, g.clone());
        average(m, self.beta2, g);
        p - lr * sign(mixed)
    }
}
