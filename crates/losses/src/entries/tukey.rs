use numeric::Real;
use registry::options;

use crate::Elementwise;
use crate::stable::Residual;

options! {
    /// A loss that is constant beyond a distance: outliers have no pull at all (Tukey's biweight).
    ///
    /// ```text
    /// d = prediction − target
    /// loss = c²/6·(1 − (1 − (d/c)²)³)   for |d| ≤ c
    ///        c²/6                       beyond
    /// ```
    /// Near the target it is ½·d². The default c is the one with 95 % efficiency under normal noise of variance 1. A run that
    /// starts beyond c everywhere never moves.
    ///
    /// Source: Beaton & Tukey 1974, “The Fitting of Power Series, Meaning Polynomials, Illustrated on
    /// Band-Spectroscopic Data”.
    ///
    /// Checked against: c²/6·(v³ − 3·v² + 3·v) with v = min((d/c)², 1) in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, Tukey};
    /// use numeric::Dual;
    /// let far = Tukey { c: 3.0 }.value(Dual::variable(10.0_f64), Dual::fixed(0.0));
    /// assert_eq!((far.value, far.derivative), (1.5, 0.0));
    /// ```
    pub struct Tukey {
        /// The |d| beyond which a residual counts as an outlier, in units of the prediction.
        pub c: f64 = 4.685 => above(0.0),
    }
}

impl Elementwise for Tukey {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let Residual { is_far, near, .. } = Residual::new(prediction - target, self.c);
        let v = near.square();
        let v = -v.constant(-1.0).maximum(-v);
        let v = R::select(&is_far, v.constant(1.0), v);
        // 1 − (1 − v)³, without the difference that has no digits left where v is small.
        v.clone() * (v.clone() * (v - 3.0) + 3.0) * (self.c * self.c / 6.0)
    }
}
