use numeric::Real;
use registry::options;

use crate::rule::with_l2;
use crate::{Elementwise, Rule, Visitor};

options! {
    /// The gradient, divided by the root of the sum of its squares so far.
    ///
    /// ```text
    /// g ← ∇f(p) + l2·p
    /// s ← s + g²                              s = initial_accumulator_value before step 1
    /// p ← p − lr/(1 + (k − 1)·lr_decay) · g/(√s + eps)      at step k = 1, 2, …
    /// ```
    /// Source: Duchi, Hazan & Singer 2011, “Adaptive subgradient methods for online learning and stochastic
    /// optimization”, with a diagonal matrix.
    ///
    /// Differs from the paper: `lr_decay` and `l2` are PyTorch's, and nothing is projected; the paper's δ is
    /// `eps`.
    ///
    /// Checked against: `torch.optim.Adagrad` of PyTorch 2.13, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Adagrad, Fusible};
    /// let mut stepper = Adagrad::default().stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.1, &mut p, &[3.0]);
    /// stepper.step_slice(0.1, &mut p, &[4.0]);
    /// // 0.1·3/3, then 0.1·4/5
    /// assert!((p[0] - 0.82).abs() < 1e-10);
    /// ```
    pub struct Adagrad {
        /// How fast the rate falls with the steps, on top of the schedule.
        pub lr_decay: f64 = 0.0 => 0.0..,
        /// The sum of squares before the first step.
        pub initial_accumulator_value: f64 = 0.0 => 0.0..,
        /// Added to the denominator.
        pub eps: f64 = 1e-10 => 0.0..,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for Adagrad {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        with_l2(self.l2, self.clone(), visitor)
    }
}

impl Rule<1> for Adagrad {
    /// What the rate is multiplied by.
    type StepConstants = f64;
    fn step_constants(&self, step: u64, _previous: f64) -> f64 {
        1.0 / (1.0 + (step - 1) as f64 * self.lr_decay)
    }

    fn start(&self) -> [f64; 1] {
        [self.initial_accumulator_value]
    }

    #[inline(always)]
    fn update<R: Real>(&self, factor: f64, lr: R, p: R, g: R, [s]: &mut [R; 1]) -> R {
        *s = s.clone() + g.clone().square();
        p - lr * factor * g / (s.clone().sqrt() + self.eps)
    }
}
