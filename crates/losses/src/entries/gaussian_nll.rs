use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The negative log-likelihood of a normal distribution of given variance around the prediction.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = ½·(ln variance + d²/variance)
    /// ```
    /// in nats, without the constant ½·ln 2π, as PyTorch has it. The variance is an option, not a prediction: a loss here
    /// is told one number an element. One for all elements is learned in `learned_gaussian_nll`; one that depends on the
    /// inputs is a program's.
    ///
    /// Source: Nix & Weigend 1994, “Estimating the Mean and Variance of the Target Probability Distribution”.
    ///
    /// Checked against: `torch.nn.functional.gaussian_nll_loss` of PyTorch 2.13 with `var` constant, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, GaussianNll};
    /// use numeric::Dual;
    /// let d = GaussianNll::default().value(Dual::variable(3.0_f64), Dual::fixed(1.0));
    /// assert_eq!((d.value, d.derivative), (2.0, 2.0));
    /// ```
    pub struct GaussianNll {
        /// The variance, in squared units of the prediction.
        pub variance: f64 = 1.0 => above(0.0),
    }
}

impl Elementwise for GaussianNll {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let squared = (prediction - target).square();
        squared * (0.5 / self.variance) + 0.5 * libm::log(self.variance)
    }
}
