use numeric::Real;
use registry::options;

use crate::{Elementwise, stable::guarded};

options! {
    /// The absolute error to a power.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = |d|^exponent
    /// ```
    /// Flat at the target for exponents above 2, where γ of a diagnosis is the exponent; a cusp for exponents
    /// below 1, where the slope grows without bound. At d = 0 the slope is taken as 0.
    ///
    /// Source: Gonin & Money 1989, “Nonlinear Lp-Norm Estimation”. There is no usual exponent; the default lies
    /// between `l1` and `mse`.
    ///
    /// Checked against: `(p - t).abs() ** exponent` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Power};
    /// use numeric::Dual;
    /// let d = Power { exponent: 3.0 }.value(Dual::variable(-2.0_f64), Dual::fixed(0.0));
    /// assert_eq!((d.value, d.derivative), (8.0, -12.0));
    /// ```
    pub struct Power {
        /// The power, above 0.
        pub exponent: f64 = 1.5 => above(0.0),
    }
}

impl Elementwise for Power {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let size = (prediction - target).abs();
        guarded(size, |size| size.pow(self.exponent))
    }
}
