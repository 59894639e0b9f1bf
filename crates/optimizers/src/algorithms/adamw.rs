use registry::options;

use crate::rule::with_weight_decay;
use crate::{Adam, Amsgrad, Elementwise, Visitor};

options! {
    /// Adam, with weight decay beside the step instead of in the gradient.
    ///
    /// ```text
    /// p ← p − lr·weight_decay·p
    /// then Adam's step (AMSGrad's if amsgrad) with the gradient at the old p
    /// ```
    /// Source: Loshchilov & Hutter 2019, “Decoupled weight decay regularization”, algorithm 2.
    ///
    /// Differs from the paper: the decay is multiplied by the learning rate, as in PyTorch; the paper
    /// multiplies it by the schedule's factor alone.
    ///
    /// Checked against: `torch.optim.AdamW` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::{AdamW, Fusible};
    /// let mut stepper = AdamW { weight_decay: 0.5, ..AdamW::default() }.stepper(1).unwrap();
    /// let mut p = [2.0_f64];
    /// stepper.step_slice(0.1, &mut p, &[0.0]);
    /// assert_eq!(p, [1.9]);
    /// ```
    pub struct AdamW {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.01 => 0.0..,
        /// With a denominator that never shrinks.
        pub amsgrad: bool = false,
    }
}

impl Elementwise for AdamW {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        let Self { beta1, beta2, eps, weight_decay, amsgrad } = *self;
        let l2 = 0.0;
        if amsgrad {
            with_weight_decay(weight_decay, Amsgrad { beta1, beta2, eps, l2 }, visitor)
        } else {
            with_weight_decay(weight_decay, Adam { beta1, beta2, eps, l2 }, visitor)
        }
    }
}
