use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The absolute error.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = |d|
    /// ```
    /// Its slope is −1 or 1, and 0 exactly at the target.
    ///
    /// Source: least absolute deviations (Boscovich 1757, Laplace 1793).
    ///
    /// Checked against: `torch.nn.functional.l1_loss` of PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, L1};
    /// use numeric::Dual;
    /// let low = L1::default().value(Dual::variable(-2.0_f64), Dual::fixed(1.0));
    /// assert_eq!((low.value, low.derivative), (3.0, -1.0));
    /// ```
    pub struct L1 {}
}

impl Elementwise for L1 {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        (prediction - target).abs()
    }
}
