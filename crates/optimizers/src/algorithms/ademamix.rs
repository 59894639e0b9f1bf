use numeric::Real;
use registry::options;

use crate::rule::with_weight_decay;
use crate::shared::moments::{Corrections, average};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Adam, with a second, much slower mean of the gradient.
    ///
    /// ```text
    /// p ← p − lr·weight_decay·p
    /// m₁ ← β₁·m₁ + (1 − β₁)·g
    /// m₂ ← β₃(k)·m₂ + (1 − β₃(k))·g
    /// v ← β₂·v + (1 − β₂)·g²
    /// p ← p − lr·(m̂₁ + α(k)·m₂)/(√v̂ + eps)    m̂₁, v̂ corrected for their bias as in Adam
    ///
    /// α(k) = min(k·alpha/warmup, alpha)        at step k = 1, 2, …; both constant without `warmup`
    /// β₃(k) = min(exp(ln β₁·ln β₃/((1 − k/warmup)·ln β₃ + k/warmup·ln β₁)), β₃)
    /// ```
    /// Source: Pagliardini, Ablin & Grangier 2024, “The AdEMAMix optimizer: better, faster, older”, algorithm 1.
    ///
    /// Differs from the paper: the decay is multiplied by the rate, as in [`AdamW`].
    ///
    /// Checked against: `pytorch_optimizer.AdEMAMix` 4.1.0, whose `t_alpha_beta3` is `warmup` here.
    ///
    /// ```
    /// use optimizers::{AdEMAMix, Fusible};
    /// let mut stepper = AdEMAMix { beta3: 0.75, alpha: 2.0, ..AdEMAMix::default() }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.25, &mut p, &[8.0]);
    /// // (8 + 2·2)/8 rates
    /// assert!((p[0] - 0.625).abs() < 1e-8);
    /// ```
    pub struct AdEMAMix {
        /// Decay of the fast mean.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Decay of the slow mean.
        pub beta3: f64 = 0.9999 => 0.0..1.0,
        /// The weight of the slow mean.
        pub alpha: f64 = 5.0 => 0.0..,
        /// The steps in which alpha rises from 0, and β₃ from β₁.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub warmup: Option<u64> = None => STEPS,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
    check: |ademamix| match *ademamix {
        Self { warmup: Some(_), beta1, beta3, .. } if beta1 == 0.0 || beta3 == 0.0 => {
            Err(format!("`warmup` needs `beta1` and `beta3` above 0, and they are {beta1} and {beta3}"))
        }
        _ => Ok(()),
    },
}

impl Elementwise for AdEMAMix {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_weight_decay(self.weight_decay, self.clone(), visitor)
    }
}

/// The corrections of a step, its alpha and its β₃.
#[derive(Clone, Copy, Default)]
pub struct Mixed {
    corrections: Corrections,
    alpha: f64,
    beta3: f64,
}

impl Rule<3> for AdEMAMix {
    type StepConstants = Mixed;
    fn step_constants(&self, step: u64, previous: Mixed) -> Mixed {
        let Self { beta1, beta2, mut beta3, mut alpha, .. } = *self;
        if let Some(warmup) = self.warmup {
            let share = step as f64 / warmup as f64;
            let (from, to) = (libm::log(beta1), libm::log(beta3));
            if share < 1.0 {
                beta3 = libm::exp(from * to / ((1.0 - share) * to + share * from)).min(beta3);
                alpha *= share;
            }
        }
        Mixed { corrections: previous.corrections.next(beta1, beta2), alpha, beta3 }
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Mixed, lr: R, p: R, g: R, [fast, slow, v]: &mut [R; 3]) -> R {
        average(fast, self.beta1, g.clone());
        average(slow, at.beta3, g.clone());
        average(v, self.beta2, g.square());
        let mean = fast.clone() * at.corrections.first + slow.clone() * at.alpha;
        p - lr * mean / (v.clone().sqrt() * at.corrections.second_root + self.eps)
    }
}
