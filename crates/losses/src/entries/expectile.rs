use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The squared error, weighted by its side.
    ///
    /// ```text
    /// u = target − prediction
    /// loss = expectile·u²         for u ≥ 0   (the prediction is too low)
    ///        (1 − expectile)·u²   for u < 0   (the prediction is too high)
    /// ```
    /// Minimizing it estimates that expectile of the targets. The default of 0.5 estimates the mean and is half
    /// the squared error. `asymmetric` is the same family in the question's own constants.
    ///
    /// Source: Newey & Powell 1987, “Asymmetric Least Squares Estimation and Testing”.
    ///
    /// Checked against: `torch.where(u < 0, (1 - expectile) * u, expectile * u) * u` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Expectile};
    /// use numeric::Dual;
    /// let low = Expectile { expectile: 0.75 }.value(Dual::variable(-2.0_f64), Dual::fixed(0.0));
    /// assert_eq!((low.value, low.derivative), (3.0, -3.0));
    /// ```
    pub struct Expectile {
        /// The expectile to estimate, between 0 and 1 (dimensionless).
        pub expectile: f64 = 0.5 => INSIDE_0_1,
    }
}

impl Elementwise for Expectile {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let u = target - prediction;
        let weight = R::select(&u.below(0.0), u.constant(1.0 - self.expectile), u.constant(self.expectile));
        weight * u.square()
    }
}
