use numeric::Real;
use registry::options;

use crate::Elementwise;
use crate::stable::Residual;

options! {
    /// A smooth Huber loss: a parabola that bends into two straight lines.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = delta²·(√(1 + (d/delta)²) − 1)
    /// ```
    /// Its slope tends to ±delta. It is computed as delta²·u² / (√(1 + u²) + 1) with u = d/delta, which is
    /// the same number without the difference that has no digits left where d is small; from |u| = 1e18 on, where u²
    /// overflows in single precision, as delta·(|d| − delta).
    ///
    /// Source: Charbonnier, Blanc-Féraud, Aubert & Barlaud 1997, “Deterministic Edge-Preserving
    /// Regularization in Computed Imaging”; under this name Hartley & Zisserman 2003, “Multiple View Geometry
    /// in Computer Vision”.
    ///
    /// Checked against: delta·d² / (hypot(delta, d) + delta) in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Elementwise, PseudoHuber};
    /// use numeric::Dual;
    /// let d = PseudoHuber { delta: 4.0 }.value(Dual::variable(3.0_f64), Dual::fixed(0.0));
    /// assert!((d.value - 4.0).abs() < 1e-12 && (d.derivative - 2.4).abs() < 1e-12);
    /// ```
    pub struct PseudoHuber {
        /// The |d| around which the parabola bends into a line, in units of the prediction.
        pub delta: f64 = 1.0 => above(0.0),
    }
}

impl Elementwise for PseudoHuber {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let Residual { is_far, size, near, .. } = Residual::new(prediction - target, self.delta);
        let squared = near.square();
        let root = (squared.clone() + 1.0).sqrt();
        let bent = squared / (root + 1.0) * (self.delta * self.delta);
        R::select(&is_far, (size - self.delta) * self.delta, bent)
    }
}

#[cfg(test)]
mod tests {
    use numeric::Plain;

    use super::*;

    #[test]
    fn the_stable_form_is_the_published_one() {
        for delta in [0.3_f64, 1.0, 7.0] {
            for d in [-20.0, -1.0, 0.5, 3.0] {
                let published = delta * delta * ((1.0 + (d / delta) * (d / delta)).sqrt() - 1.0);
                let ours = PseudoHuber { delta }.value(Plain(d), Plain(0.0_f64)).0;
                assert!((ours - published).abs() < 1e-12 * published.max(1.0), "delta {delta}, d {d}");
            }
        }
    }

    #[test]
    fn small_residuals_keep_their_digits() {
        // Near 0 the loss is ½·d²; the published form gives 0 here.
        let ours = PseudoHuber::default().value(Plain(1e-5_f32), Plain(0.0)).0;
        assert!((ours / 0.5e-10 - 1.0).abs() < 1e-6, "{ours}");
    }
}
