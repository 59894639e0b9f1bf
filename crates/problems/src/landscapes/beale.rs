use numeric::Real;
use registry::options;

use crate::landscapes::landscape::Landscape;
use crate::linear::around;

options! {
    /// Beale's function of two variables: flat, with steep walls at the corners.
    ///
    /// ```text
    /// f(x) = (1.5 − x₁ + x₁x₂)² + (2.25 − x₁ + x₁x₂²)² + (2.625 − x₁ + x₁x₂³)²
    /// domain [−4.5, 4.5]², minimizer (3, ½), f* = 0
    /// error = √ mean (xᵢ − x*ᵢ)²
    /// start = (1, 1) + spread·N(0, 1)   for each seed
    /// ```
    /// (1, 1) is the start of Moré, Garbow & Hillstrom 1981. Toward x₂ = −∞ there are valleys that lead nowhere.
    ///
    /// Source: Beale 1958, “On an Iterative Method for Finding a Local Minimum of a Function of More Than One Variable”.
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("beale").unwrap().minimizers(), [[3.0, 0.5]]);
    /// ```
    pub struct Beale {
        /// The standard deviation of the start around (1, 1).
        pub spread: f64 = 0.1 => 0.0..,
    }
}

impl Landscape for Beale {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        let (x, y) = (x[0].clone(), x[1].clone());
        let term = |constant: f64, power: R| (x.clone() * (power - 1.0) + constant).square();
        let square = y.clone().square();
        term(1.5, y.clone()) + term(2.25, square.clone()) + term(2.625, square * y)
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        vec![vec![3.0, 0.5]]
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        around(&[1.0, 1.0], self.spread, "beale: start", seed)
    }
}
