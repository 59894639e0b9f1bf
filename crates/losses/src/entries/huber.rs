use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The squared error near the target, the absolute error far from it.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = ½·d²                   for |d| ≤ delta
    ///        delta·(|d| − ½·delta)  beyond
    /// ```
    /// Source: Huber 1964, “Robust Estimation of a Location Parameter”.
    ///
    /// Checked against: `torch.nn.functional.huber_loss` of PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Huber};
    /// use numeric::Dual;
    /// let far = Huber::default().value(Dual::variable(-3.0_f64), Dual::fixed(0.0));
    /// assert_eq!((far.value, far.derivative), (2.5, -1.0));
    /// ```
    pub struct Huber {
        /// The |d| at which the parabola ends, in units of the prediction.
        pub delta: f64 = 1.0 => above(0.0),
    }
}

impl Elementwise for Huber {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let d = (prediction - target).abs();
        let near = d.clone().square() * 0.5;
        R::select(&d.at_most(self.delta), near, (d - 0.5 * self.delta) * self.delta)
    }
}
