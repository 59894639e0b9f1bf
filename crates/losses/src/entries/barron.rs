use numeric::Real;
use registry::options;

use crate::Elementwise;
use crate::stable::{FAR, Residual};

options! {
    /// A family of robust losses with one shape parameter, from the squared error to Welsch.
    ///
    /// ```text
    /// d = prediction − target,  b = |alpha − 2|
    /// loss = b/alpha·(((d/c)²/b + 1)^(alpha/2) − 1)
    ///        ½·(d/c)²            for alpha = 2
    ///        ln(½·(d/c)² + 1)    for alpha = 0
    /// ```
    /// alpha = 2 is the squared error, 1 pseudo-Huber (Charbonnier), 0 Cauchy, −2 Geman–McClure; toward −∞ it is
    /// Welsch. Near the target it is ½·(d/c)² for every alpha. Any finite alpha; next to 0 and 2 as exact as elsewhere:
    /// where the power is near 1 it is taken by expm1 and log1p.
    ///
    /// Source: Barron 2019, “A General and Adaptive Robust Loss Function”.
    ///
    /// Differs from the paper: alpha is an option and isn't learned, and −∞ is `welsch`. The paper has no default; here
    /// it is 1.
    ///
    /// Checked against: the formula in PyTorch 2.13, value and gradient, near the target in more digits than `float64`
    /// has, and against the losses that it contains.
    ///
    /// ```
    /// use losses::{Barron, Elementwise};
    /// use numeric::Dual;
    /// let d = Barron::default().value(Dual::variable(3_f64.sqrt()), Dual::fixed(0.0));
    /// assert!((d.value - 1.0).abs() < 1e-15 && (d.derivative - 3_f64.sqrt() / 2.0).abs() < 1e-15);
    /// ```
    pub struct Barron {
        /// The shape: how little outliers pull (dimensionless).
        pub alpha: f64 = 1.0 => ..,
        /// The |d| around which the parabola bends, in units of the prediction.
        pub c: f64 = 1.0 => above(0.0),
    }
}

impl Elementwise for Barron {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let d = prediction - target;
        let (b, half) = ((self.alpha - 2.0).abs(), 0.5 * self.alpha);
        if b == 0.0 {
            return (d / self.c).square() * 0.5;
        }
        // Where w would overflow it is far²·FAR². Above 4 the loss itself overflows before; below −8 it is level there.
        let knee = match self.alpha {
            alpha if alpha > 4.0 => f64::INFINITY,
            alpha if alpha < -8.0 => self.c,
            _ => self.c * b.sqrt(),
        };
        let residual = Residual::with_knee(d, self.c, knee);
        let w = residual.near.clone().square() / b;
        let logarithm = residual.ln_1p_square(w.clone());
        // So near to 0 that no digit changes.
        if half.abs() < 1e-18 {
            return logarithm * (0.5 * b);
        }
        let x = logarithm * half;
        let near = x.clone().abs().at_most(1.0);
        let small = R::select(&near, x.clone(), x.constant(1.0));
        // Far powers keep their digits best by themselves, unless rounding 1 + w is raised to a high one.
        let power = if half.abs() <= 4.0 {
            let power = R::select(&residual.is_far, residual.far, w + 1.0).pow(half);
            let root = R::select(&residual.is_far, power.clone(), power.constant(1.0));
            let far = (root * libm::pow(FAR, half.min(2.0))).square();
            R::select(&residual.is_far, far, power)
        } else {
            x.exp()
        };
        R::select(&near, small.exp_m1(), power - 1.0) * (b / self.alpha)
    }
}

#[cfg(test)]
mod tests {
    use numeric::Dual;

    use super::*;
    use crate::{Cauchy, GemanMcclure, PseudoHuber, Welsch};

    fn at(loss: &impl Elementwise, d: f64) -> [f64; 2] {
        let said = loss.value(Dual::variable(d), Dual::fixed(0.0));
        [said.value, said.derivative]
    }

    #[test]
    fn it_contains_the_losses_that_the_paper_names() {
        let barron = |alpha: f64, c: f64| Barron { alpha, c };
        for d in [1e-6, 0.3, -1.0, 5.0, -20.0] {
            let squared = [0.5 * d * d, d];
            let pairs = [
                (at(&barron(2.0, 1.0), d), squared, 0.0),
                (at(&barron(1.0, 1.0), d), at(&PseudoHuber { delta: 1.0 }, d), 1e-14),
                (at(&barron(0.0, 0.5_f64.sqrt()), d), at(&Cauchy { c: 1.0 }, d).map(|x| 2.0 * x), 1e-14),
                (at(&barron(-2.0, 0.5), d), at(&GemanMcclure { c: 1.0 }, d).map(|x| 4.0 * x), 1e-14),
                // Next to the singular shapes: as far off as the shape is, or less.
                (at(&barron(2.0 - 1e-12, 1.0), d), squared, 1e-10),
                (at(&barron(1e-13, 1.0), d), at(&barron(0.0, 1.0), d), 1e-12),
                (at(&barron(-1e-300, 1.0), d), at(&barron(0.0, 1.0), d), 1e-15),
                (at(&barron(-1e9, 0.5_f64.sqrt()), d), at(&Welsch { c: 1.0 }, d).map(|x| 2.0 * x), 1e-6),
            ];
            for (index, (ours, theirs, tolerance)) in pairs.into_iter().enumerate() {
                for (ours, theirs) in ours.iter().zip(theirs) {
                    let near = (ours - theirs).abs() <= tolerance * theirs.abs() + 1e-150;
                    assert!(near, "pair {index} at {d}: {ours:e}, and should be {theirs:e}");
                }
            }
        }
    }
}
