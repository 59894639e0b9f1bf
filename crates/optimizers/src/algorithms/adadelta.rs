use numeric::Real;
use registry::options;

use crate::rule::with_l2;
use crate::shared::moments::average;
use crate::{Elementwise, Rule, Visitor};

options! {
    /// The gradient, scaled by the ratio of the usual step to the usual gradient.
    ///
    /// ```text
    /// g ← ∇f(p) + l2·p
    /// v ← rho·v + (1 − rho)·g²
    /// Δ = √(u + eps)/√(v + eps) · g
    /// u ← rho·u + (1 − rho)·Δ²
    /// p ← p − lr·Δ
    /// ```
    /// Source: Zeiler 2012, “ADADELTA: an adaptive learning rate method”, algorithm 1.
    ///
    /// Differs from the paper: `lr`, which is 1 there, and `l2`.
    ///
    /// Checked against: `torch.optim.Adadelta` of PyTorch 2.13, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Adadelta, Fusible};
    /// let mut stepper = Adadelta { rho: 0.75, eps: 1.0, l2: 0.0 }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.5, &mut p, &[2.0]);
    /// // v = 1, so Δ = 2/√2
    /// assert!((p[0] - (1.0 - 0.5_f64.sqrt())).abs() < 1e-15);
    /// ```
    pub struct Adadelta {
        /// Decay of the averages.
        pub rho: f64 = 0.9 => 0.0..1.0,
        /// Added under both roots; its root is the size of the first steps.
        pub eps: f64 = 1e-6 => above(0.0),
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for Adadelta {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_l2(self.l2, self.clone(), visitor)
    }
}

impl Rule<2> for Adadelta {
    type StepConstants = ();
    fn step_constants(&self, _step: u64, (): ()) {}

    #[inline(always)]
    fn update<R: Real>(&self, (): (), lr: R, p: R, g: R, [v, u]: &mut [R; 2]) -> R {
        average(v, self.rho, g.clone().square());
        let step = (u.clone() + self.eps).sqrt() / (v.clone() + self.eps).sqrt() * g;
        average(u, self.rho, step.clone().square());
        p - lr * step
    }
}
