use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// Binary cross-entropy that cares less for what is already told right.
    ///
    /// ```text
    /// x = prediction (a logit), y = target (0 or 1)
    /// loss = −alpha·y·σ(−x)^gamma·ln σ(x) − (1 − alpha)·(1 − y)·σ(x)^gamma·ln σ(−x)
    /// ```
    /// in nats. gamma = 0 is weighted cross-entropy. Of a target between 0 and 1 it is the mean of both classes'
    /// losses, weighted by the target. Powers and logarithms of σ are taken as exp and softplus, so that no logit
    /// overflows and nothing is 0·∞.
    ///
    /// Source: Lin, Goyal, Girshick, He & Dollár 2017, “Focal Loss for Dense Object Detection”, with its best constants
    /// as defaults.
    ///
    /// Differs from the paper: only the binary form, which is the one it defines.
    ///
    /// Checked against: the formula by `sigmoid` and `logsigmoid` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Focal};
    /// use numeric::Dual;
    /// let unsure = Focal::default().value(Dual::variable(0.0_f64), Dual::fixed(1.0));
    /// assert!((unsure.value - 2_f64.ln() / 16.0).abs() < 1e-15);
    /// ```
    pub struct Focal {
        /// The weight of class 1; class 0 has the rest of 1.
        pub alpha: f64 = 0.25 => INSIDE_0_1,
        /// How much less what is told right counts (dimensionless).
        pub gamma: f64 = 2.0 => 0.0..,
    }
}

impl Elementwise for Focal {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let (x, y) = (prediction, target);
        // −ln σ(x) and −ln σ(−x)
        let (of_one, of_zero) = ((-x.clone()).softplus(), x.softplus());
        let one = y.clone() * self.alpha * (of_zero.clone() * -self.gamma).exp() * of_one.clone();
        let zero = (-y + 1.0) * (1.0 - self.alpha) * (of_one * -self.gamma).exp() * of_zero;
        one + zero
    }
}
