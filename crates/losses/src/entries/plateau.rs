use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The absolute error, with a slope a thousand times smaller beyond a threshold.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = |d|                      for |d| ≤ edge
    ///        slope·|d| + level        beyond
    /// ```
    /// With the defaults (edge = 0.5, slope = 0.001, level = 0.4995) it is the `PlateauLoss` of the
    /// question that this project answers. The two branches meet at the edge, where the slope is still 1.
    ///
    /// Source: `PlateauLoss` of “Why is custom loss function decreasing slowly?” (2025).
    ///
    /// Checked against: the same lines in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Plateau};
    /// use numeric::Dual;
    /// let far = Plateau::default().value(Dual::variable(-2.0_f64), Dual::fixed(0.0));
    /// assert_eq!(far.derivative, -0.001);
    /// ```
    pub struct Plateau {
        /// The |d| up to which the slope is 1, in units of the prediction.
        pub edge: f64 = 0.5 => above(0.0),
        /// The slope beyond it (dimensionless).
        pub slope: f64 = 0.001 => ..,
        /// What is added beyond it, in units of the prediction.
        pub level: f64 = 0.4995 => ..,
    }
}

impl Elementwise for Plateau {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let d = (prediction - target).abs();
        R::select(&d.at_most(self.edge), d.clone(), d * self.slope + self.level)
    }
}
