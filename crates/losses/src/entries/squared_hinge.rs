use numeric::Real;
use registry::options;

use crate::Elementwise;
use crate::stable::positive_part;

options! {
    /// The square of how far a score is from being right by a margin of 1.
    ///
    /// ```text
    /// s = 2·target − 1, the target being 0 or 1
    /// loss = max(0, 1 − s·prediction)²
    /// ```
    /// Targets are those of the other classification losses, 0 and 1, and not −1 and 1. The score is the prediction;
    /// its sign is the class. At the kink the slope is 0.
    ///
    /// Source: Chang, Hsieh & Lin 2008, “Coordinate Descent Method for Large-scale L2-loss Linear Support Vector Machines”.
    ///
    /// Checked against: `torch.relu(1 - s * p) ** 2` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, SquaredHinge};
    /// use numeric::Dual;
    /// let wrong = SquaredHinge::default().value(Dual::variable(-2.0_f64), Dual::fixed(1.0));
    /// assert_eq!((wrong.value, wrong.derivative), (9.0, -6.0));
    /// ```
    pub struct SquaredHinge {}
}

impl Elementwise for SquaredHinge {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let sign = target * 2.0 - 1.0;
        positive_part(-(sign * prediction) + 1.0).square()
    }
}
