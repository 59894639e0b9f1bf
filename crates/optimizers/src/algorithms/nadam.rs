use numeric::Real;
use registry::options;

use crate::rule::with_l2;
use crate::shared::moments::{Corrections, average};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Adam, with Nesterov's momentum in the place of the plain one.
    ///
    /// ```text
    /// g ← ∇f(p) + l2·p
    /// m, v as in Adam
    /// μₖ = β₁·(1 − ½·0.96^(k·momentum_decay))        at step k = 1, 2, …
    /// m̂ = μₖ₊₁·m/(1 − Π_{i ≤ k+1} μᵢ) + (1 − μₖ)·g/(1 − Π_{i ≤ k} μᵢ)
    /// p ← p − lr·m̂/(√(v/(1 − β₂ᵏ)) + eps)
    /// ```
    /// Source: Dozat 2016, “Incorporating Nesterov momentum into Adam”, algorithm 2.
    ///
    /// Differs from the paper: m is averaged with β₁ instead of μₖ, as in PyTorch; `l2`.
    ///
    /// Checked against: `torch.optim.NAdam` of PyTorch 2.13, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Fusible, NAdam};
    /// let mut stepper = NAdam { beta1: 0.5, momentum_decay: 0.0, ..NAdam::default() }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.1, &mut p, &[2.0]);
    /// // μ = 1/4 and m = g/2: m̂/g = (1/8)/(15/16) + (3/4)/(3/4)
    /// assert!((p[0] - (1.0 - 0.1 * 17.0 / 15.0)).abs() < 1e-8);
    /// ```
    pub struct NAdam {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// How fast μ rises from near β₁/2 to β₁.
        pub momentum_decay: f64 = 4e-3 => 0.0..,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for NAdam {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_l2(self.l2, self.clone(), visitor)
    }
}

/// What NAdam multiplies the moments by at a step.
#[derive(Clone, Copy, Default)]
pub struct Weights {
    corrections: Corrections,
    /// Π μᵢ up to this step; 1 before the first.
    product: Option<f64>,
    moment: f64,
    gradient: f64,
}

impl Rule<2> for NAdam {
    type StepConstants = Weights;
    fn step_constants(&self, step: u64, previous: Weights) -> Weights {
        let mu = |step: u64| self.beta1 * (1.0 - 0.5 * libm::pow(0.96, step as f64 * self.momentum_decay));
        let (now, next) = (mu(step), mu(step + 1));
        let product = previous.product.unwrap_or(1.0) * now;
        Weights {
            corrections: previous.corrections.next(self.beta1, self.beta2),
            product: Some(product),
            moment: next / (1.0 - product * next),
            gradient: (1.0 - now) / (1.0 - product),
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Weights, lr: R, p: R, g: R, [m, v]: &mut [R; 2]) -> R {
        average(m, self.beta1, g.clone());
        average(v, self.beta2, g.clone().square());
        let mean = m.clone() * at.moment + g * at.gradient;
        p - lr * mean / (v.clone().sqrt() * at.corrections.second_root + self.eps)
    }
}
