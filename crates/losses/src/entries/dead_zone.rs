use numeric::Real;
use registry::options;

use crate::{Elementwise, stable::positive_part};

options! {
    /// The squared error beyond a zone in which nothing counts.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = ½·max(0, |d| − width)²
    /// ```
    /// It has a whole interval of minimizers, and a slope that vanishes toward it.
    ///
    /// Source: the squared form of the penalty in Boyd & Vandenberghe 2004, “Convex Optimization”, §6.1.2, which
    /// itself is `epsilon_insensitive`.
    ///
    /// Checked against: `0.5 * torch.relu((p - t).abs() - width) ** 2` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{DeadZone, Elementwise};
    /// use numeric::Dual;
    /// let far = DeadZone { width: 1.0 }.value(Dual::variable(-3.0_f64), Dual::fixed(0.0));
    /// assert_eq!((far.value, far.derivative), (2.0, -2.0));
    /// ```
    pub struct DeadZone {
        /// The |d| up to which nothing counts, in units of the prediction.
        pub width: f64 = 0.1 => 0.0..,
    }
}

impl Elementwise for DeadZone {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        positive_part((prediction - target).abs() - self.width).square() * 0.5
    }
}
