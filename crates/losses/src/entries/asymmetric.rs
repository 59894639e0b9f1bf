use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The squared error, weighted where the prediction is above the target.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = scale·d²    for d > 0
    ///        d²          for d ≤ 0
    /// ```
    /// With the default scale of 5 it is the `AsymmetricLoss` of the question that this project answers.
    /// Minimizing it estimates the expectile 1/(1 + scale) of the targets (Newey & Powell 1987,
    /// “Asymmetric Least Squares Estimation and Testing”), not their mean: at scale 5 the 1/6-expectile.
    ///
    /// Source: `AsymmetricLoss` of “Why is custom loss function decreasing slowly?” (2025).
    ///
    /// Checked against: the same lines in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Asymmetric, Elementwise};
    /// use numeric::Dual;
    /// let above = Asymmetric::default().value(Dual::variable(1.5_f64), Dual::fixed(1.0));
    /// assert_eq!((above.value, above.derivative), (1.25, 5.0));
    /// ```
    pub struct Asymmetric {
        /// The weight of the squared error where the prediction is above the target.
        pub scale: f64 = 5.0 => above(0.0),
    }
}

impl Elementwise for Asymmetric {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let d = prediction - target;
        let squared = d.clone().square();
        R::select(&d.at_most(0.0), squared.clone(), squared * self.scale)
    }
}
