use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The negative log-likelihood of a Poisson distribution whose rate is given as a logarithm.
    ///
    /// ```text
    /// x = prediction (the logarithm of a rate), t = target (a count)
    /// loss = exp(x) − t·x
    /// ```
    /// in nats, without ln t!, as PyTorch has it by default. Its slope is exp(x) − t, its minimizer ln t. It overflows
    /// beyond x = 88 in `float32`.
    ///
    /// Source: Poisson regression (Nelder & Wedderburn 1972, “Generalized Linear Models”).
    ///
    /// Checked against: `torch.nn.functional.poisson_nll_loss` of PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, PoissonNll};
    /// use numeric::Dual;
    /// let d = PoissonNll::default().value(Dual::variable(0.0_f64), Dual::fixed(3.0));
    /// assert_eq!((d.value, d.derivative), (1.0, -2.0));
    /// ```
    pub struct PoissonNll {}
}

impl Elementwise for PoissonNll {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        prediction.clone().exp() - target * prediction
    }
}
