use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The squared error near the target, the absolute error far from it, with slope 1 there.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = ½·d²/beta      for |d| < beta
    ///        |d| − ½·beta   beyond
    /// ```
    /// It is Huber's loss divided by its delta.
    ///
    /// Source: Girshick 2015, “Fast R-CNN”.
    ///
    /// Checked against: `torch.nn.functional.smooth_l1_loss` of PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, SmoothL1};
    /// use numeric::Dual;
    /// let near = SmoothL1 { beta: 2.0 }.value(Dual::variable(1.0_f64), Dual::fixed(0.0));
    /// assert_eq!((near.value, near.derivative), (0.25, 0.5));
    /// ```
    pub struct SmoothL1 {
        /// The |d| at which the parabola ends, in units of the prediction.
        pub beta: f64 = 1.0 => above(0.0),
    }
}

impl Elementwise for SmoothL1 {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let d = (prediction - target).abs();
        let near = d.clone().square() * (0.5 / self.beta);
        R::select(&d.below(self.beta), near, d - 0.5 * self.beta)
    }
}
