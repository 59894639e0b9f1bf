use numeric::Real;
use registry::options;

use crate::rule::with_l2;
use crate::shared::moments::{Corrections, average};
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Adam with a denominator that never shrinks.
    ///
    /// ```text
    /// g, m, v as in Adam
    /// v_max ← max(v_max, v)
    /// p ← p − lr·m̂/(√(v_max/(1 − β₂ᵏ)) + eps)
    /// ```
    /// Source: Reddi, Kale & Kumar 2018, “On the convergence of Adam and beyond”, algorithm 2.
    ///
    /// Differs from the paper: both moments are corrected for their bias, as in PyTorch, where the paper
    /// has none; the maximum is over the uncorrected v, as in the paper and in PyTorch since 1.5.
    ///
    /// Checked against: `torch.optim.Adam(amsgrad=True)` of PyTorch 2.13, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Amsgrad, Fusible};
    /// let mut stepper = Amsgrad { beta1: 0.0, beta2: 0.0, ..Amsgrad::default() }.stepper(1).unwrap();
    /// let mut p = [0.0_f64];
    /// stepper.step_slice(1.0, &mut p, &[4.0]);
    /// stepper.step_slice(1.0, &mut p, &[1.0]);
    /// // The second gradient is still divided by the first, larger one.
    /// assert!((p[0] - -1.25).abs() < 1e-7);
    /// ```
    pub struct Amsgrad {
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

impl Elementwise for Amsgrad {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_l2(self.l2, self.clone(), visitor)
    }
}

impl Rule<3> for Amsgrad {
    type StepConstants = Corrections;
    fn step_constants(&self, _step: u64, previous: Corrections) -> Corrections {
        previous.next(self.beta1, self.beta2)
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: Corrections, lr: R, p: R, g: R, [m, v, v_max]: &mut [R; 3]) -> R {
        average(m, self.beta1, g.clone());
        average(v, self.beta2, g.square());
        *v_max = v_max.clone().maximum(v.clone());
        p - lr * at.first * m.clone() / (v_max.clone().sqrt() * at.second_root + self.eps)
    }
}
