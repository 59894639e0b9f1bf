use std::f64::consts::LN_2;

use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The logarithm of the hyperbolic cosine of the error: ½·d² near the target, |d| − ln 2 far from it.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = ln cosh d
    /// ```
    /// Its slope is tanh d. It is computed as ln(1 + E² / (2 + 2·E)) with E = e^|d| − 1, which keeps every
    /// digit where d is small; beyond |d| = 20 it is |d| − ln 2, which is exact to the last digit of
    /// `f64` and can't overflow.
    ///
    /// Source: Saleh & Saleh 2022, “Statistical Properties of the log-cosh Loss Function Used in Machine
    /// Learning”.
    ///
    /// Checked against: ½·log1p(sinh² d), and |d| + softplus(−2·|d|) − ln 2 beyond 20, in PyTorch 2.13,
    /// value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, LogCosh};
    /// use numeric::Dual;
    /// let d = LogCosh::default().value(Dual::variable(2.0_f64), Dual::fixed(1.0));
    /// assert!((d.value - 1_f64.cosh().ln()).abs() < 1e-15 && (d.derivative - 1_f64.tanh()).abs() < 1e-15);
    /// ```
    pub struct LogCosh {}
}

impl Elementwise for LogCosh {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let d = (prediction - target).abs();
        let bent = d.at_most(STRAIGHT);
        // Tensors compute both branches, and this one must not overflow where it isn't taken.
        let e = R::select(&bent, d.clone(), d.constant(STRAIGHT)).exp_m1();
        // cosh d = 1 + 2·sinh²(d/2) = 1 + (e^d − 1)² / (2·e^d)
        let curve = (e.clone().square() / (e * 2.0 + 2.0)).ln_1p();
        R::select(&bent, curve, d - LN_2)
    }
}

/// The |d| from which tanh |d| is 1 in `f64`.
const STRAIGHT: f64 = 20.0;

#[cfg(test)]
mod tests {
    use numeric::{Dual, Plain};

    use super::*;

    #[test]
    fn small_residuals_keep_their_digits() {
        // ln cosh d = ½·d² − d⁴/12 + …
        let loss = LogCosh::default().value(Dual::variable(-1e-4_f32), Dual::fixed(0.0));
        assert!((loss.value / 0.5e-8 - 1.0).abs() < 1e-6, "{loss:?}");
        assert!((loss.derivative / -1e-4 - 1.0).abs() < 1e-6, "{loss:?}");
    }

    #[test]
    fn the_line_continues_the_curve() {
        let value = |d: f64| LogCosh::default().value(Plain(d), Plain(0.0)).0;
        let step = value(20.0 + 1e-9) - value(20.0 - 1e-9);
        assert!((step - 2e-9).abs() < 1e-14, "{step}");
        assert_eq!(value(1e300), 1e300);
        assert!(value(f64::NAN).is_nan());
    }
}
