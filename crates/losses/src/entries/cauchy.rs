use numeric::Real;
use registry::options;

use crate::Elementwise;
use crate::stable::Residual;

options! {
    /// A loss that grows like a logarithm: outliers pull ever less (Lorentzian).
    ///
    /// ```text
    /// d = prediction − target
    /// loss = c²/2·ln(1 + (d/c)²)
    /// ```
    /// Near the target it is ½·d². The default c is the one with 95 % efficiency under normal noise of variance 1. It is, up to
    /// a constant, the negative log-likelihood of a Cauchy distribution, and also called Lorentzian.
    ///
    /// Source: Black & Anandan 1996, “The Robust Estimation of Multiple Motions”; constants as in Holland & Welsch
    /// 1977, “Robust Regression Using Iteratively Reweighted Least-Squares”.
    ///
    /// Checked against: c²·ln hypot(1, d/c), and log1p of v near the target, in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Cauchy};
    /// use numeric::Dual;
    /// let d = Cauchy { c: 1.0 }.value(Dual::variable(1.0_f64), Dual::fixed(0.0));
    /// assert!((d.value - 0.5 * 2_f64.ln()).abs() < 1e-15 && d.derivative == 0.5);
    /// ```
    pub struct Cauchy {
        /// The |d| beyond which a residual counts as an outlier, in units of the prediction.
        pub c: f64 = 2.385 => above(0.0),
    }
}

impl Elementwise for Cauchy {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let residual = Residual::new(prediction - target, self.c);
        let squared = residual.near.clone().square();
        residual.ln_1p_square(squared) * (0.5 * self.c * self.c)
    }
}
