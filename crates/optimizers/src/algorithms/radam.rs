use numeric::Real;
use registry::options;

use crate::rule::with_l2;
use crate::shared::moments::{Corrections, average};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Adam, with steps that grow as the second moment becomes reliable.
    ///
    /// ```text
    /// g ← ∇f(p) + l2·p
    /// m, v as in Adam
    /// ρ∞ = 2/(1 − β₂) − 1,  ρ = ρ∞ − 2·k·β₂ᵏ/(1 − β₂ᵏ)       at step k = 1, 2, …
    /// r = √((ρ − 4)·(ρ − 2)·ρ∞/((ρ∞ − 4)·(ρ∞ − 2)·ρ))
    /// p ← p − lr·m̂·r·√(1 − β₂ᵏ)/(√v + eps)    if ρ > 5, else
    /// p ← p − lr·m̂
    /// ```
    /// Source: Liu et al. 2020, “On the variance of the adaptive learning rate and beyond”, algorithm 2.
    ///
    /// Differs from the paper: ρ is compared with 5 instead of 4, and `eps` is added, both as in the authors'
    /// code and in PyTorch; `l2`.
    ///
    /// Checked against: `torch.optim.RAdam` of PyTorch 2.13, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Fusible, RAdam};
    /// let mut stepper = RAdam::default().stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.1, &mut p, &[2.0]);
    /// // The first steps are the mean gradient's.
    /// assert!((p[0] - 0.8).abs() < 1e-15);
    /// ```
    pub struct RAdam {
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

impl Elementwise for RAdam {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_l2(self.l2, self.clone(), visitor)
    }
}

/// What the mean gradient is multiplied by: `plain + adaptive/(√v + eps)`, and one of the two is 0.
#[derive(Clone, Copy, Default)]
pub struct Rectified {
    corrections: Corrections,
    plain: f64,
    adaptive: f64,
}

impl Rule<2> for RAdam {
    type StepConstants = Rectified;
    fn step_constants(&self, step: u64, previous: Rectified) -> Rectified {
        let corrections = previous.corrections.next(self.beta1, self.beta2);
        let limit = 2.0 / (1.0 - self.beta2) - 1.0;
        let left = 1.0 / (corrections.second_root * corrections.second_root);
        let length = limit - 2.0 * step as f64 * (1.0 - left) / left;
        if length <= 5.0 {
            return Rectified { corrections, plain: corrections.first, adaptive: 0.0 };
        }
        let square = (length - 4.0) * (length - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * length);
        let adaptive = corrections.first * square.sqrt() * left.sqrt();
        Rectified { corrections, plain: 0.0, adaptive }
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Rectified, lr: R, p: R, g: R, [m, v]: &mut [R; 2]) -> R {
        average(m, self.beta1, g.clone());
        average(v, self.beta2, g.square());
        // 0/(√v + eps) is NaN at a gradient of 0 without eps, so the denominator gets a 1 where it is unused.
        let unused = if at.adaptive == 0.0 { 1.0 } else { 0.0 };
        let scale = v.clone().sqrt() + (self.eps + unused);
        p - lr * (m.clone() * at.plain + m.clone() * at.adaptive / scale)
    }
}
