use numeric::Real;
use registry::options;

use crate::rule::with_l2;
use crate::shared::moments::{Corrections, average};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Steps along the mean gradient, divided by its root mean square.
    ///
    /// ```text
    /// g ← ∇f(p) + l2·p
    /// m ← β₁·m + (1 − β₁)·g
    /// v ← β₂·v + (1 − β₂)·g²
    /// m̂ = m/(1 − β₁ᵏ),  v̂ = v/(1 − β₂ᵏ)      at step k = 1, 2, …
    /// p ← p − lr·m̂/(√v̂ + eps)
    /// ```
    /// Source: Kingma & Ba 2015, “Adam: a method for stochastic optimization”, algorithm 1.
    ///
    /// Differs from the paper: `l2`, which the paper hasn't.
    ///
    /// Checked against: `torch.optim.Adam` of PyTorch 2.13, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Adam, Fusible};
    /// let mut stepper = Adam::default().stepper(1).unwrap();
    /// let mut p = [1.0_f64, 1.0];
    /// stepper.step_slice(0.1, &mut p, &[2.0, -0.001]);
    /// // The first step is lr, whatever the size of the gradient.
    /// assert!((p[0] - 0.9).abs() < 1e-8 && (p[1] - 1.1).abs() < 2e-6);
    /// ```
    pub struct Adam {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for Adam {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_l2(self.l2, self.clone(), visitor)
    }
}

impl Rule<2> for Adam {
    type StepConstants = Corrections;
    fn step_constants(&self, _step: u64, previous: Corrections) -> Corrections {
        previous.next(self.beta1, self.beta2)
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Corrections, lr: R, p: R, g: R, [m, v]: &mut [R; 2]) -> R {
        average(m, self.beta1, g.clone());
        average(v, self.beta2, g.square());
        p - lr * at.first * m.clone() / (v.clone().sqrt() * at.second_root + self.eps)
    }
}
