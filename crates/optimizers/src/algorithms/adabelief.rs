use numeric::Real;
use registry::options;

use crate::rule::with_weight_decay;
use crate::shared::moments::{Corrections, average};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Adam, divided by how far gradients are from their mean instead of by how large they are.
    ///
    /// ```text
    /// p ← p − lr·weight_decay·p
    /// m ← β₁·m + (1 − β₁)·g
    /// s ← β₂·s + (1 − β₂)·(g − m)² + eps
    /// p ← p − lr·m̂/(√ŝ + eps)                 m̂, ŝ corrected for their bias as in Adam
    /// ```
    /// Source: Zhuang et al. 2020, “AdaBelief optimizer: adapting stepsizes by the belief in observed gradients”,
    /// algorithm 2; the decay is that of its section 2.
    ///
    /// Differs from the paper: `eps` is 1e-16 instead of 1e-8, as in the authors' code for anything but images.
    /// Equal gradients bring ŝ down to eps/(1 − β₂), so the steps on a straight slope grow without bound.
    ///
    /// Checked against: `optax.adabelief` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::{AdaBelief, Fusible};
    /// let mut stepper = AdaBelief { beta1: 0.5, ..AdaBelief::default() }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.1, &mut p, &[3.0]);
    /// // m̂ = g and √ŝ = g − m = g/2
    /// assert!((p[0] - 0.8).abs() < 1e-12);
    /// ```
    pub struct AdaBelief {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second central moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the second moment at every step, and to the denominator.
        pub eps: f64 = 1e-16 => 0.0..,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for AdaBelief {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_weight_decay(self.weight_decay, self.clone(), visitor)
    }
}

impl Rule<2> for AdaBelief {
    type StepConstants = Corrections;
    fn step_constants(&self, _step: u64, previous: Corrections) -> Corrections {
        previous.next(self.beta1, self.beta2)
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Corrections, lr: R, p: R, g: R, [m, s]: &mut [R; 2]) -> R {
        average(m, self.beta1, g.clone());
        average(s, self.beta2, (g - m.clone()).square());
        *s = s.clone() + self.eps;
        p - lr * at.first * m.clone() / (s.clone().sqrt() * at.second_root + self.eps)
    }
}
