use numeric::Real;
use registry::options;

use crate::nan_safe::sign;
use crate::rule::with_weight_decay;
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Steps of one size, along the sign of the gradient.
    ///
    /// ```text
    /// p ← p − lr·(sign(g) + weight_decay·p)
    /// ```
    /// Source: Bernstein et al. 2018, “signSGD: compressed optimisation for non-convex problems”, algorithm 1.
    ///
    /// Differs from the paper: the decay, which it has in its experiments only.
    ///
    /// Checked against: `optax.sign_sgd` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::{Fusible, SignSgd};
    /// let mut stepper = SignSgd::default().stepper(1).unwrap();
    /// let mut p = [1.0_f64, 1.0, 1.0];
    /// stepper.step_slice(0.25, &mut p, &[1e-9, 0.0, -5.0]);
    /// assert_eq!(p, [0.75, 1.0, 1.25]);
    /// ```
    pub struct SignSgd {
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for SignSgd {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_weight_decay(self.weight_decay, self.clone(), visitor)
    }
}

impl Rule<0> for SignSgd {
    type StepConstants = ();
    fn step_constants(&self, _step: u64, (): ()) {}

    #[inline(always)]
    fn update<R: Real>(&self, (): (), lr: R, p: R, g: R, []: &mut [R; 0]) -> R {
        p - lr * sign(g)
    }
}
