use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The squared error.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = d²
    /// ```
    /// As in PyTorch there is no factor ½: the slope is 2·d.
    ///
    /// Source: least squares (Legendre 1805, Gauss 1809).
    ///
    /// Checked against: `torch.nn.functional.mse_loss` of PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Mse};
    /// use numeric::Dual;
    /// let high = Mse::default().value(Dual::variable(4.0_f64), Dual::fixed(1.0));
    /// assert_eq!((high.value, high.derivative), (9.0, 6.0));
    /// ```
    pub struct Mse {}
}

impl Elementwise for Mse {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        (prediction - target).square()
    }
}
