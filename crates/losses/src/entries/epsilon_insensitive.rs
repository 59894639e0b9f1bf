use numeric::Real;
use registry::options;

use crate::{Elementwise, stable::positive_part};

options! {
    /// The absolute error beyond a margin; nothing within it.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = max(0, |d| − epsilon)
    /// ```
    /// The loss of support vector regression, also called deadzone-linear. Where it is 0 its slope is 0, the edge
    /// included.
    ///
    /// Source: Vapnik 1995, “The Nature of Statistical Learning Theory”. The default is that of scikit-learn's `SVR`.
    ///
    /// Checked against: `torch.relu((p - t).abs() - epsilon)` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, EpsilonInsensitive};
    /// use numeric::Dual;
    /// let far = EpsilonInsensitive { epsilon: 0.5 }.value(Dual::variable(-2.0_f64), Dual::fixed(0.0));
    /// assert_eq!((far.value, far.derivative), (1.5, -1.0));
    /// ```
    pub struct EpsilonInsensitive {
        /// The |d| up to which nothing counts, in units of the prediction.
        pub epsilon: f64 = 0.1 => 0.0..,
    }
}

impl Elementwise for EpsilonInsensitive {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        positive_part((prediction - target).abs() - self.epsilon)
    }
}
