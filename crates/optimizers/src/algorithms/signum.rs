use numeric::Real;
use registry::options;

use crate::nan_safe::sign;
use crate::rule::with_weight_decay;
use crate::shared::moments::average;
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Steps of one size, along the sign of the momentum.
    ///
    /// ```text
    /// m ← momentum·m + (1 − momentum)·g
    /// p ← p − lr·(sign(m) + weight_decay·p)
    /// ```
    /// Source: Bernstein et al. 2018, “signSGD: compressed optimisation for non-convex problems”, algorithm 2.
    ///
    /// Differs from the paper: the decay, which it has in its experiments only.
    ///
    /// Checked against: `optax.ema(debias=False)`, then `scale_by_sign`, of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::{Fusible, Signum};
    /// let mut stepper = Signum { momentum: 0.75, ..Signum::default() }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.25, &mut p, &[4.0]);
    /// stepper.step_slice(0.25, &mut p, &[-2.0]);
    /// // m = 1, then 0.25
    /// assert_eq!(p, [0.5]);
    /// ```
    pub struct Signum {
        /// Decay of the mean.
        pub momentum: f64 = 0.9 => 0.0..1.0,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for Signum {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_weight_decay(self.weight_decay, self.clone(), visitor)
    }
}

impl Rule<1> for Signum {
    type StepConstants = ();
    fn step_constants(&self, _step: u64, (): ()) {}

    #[inline(always)]
    fn update<R: Real>(&self, (): (), lr: R, p: R, g: R, [m]: &mut [R; 1]) -> R {
        average(m, self.momentum, g);
        p - lr * sign(m.clone())
    }
}
