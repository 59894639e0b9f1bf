use numeric::Real;
use registry::options;

use crate::{Elementwise, stable::exp_minus_line};

options! {
    /// Linear on one side of the target, exponential on the other (LINEX).
    ///
    /// ```text
    /// d = prediction − target
    /// loss = b·(exp(a·d) − a·d − 1)
    /// ```
    /// For a > 0 predictions that are too high cost more than those that are too low; a < 0 is the mirror image; near the target it is ½·b·a²·d².
    /// Within |a·d| ≤ ½ it is computed by its series, where the difference has no digits left. Far on the
    /// exponential side it overflows: in `float32` beyond a·d = 88.
    ///
    /// Source: Varian 1975, “A Bayesian Approach to Real Estate Assessment”; in this form Zellner 1986, “Bayesian
    /// Estimation and Prediction Using Asymmetric Loss Functions”.
    ///
    /// Checked against: `b * (torch.expm1(a * d) - a * d)` in PyTorch 2.13, value and gradient, near the target in more
    /// digits than `float64` has.
    ///
    /// ```
    /// use losses::{Elementwise, Linex};
    /// use numeric::Dual;
    /// let high = Linex::default().value(Dual::variable(2_f64.ln()), Dual::fixed(0.0));
    /// assert!((high.value - (1.0 - 2_f64.ln())).abs() < 1e-15 && (high.derivative - 1.0).abs() < 1e-15);
    /// ```
    pub struct Linex {
        /// How asymmetric it is, and to which side, in units of 1/prediction; not 0.
        pub a: f64 = 1.0 => ..,
        /// Its scale.
        pub b: f64 = 1.0 => above(0.0),
    }
    check: |linex| if linex.a == 0.0 { Err("`a` must be other than 0, and is 0".into()) } else { Ok(()) },
}

impl Elementwise for Linex {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        exp_minus_line((prediction - target) * self.a) * self.b
    }
}
