use numeric::Real;
use registry::options;

use crate::Elementwise;
use crate::stable::positive_part;

options! {
    /// How far a score is from being right by a margin of 1.
    ///
    /// ```text
    /// s = 2·target − 1, the target being 0 or 1
    /// loss = max(0, 1 − s·prediction)
    /// ```
    /// Targets are those of the other classification losses, 0 and 1, and not −1 and 1. The score is the prediction;
    /// its sign is the class. At the kink the slope is 0.
    ///
    /// Source: Cortes & Vapnik 1995, “Support-Vector Networks”.
    ///
    /// Checked against: `torch.relu(1 - s * p)` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Hinge};
    /// use numeric::Dual;
    /// let wrong = Hinge::default().value(Dual::variable(-2.0_f64), Dual::fixed(1.0));
    /// assert_eq!((wrong.value, wrong.derivative), (3.0, -1.0));
    /// ```
    pub struct Hinge {}
}

impl Elementwise for Hinge {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let sign = target * 2.0 - 1.0;
        positive_part(-(sign * prediction) + 1.0)
    }
}
