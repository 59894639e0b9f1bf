use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// A weak squared error plus a signed linear term, lowest far from the target.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = quadratic·d² + linear·d
    /// ```
    /// With the defaults (quadratic = 0.01, linear = 1) it is the `PoorlyConditionedLoss` of the question
    /// that this project answers. In spite of its name its curvature is the same everywhere; what makes it
    /// slow is that its minimum is not at the target but at d = −linear / (2·quadratic), −50 by default,
    /// where the loss is −25.
    ///
    /// Source: `PoorlyConditionedLoss` of “Why is custom loss function decreasing slowly?” (2025).
    ///
    /// Checked against: the same lines in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, PoorlyConditioned};
    /// use numeric::Dual;
    /// let solved = PoorlyConditioned::default().value(Dual::variable(1.0_f64), Dual::fixed(1.0));
    /// assert_eq!((solved.value, solved.derivative), (0.0, 1.0));
    /// ```
    pub struct PoorlyConditioned {
        /// The weight of d².
        pub quadratic: f64 = 0.01 => ..,
        /// The weight of d.
        pub linear: f64 = 1.0 => ..,
    }
}

impl Elementwise for PoorlyConditioned {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let d = prediction - target;
        d.clone().square() * self.quadratic + d * self.linear
    }
}
