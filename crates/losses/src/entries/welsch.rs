use numeric::Real;
use registry::options;

use crate::Elementwise;
use crate::stable::Residual;

options! {
    /// A loss whose pull on outliers dies away like a Gaussian.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = c²/2·(1 − exp(−(d/c)²))
    /// ```
    /// Near the target it is ½·d². The default c is the one with 95 % efficiency under normal noise of variance 1. Far from
    /// the target the slope is so small that a run may never leave.
    ///
    /// Source: Dennis & Welsch 1978, “Techniques for Nonlinear Least Squares and Robust Regression”.
    ///
    /// Checked against: c²·exp(−v/2)·sinh(v/2) with v = (d/c)² in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Welsch};
    /// use numeric::Dual;
    /// let d = Welsch { c: 2.0 }.value(Dual::variable(2.0_f64), Dual::fixed(0.0));
    /// assert!((d.derivative - 2.0 * (-1_f64).exp()).abs() < 1e-15);
    /// ```
    pub struct Welsch {
        /// The |d| beyond which a residual counts as an outlier, in units of the prediction.
        pub c: f64 = 2.985 => above(0.0),
    }
}

impl Elementwise for Welsch {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let Residual { is_far, near, .. } = Residual::new(prediction - target, self.c);
        let v = near.square();
        let is_small = v.at_most(1.0);
        let small = R::select(&is_small, v.clone(), v.constant(1.0));
        // Each has the digits that the other loses: of the value near the target, of the slope far from it.
        let (value, slope) = (-(-small).exp_m1(), -(-v).exp() + 1.0);
        let bent = R::select(&is_small, value, slope);
        R::select(&is_far, bent.constant(1.0), bent) * (0.5 * self.c * self.c)
    }
}
