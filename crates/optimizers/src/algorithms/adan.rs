use numeric::Real;
use registry::options;

use crate::shared::moments::average;
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Nesterov's momentum from the gradient and its differences, divided by their root mean square.
    ///
    /// ```text
    /// d = g − g_previous                      0 at the first step
    /// m ← β₁·m + (1 − β₁)·g
    /// v ← β₂·v + (1 − β₂)·d
    /// n ← β₃·n + (1 − β₃)·(g + β₂·d)²
    /// p ← (p − lr·(m̂ + β₂·v̂)/(√n̂ + eps))/(1 + lr·weight_decay)
    /// ```
    /// Source: Xie et al. 2022, “Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models”,
    /// algorithm 1.
    ///
    /// Differs from the paper: its β are 1 − β here, as in the authors' code; the moments are corrected for
    /// their bias, also as there.
    ///
    /// Checked against: `pytorch_optimizer.Adan` 4.1.0, and for the decay `optax.adan` with the same division.
    ///
    /// ```
    /// use optimizers::{Adan, Fusible};
    /// let mut stepper = Adan { weight_decay: 1.0, ..Adan::default() }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.25, &mut p, &[2.0]);
    /// assert!((p[0] - 0.75 / 1.25).abs() < 1e-8);
    /// ```
    pub struct Adan {
        /// Decay of the mean gradient.
        pub beta1: f64 = 0.98 => 0.0..1.0,
        /// Decay of the mean difference.
        pub beta2: f64 = 0.92 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta3: f64 = 0.99 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// How strongly a step of rate 1 pulls to 0.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for Adan {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        if self.weight_decay == 0.0 {
            visitor.visit(Step::<false>(self.clone()))
        } else {
            visitor.visit(Step::<true>(self.clone()))
        }
    }
}

/// What a step multiplies the moments by.
#[derive(Clone, Copy)]
pub struct Weights {
    powers: [f64; 3],
    mean: f64,
    difference: f64,
    square_root: f64,
    /// The share of the difference that counts: none at the first step.
    past: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { powers: [1.0; 3], mean: 1.0, difference: 1.0, square_root: 1.0, past: 0.0 }
    }
}

/// The rule, with weight decay or without.
#[derive(Clone)]
struct Step<const DECAY: bool>(Adan);

impl<const DECAY: bool> Rule<4> for Step<DECAY> {
    type StepConstants = Weights;
    fn step_constants(&self, step: u64, previous: Weights) -> Weights {
        let Adan { beta1, beta2, beta3, .. } = self.0;
        let [first, second, third] = previous.powers;
        let powers = [first * beta1, second * beta2, third * beta3];
        Weights {
            powers,
            mean: 1.0 / (1.0 - powers[0]),
            difference: beta2 / (1.0 - powers[1]),
            square_root: 1.0 / (1.0 - powers[2]).sqrt(),
            past: if step == 1 { 0.0 } else { 1.0 },
        }
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Weights, lr: R, p: R, g: R, state: &mut [R; 4]) -> R {
        let Adan { beta1, beta2, beta3, eps, weight_decay } = self.0;
        let [m, v, n, previous] = state;
        let difference = (g.clone() - previous.clone()) * at.past;
        average(m, beta1, g.clone());
        average(v, beta2, difference.clone());
        average(n, beta3, (g.clone() + difference * beta2).square());
        *previous = g;
        let mean = m.clone() * at.mean + v.clone() * at.difference;
        let next = p - lr.clone() * mean / (n.clone().sqrt() * at.square_root + eps);
        if DECAY { next / (lr * weight_decay + 1.0) } else { next }
    }
}
