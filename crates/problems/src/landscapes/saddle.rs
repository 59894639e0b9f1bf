use numeric::Real;
use registry::options;

use crate::landscapes::landscape::Landscape;
use crate::linear::around;

options! {
    /// A saddle between two minima.
    ///
    /// ```text
    /// f(x) = ¼·(x₁² − 1)² + ½·Σ xᵢ²,  i = 2 … dim
    /// minimizers (±1, 0, …, 0), f* = 0;  saddle at 0, with curvature −1 along x₁ and 1 across
    /// error = √ mean (xᵢ − x*ᵢ)², x* the nearest minimizer
    /// start = (0, 1, …, 1) + spread·N(0, 1)   for each seed
    /// ```
    /// A run slides down to the saddle and must find its way out: the smaller the spread, the longer. With spread 0 a
    /// gradient has no part along x₁, and only noise leads away.
    ///
    /// Source: the normal form of a strict saddle (Lee, Simchowitz, Jordan & Recht 2016, “Gradient Descent Only Converges to
    /// Minimizers”), bounded by a quartic.
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("saddle").unwrap().minimizers(), [[1.0, 0.0], [-1.0, 0.0]]);
    /// ```
    pub struct Saddle {
        /// The number of variables.
        pub dim: usize = 2 => 1..=10_000,
        /// The standard deviation of the start around the ridge that leads to the saddle.
        pub spread: f64 = 0.001 => 0.0..,
    }
}

impl Landscape for Saddle {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        let well = (x[0].clone().square() - 1.0).square() * 0.25;
        x[1..].iter().fold(well, |f, x| f + x.clone().square() * 0.5)
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        let mut minimizers = vec![vec![0.0; self.dim]; 2];
        (minimizers[0][0], minimizers[1][0]) = (1.0, -1.0);
        minimizers
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        let mut ridge = vec![1.0; self.dim];
        ridge[0] = 0.0;
        around(&ridge, self.spread, "saddle: start", seed)
    }
}
