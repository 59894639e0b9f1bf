use numeric::Real;
use registry::options;

use crate::Elementwise;
use crate::stable::{FAR, Residual};

options! {
    /// A loss that is bounded: outliers pull like 1/|d|³.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = ½·d² / (1 + (d/c)²)
    /// ```
    /// Near the target it is ½·d², far from it c²/2.
    ///
    /// Source: Geman & McClure 1985, “Bayesian Image Analysis: An Application to Single Photon Emission Tomography”, there
    /// without the factor ½ and with c = 1.
    ///
    /// Checked against: the same formula in PyTorch 2.13, value, and gradient d/(1 + (d/c)²)².
    ///
    /// ```
    /// use losses::{Elementwise, GemanMcclure};
    /// use numeric::Dual;
    /// let d = GemanMcclure { c: 2.0 }.value(Dual::variable(2.0_f64), Dual::fixed(0.0));
    /// assert_eq!((d.value, d.derivative), (1.0, 0.5));
    /// ```
    pub struct GemanMcclure {
        /// The |d| beyond which a residual counts as an outlier, in units of the prediction.
        pub c: f64 = 1.0 => above(0.0),
    }
}

impl Elementwise for GemanMcclure {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let Residual { is_far, near, far, .. } = Residual::new(prediction - target, self.c);
        let v = near.square();
        let (one, below) = (v.constant(1.0), v.clone() + 1.0);
        // Each has the digits that the other loses: of the value near the target, of the slope far from it.
        let (value, slope) = (v.clone() / below.clone(), -(one / below) + 1.0);
        let bent = R::select(&v.at_most(1.0), value, slope);
        // 1 − 1/u², which is the same number where u² overflows.
        let level = -(far.constant(1.0 / FAR) / far).square() + 1.0;
        R::select(&is_far, level, bent) * (0.5 * self.c * self.c)
    }
}
