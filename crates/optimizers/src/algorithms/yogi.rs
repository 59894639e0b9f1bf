use numeric::Real;
use registry::options;

use crate::rule::with_weight_decay;
use crate::shared::moments::{Corrections, average};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Adam, with a second moment that changes by no more than a share of the squared gradient.
    ///
    /// ```text
    /// p ← p − lr·weight_decay·p
    /// m ← β₁·m + (1 − β₁)·g
    /// v ← v − (1 − β₂)·sign(v − g²)·g²         v = initial_accumulator_value before step 1
    /// p ← p − lr·m̂/(√v̂ + eps)                 m̂, v̂ corrected for their bias as in Adam
    /// ```
    /// Source: Zaheer et al. 2018, “Adaptive methods for nonconvex optimization”, algorithm 2.
    ///
    /// Differs from the paper: the moments are corrected for their bias, as in optax and the others'
    /// implementations; the decay is beside the step. optax starts m at the initial value too; here it starts
    /// at 0, as in the paper.
    ///
    /// Checked against: `optax.yogi` of optax 0.2.8, with its m started at 0.
    ///
    /// ```
    /// use optimizers::{Fusible, Yogi};
    /// let yogi = Yogi { beta1: 0.0, beta2: 0.5, eps: 0.0, initial_accumulator_value: 0.0, weight_decay: 0.0 };
    /// let mut stepper = yogi.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.1, &mut p, &[3.0]);
    /// assert!((p[0] - 0.9).abs() < 1e-15);
    /// ```
    pub struct Yogi {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// 1 − β₂ is the share of the squared gradient.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-3 => 0.0..,
        /// The second moment before the first step.
        pub initial_accumulator_value: f64 = 1e-6 => 0.0..,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for Yogi {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_weight_decay(self.weight_decay, self.clone(), visitor)
    }
}

impl Rule<2> for Yogi {
    type StepConstants = Corrections;
    fn step_constants(&self, _step: u64, previous: Corrections) -> Corrections {
        previous.next(self.beta1, self.beta2)
    }

    fn start(&self) -> [f64; 2] {
        [0.0, self.initial_accumulator_value]
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Corrections, lr: R, p: R, g: R, [m, v]: &mut [R; 2]) -> R {
        average(m, self.beta1, g.clone());
        let square = g.square();
        let (share, gap) = (square.clone() * (1.0 - self.beta2), square - v.clone());
        // ∞ − ∞ has no sign: after an overflow v stays ∞, and the parameter stays where it is.
        let changed = R::select(&gap.below(0.0), v.clone() - share.clone(), v.clone() + share);
        *v = R::select(&gap.abs().at_most(0.0), v.clone(), changed);
        p - lr * at.first * m.clone() / (v.clone().sqrt() * at.second_root + self.eps)
    }
}
