use std::f64::consts::{E, PI};

use numeric::Real;
use registry::options;

use crate::landscapes::landscape::{Landscape, sum};
use crate::linear::around;

options! {
    /// A cone in a plain, both covered with ripples.
    ///
    /// ```text
    /// f(x) = −20·exp(−0.2·√(mean xᵢ²)) − exp(mean cos 2πxᵢ) + 20 + e
    /// domain [−32.768, 32.768]^dim, minimizer 0, f* = 0
    /// error = √ mean xᵢ²
    /// start = spread·N(0, 1)   for each seed
    /// ```
    /// At the minimizer it has a cusp; the slope there is taken as 0. Computed by expm1 and 1 − cos 2πx = 2·sin² πx, which keep
    /// their digits near it.
    ///
    /// Source: Ackley 1987, “A Connectionist Machine for Genetic Hillclimbing”.
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("ackley").unwrap().minimizers(), [[0.0, 0.0]]);
    /// ```
    pub struct Ackley {
        /// The number of variables.
        pub dim: usize = 2 => 1..=10_000,
        /// The standard deviation of the start around the minimizer.
        pub spread: f64 = 1.0 => 0.0..,
    }
}

impl Landscape for Ackley {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        let n = x.len() as f64;
        let mean_square = sum(x, |x| x.clone().square()) / n;
        let is_zero = mean_square.at_most(0.0);
        let root = R::select(&is_zero, mean_square.constant(1.0), mean_square.clone()).sqrt();
        let radius = R::select(&is_zero, mean_square.constant(0.0), root);
        let ripples = sum(x, |x| (x.clone() * PI).sin().square()) * (-2.0 / n);
        -(radius * -0.2).exp_m1() * 20.0 - ripples.exp_m1() * E
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        vec![vec![0.0; self.dim]]
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        around(&vec![0.0; self.dim], self.spread, "ackley: start", seed)
    }
}
