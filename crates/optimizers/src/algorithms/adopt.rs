use numeric::Real;
use registry::options;

use crate::nan_safe::clamp;
use crate::rule::with_weight_decay;
use crate::shared::moments::average;
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Adam, with every gradient divided by a second moment that it isn't part of, and then averaged.
    ///
    /// ```text
    /// v = g²                                          step k = 0, which moves nothing
    /// c = clip(g/max(√v, eps), ±k^¼)                  steps k = 1, 2, …
    /// m ← β₁·m + (1 − β₁)·c
    /// p ← p − lr·(m + weight_decay·p)
    /// v ← β₂·v + (1 − β₂)·g²
    /// ```
    /// Source: Taniguchi et al. 2024, “ADOPT: modified Adam can converge with any β₂ with the optimal rate”, algorithm
    /// 2, with the clipping of its section 4.
    ///
    /// Differs from the paper: the decay acts in the step k = 0 too. Without `clip` it is the algorithm before it.
    ///
    /// Checked against: `optax.contrib.adopt` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::{Adopt, Fusible};
    /// let mut stepper = Adopt { beta1: 0.5, ..Adopt::default() }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.25, &mut p, &[2.0]);
    /// stepper.step_slice(0.25, &mut p, &[1.0]);
    /// // ½·(1/2) of the rate, in the second step
    /// assert_eq!(p, [0.9375]);
    /// ```
    pub struct Adopt {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.9999 => 0.0..1.0,
        /// The least denominator.
        pub eps: f64 = 1e-6 => above(0.0),
        /// Clips the divided gradient to ±k^¼.
        pub clip: bool = true,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for Adopt {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        if self.clip {
            with_weight_decay(self.weight_decay, Step::<true>(self.clone()), visitor)
        } else {
            with_weight_decay(self.weight_decay, Step::<false>(self.clone()), visitor)
        }
    }
}

/// What a step clips to, and the decays, which are other ones in the first step.
#[derive(Clone, Copy, Default)]
pub struct Now {
    bound: f64,
    beta1: f64,
    beta2: f64,
}

/// The rule, with clipping or without.
#[derive(Clone)]
struct Step<const CLIP: bool>(Adopt);

impl<const CLIP: bool> Rule<2> for Step<CLIP> {
    type StepConstants = Now;
    fn step_constants(&self, step: u64, _previous: Now) -> Now {
        if step == 1 {
            return Now { bound: 0.0, beta1: 1.0, beta2: 0.0 };
        }
        let bound = ((step - 1) as f64).sqrt().sqrt();
        Now { bound, beta1: self.0.beta1, beta2: self.0.beta2 }
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Now, lr: R, p: R, g: R, [m, v]: &mut [R; 2]) -> R {
        let mut scaled = g.clone() / v.clone().sqrt().maximum(g.constant(self.0.eps));
        if CLIP {
            scaled = clamp(scaled, -at.bound, at.bound);
        }
        average(m, at.beta1, scaled);
        average(v, at.beta2, g.square());
        p - lr * m.clone()
    }
}
