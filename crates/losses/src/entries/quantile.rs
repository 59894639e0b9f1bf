use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The quantile loss, also called pinball loss: the absolute error, weighted by its side.
    ///
    /// ```text
    /// u = target − prediction
    /// loss = quantile·u         for u ≥ 0   (the prediction is too low)
    ///        (quantile − 1)·u   for u < 0   (the prediction is too high)
    /// ```
    /// Minimizing it estimates that quantile of the targets. The default of 0.5 estimates the median and is
    /// half the absolute error. At the kink the slope by the prediction is the mean of both sides, ½ − quantile,
    /// as that of `torch.maximum` is.
    ///
    /// Source: Koenker & Bassett 1978, “Regression Quantiles”.
    ///
    /// Checked against: `torch.maximum(quantile * u, (quantile - 1) * u)` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Quantile};
    /// use numeric::Dual;
    /// let low = Quantile { quantile: 0.75 }.value(Dual::variable(-2.0_f64), Dual::fixed(0.0));
    /// assert_eq!((low.value, low.derivative), (1.5, -0.75));
    /// ```
    pub struct Quantile {
        /// The quantile to estimate, between 0 and 1 (dimensionless).
        pub quantile: f64 = 0.5 => INSIDE_0_1,
    }
}

impl Elementwise for Quantile {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let u = target - prediction;
        let middle = R::select(&u.at_most(0.0), u.constant(self.quantile - 0.5), u.constant(self.quantile));
        let weight = R::select(&u.below(0.0), u.constant(self.quantile - 1.0), middle);
        weight * u
    }
}
