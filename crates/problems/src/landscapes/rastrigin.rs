use std::f64::consts::PI;

use numeric::Real;
use registry::options;

use crate::landscapes::landscape::{Landscape, sum};
use crate::linear::around;

options! {
    /// A bowl with a cosine on it: minima on a lattice, of which one is the lowest.
    ///
    /// ```text
    /// f(x) = Σ xᵢ² + 10·(1 − cos 2πxᵢ)
    /// domain [−5.12, 5.12]^dim, minimizer 0, f* = 0
    /// error = √ mean xᵢ²
    /// start = spread·N(0, 1)   for each seed
    /// ```
    /// Computed as 20·sin² πxᵢ, which keeps its digits near the minima.
    ///
    /// Source: Rastrigin 1974, “Systems of Extremal Control”; in any dimension Mühlenbein, Schomisch & Born 1991, “The Parallel Genetic Algorithm as Function Optimizer”.
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("rastrigin").unwrap().minimizers(), [[0.0, 0.0]]);
    /// ```
    pub struct Rastrigin {
        /// The number of variables.
        pub dim: usize = 2 => 1..=10_000,
        /// The standard deviation of the start around the minimizer.
        pub spread: f64 = 1.0 => 0.0..,
    }
}

impl Landscape for Rastrigin {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        sum(x, |x| x.clone().square() + (x.clone() * PI).sin().square() * 20.0)
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        vec![vec![0.0; self.dim]]
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        around(&vec![0.0; self.dim], self.spread, "rastrigin: start", seed)
    }
}
