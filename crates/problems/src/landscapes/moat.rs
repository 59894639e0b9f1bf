use numeric::Real;
use registry::options;

use crate::landscapes::landscape::{Landscape, sum};
use crate::linear::around;

options! {
    /// A hollow in a plain that is flat like a sigmoid’s tail.
    ///
    /// ```text
    /// f(x) = σ(steepness·(‖x‖² − 1)),  σ the logistic function
    /// minimizer 0, f* = σ(−steepness)
    /// error = √ mean xᵢ²
    /// start = (2/√dim)·(1, …, 1) + spread·N(0, 1)   for each seed
    /// ```
    /// The start is at distance 2 from the minimizer, where the slope is about 4·steepness·exp(−3·steepness): 1.5e-3 by default.
    /// It is not 0, and its direction is right. The slope is computed without a difference from 1, and keeps its digits.
    ///
    /// Source: the saturated sigmoid as in Glorot & Bengio 2010, “Understanding the Difficulty of Training Deep
    /// Feedforward Neural Networks”, made a landscape.
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("moat").unwrap().minimizers(), [[0.0, 0.0]]);
    /// ```
    pub struct Moat {
        /// The number of variables.
        pub dim: usize = 2 => 1..=10_000,
        /// How fast the plain gets flat (dimensionless).
        pub steepness: f64 = 3.0 => up_to(100.0),
        /// The standard deviation of the start around a point at distance 2.
        pub spread: f64 = 0.1 => 0.0..,
    }
}

impl Landscape for Moat {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        let u = (sum(x, |x| x.clone().square()) - 1.0) * self.steepness;
        (-(-u).softplus()).exp()
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        vec![vec![0.0; self.dim]]
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        let center = vec![2.0 / (self.dim as f64).sqrt(); self.dim];
        around(&center, self.spread, "moat: start", seed)
    }
}
