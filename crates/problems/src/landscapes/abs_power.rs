use numeric::Real;
use registry::options;

use crate::landscapes::landscape::{Landscape, sum};
use crate::linear::around;

options! {
    /// A power of the distance along every axis: a flat minimum, a bowl, or a cusp.
    ///
    /// ```text
    /// f(x) = Σ |xᵢ|^exponent
    /// minimizer 0, f* = 0
    /// error = √ mean xᵢ²
    /// start = 1 + spread·N(0, 1)   for each seed
    /// ```
    /// Above 2 the curvature vanishes toward the minimizer, and plain gradient descent slows down without end; below 2 it
    /// grows without bound; at 1 and below there is a kink, whose slope is taken as 0.
    ///
    /// Source: the textbook model of a minimum of given order (Nesterov 2004, “Introductory Lectures on Convex
    /// Optimization”, on uniformly convex functions).
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("abs_power").unwrap().minimizers(), [[0.0, 0.0]]);
    /// ```
    pub struct AbsPower {
        /// The number of variables.
        pub dim: usize = 2 => 1..=10_000,
        /// The power, above 0.
        pub exponent: f64 = 4.0 => up_to(100.0),
        /// The standard deviation of the start around (1, …, 1).
        pub spread: f64 = 0.3 => 0.0..,
    }
}

impl Landscape for AbsPower {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        sum(x, |x| {
            let size = x.clone().abs();
            let is_zero = size.at_most(0.0);
            let (zero, one) = (size.constant(0.0), size.constant(1.0));
            R::select(&is_zero, zero, R::select(&is_zero, one, size).pow(self.exponent))
        })
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        vec![vec![0.0; self.dim]]
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        around(&vec![1.0; self.dim], self.spread, "abs power: start", seed)
    }
}
