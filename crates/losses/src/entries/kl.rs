use numeric::Real;
use registry::options;

use crate::Elementwise;
use crate::stable::{SERIES, exp_series};

options! {
    /// The Kullback–Leibler divergence of weights that are given as logarithms, normalized or not.
    ///
    /// ```text
    /// x = prediction (the logarithm of a weight), t = target (a weight, 0 or above)
    /// loss = t·(ln t − x) − t + exp(x),   and exp(x) where t = 0
    /// ```
    /// in nats. Summed over two distributions that are normalized it is KL(target ‖ prediction), since −t + exp(x) adds up
    /// to 0. That part is what gives every element its own minimum, 0 at x = ln t: without it
    /// the loss falls for ever as x grows. Near its minimum it is computed by the series of t·(eᵘ − 1 − u), u = x − ln t.
    ///
    /// Source: Csiszár 1991, “Why Least Squares and Maximum Entropy?” (there the I-divergence).
    ///
    /// Differs from PyTorch's `KLDivLoss` by −t + exp(x).
    ///
    /// Checked against: `torch.nn.functional.kl_div(x, t) - t + torch.exp(x)` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Kl};
    /// use numeric::Dual;
    /// let d = Kl::default().value(Dual::variable(0.0_f64), Dual::fixed(2.0));
    /// assert!((d.value - (2.0 * 2_f64.ln() - 1.0)).abs() < 1e-15 && d.derivative == -1.0);
    /// ```
    pub struct Kl {}
}

impl Elementwise for Kl {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let (x, t) = (prediction, target);
        let nothing = t.at_most(0.0);
        let u = x.clone() - R::select(&nothing, t.constant(1.0), t.clone()).ln();
        let near = u.clone().abs().at_most(SERIES);
        let small = R::select(&near, u.clone(), u.constant(0.0));
        let close = t.clone() * exp_series(small);
        let far = x.exp() - t.clone() * (u + 1.0);
        R::select(&nothing, far.clone(), R::select(&near, close, far))
    }
}
