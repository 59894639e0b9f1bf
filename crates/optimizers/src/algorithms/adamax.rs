use numeric::Real;
use registry::options;

use crate::rule::with_l2;
use crate::shared::moments::{Corrections, average};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Adam, with a decaying maximum in the place of the root mean square.
    ///
    /// ```text
    /// g ← ∇f(p) + l2·p
    /// m ← β₁·m + (1 − β₁)·g
    /// u ← max(β₂·u, |g| + eps)
    /// p ← p − lr/(1 − β₁ᵏ) · m/u              at step k = 1, 2, …
    /// ```
    /// Source: Kingma & Ba 2015, “Adam: a method for stochastic optimization”, algorithm 2.
    ///
    /// Differs from the paper: `eps` and `l2`, as in PyTorch.
    ///
    /// Checked against: `torch.optim.Adamax` of PyTorch 2.13, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Adamax, Fusible};
    /// let mut stepper = Adamax { beta1: 0.0, beta2: 0.5, eps: 0.0, l2: 0.0 }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.25, &mut p, &[8.0]);
    /// stepper.step_slice(0.25, &mut p, &[1.0]);
    /// // 0.25·8/8, then 0.25·1/(0.5·8)
    /// assert_eq!(p, [0.6875]);
    /// ```
    pub struct Adamax {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the maximum.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the gradient's size.
        pub eps: f64 = 1e-8 => 0.0..,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for Adamax {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_l2(self.l2, self.clone(), visitor)
    }
}

impl Rule<2> for Adamax {
    type StepConstants = Corrections;
    fn step_constants(&self, _step: u64, previous: Corrections) -> Corrections {
        previous.next(self.beta1, self.beta2)
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Corrections, lr: R, p: R, g: R, [m, u]: &mut [R; 2]) -> R {
        average(m, self.beta1, g.clone());
        *u = (u.clone() * self.beta2).maximum(g.abs() + self.eps);
        p - lr * at.first * m.clone() / u.clone()
    }
}
