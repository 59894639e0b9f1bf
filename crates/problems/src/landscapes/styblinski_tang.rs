use numeric::Real;
use registry::options;

use crate::landscapes::landscape::{Landscape, sum};
use crate::linear::around;

options! {
    /// A sum of tilted double wells: one global minimum among 2^dim.
    ///
    /// ```text
    /// f(x) = ½·Σ (xᵢ⁴ − 16·xᵢ² + 5·xᵢ)
    /// domain [−5, 5]^dim, minimizer xᵢ = −2.903534, f* = −39.16616570377142·dim
    /// error = √ mean (xᵢ − x*ᵢ)²
    /// start = spread·N(0, 1)   for each seed
    /// ```
    /// A variable that starts to the right of 0.157 ends in the shallow well at 2.747, and the error stays large.
    ///
    /// Source: Styblinski & Tang 1990, “Experiments in Nonconvex Optimization”.
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("styblinski_tang").unwrap().minimizers(), [[-2.903534027771177; 2]]);
    /// ```
    pub struct StyblinskiTang {
        /// The number of variables.
        pub dim: usize = 2 => 1..=10_000,
        /// The standard deviation of the start around the origin.
        pub spread: f64 = 1.0 => 0.0..,
    }
}

impl Landscape for StyblinskiTang {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        let term = |x: &R| {
            let square = x.clone().square();
            (square.clone() * (square - 16.0) + x.clone() * 5.0) * 0.5
        };
        sum(x, term)
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        vec![vec![-2.903_534_027_771_177; self.dim]]
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        around(&vec![0.0; self.dim], self.spread, "styblinski tang: start", seed)
    }
}
