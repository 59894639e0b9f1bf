use numeric::Real;
use registry::options;

use crate::rule::with_weight_decay;
use crate::shared::moments::{Corrections, average};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// The mean of gradients that have each been divided by the root mean square of their time.
    ///
    /// ```text
    /// n ← β₂·n + (1 − β₂)·g²
    /// m ← β₁·m + (1 − β₁)·g/(√(n/(1 − β₂ᵏ)) + eps)
    /// p ← p − lr·m/(1 − β₁ᵏ)                  at step k = 1, 2, …
    /// p ← p − lr·weight_decay·p               before the step
    /// ```
    /// Source: Ziyin, Wang & Ueda 2020, “LaProp: separating momentum and adaptivity in Adam”, algorithm 1.
    ///
    /// Differs from the paper: decoupled weight decay. Differs from the authors' code: there a past gradient
    /// counts with the rate of its own step, and eps is added before the correction; with a constant rate and a
    /// small eps the two agree. Decay comes before the step instead of after it.
    ///
    /// Checked against: `pytorch_optimizer.LaProp` 4.1.0 at constant rates.
    ///
    /// ```
    /// use optimizers::{Fusible, LaProp};
    /// let mut stepper = LaProp { beta1: 0.5, beta2: 0.0, ..LaProp::default() }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.1, &mut p, &[2.0]);
    /// stepper.step_slice(0.1, &mut p, &[-100.0]);
    /// // The second gradient has no more weight than the first: (½·½ − ½)/¾
    /// assert!((p[0] - (0.9 + 0.1 / 3.0)).abs() < 1e-12);
    /// ```
    pub struct LaProp {
        /// Decay of the mean.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-15 => above(0.0),
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for LaProp {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_weight_decay(self.weight_decay, self.clone(), visitor)
    }
}

impl Rule<2> for LaProp {
    type StepConstants = Corrections;
    fn step_constants(&self, _step: u64, previous: Corrections) -> Corrections {
        previous.next(self.beta1, self.beta2)
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Corrections, lr: R, p: R, g: R, [n, m]: &mut [R; 2]) -> R {
        average(n, self.beta2, g.clone().square());
        average(m, self.beta1, g / (n.clone().sqrt() * at.second_root + self.eps));
        p - lr * at.first * m.clone()
    }
}
