use numeric::Real;
use registry::options;

use crate::landscapes::landscape::Landscape;
use crate::linear::around;

options! {
    /// Rosenbrock's curved valley.
    ///
    /// ```text
    /// f(x) = Σ 100·(xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²,  i = 1 … dim − 1
    /// minimizer (1, …, 1), f* = 0
    /// error = √ mean (xᵢ − 1)²
    /// start = (−1.2, 1, −1.2, 1, …) + spread·N(0, 1)   for each seed
    /// ```
    /// Source: Rosenbrock 1960, “An automatic method for finding the greatest or least value of a function”.
    ///
    /// From dimension 4 on there is a local minimum near (−1, 1, …, 1).
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("rosenbrock").unwrap().targets(), [0.1, 0.01, 0.001]);
    /// ```
    pub struct Rosenbrock {
        /// The number of variables.
        pub dim: usize = 2 => 2..=10_000,
        /// The standard deviation of the start around the classical one.
        pub spread: f64 = 0.1 => 0.0..,
    }
}

impl Landscape for Rosenbrock {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        let term = |pair: &[R]| {
            let valley = (pair[1].clone() - pair[0].clone().square()).square() * 100.0;
            valley + (pair[0].clone() - 1.0).square()
        };
        let mut sum = term(&x[..2]);
        for pair in x[1..].windows(2) {
            sum = sum + term(pair);
        }
        sum
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        vec![vec![1.0; self.dim]]
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        let classical: Vec<f64> = (0..self.dim).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
        around(&classical, self.spread, "rosenbrock: start", seed)
    }
}

#[cfg(test)]
mod tests {
    use numeric::Plain;

    use super::*;

    #[test]
    fn values_are_the_published_ones() {
        let f = |x: &[f64]| {
            let x: Vec<Plain<f64>> = x.iter().map(|x| Plain(*x)).collect();
            Rosenbrock { dim: x.len(), spread: 0.0 }.value(&x).0
        };
        assert!((f(&[-1.2, 1.0]) - 24.2).abs() < 1e-12);
        assert_eq!(f(&[1.0, 1.0, 1.0, 1.0]), 0.0);
        // scipy.optimize.rosen([1.3, 0.7, 0.8, 1.9, 1.2])
        assert!((f(&[1.3, 0.7, 0.8, 1.9, 1.2]) - 848.22).abs() < 1e-9);
    }
}
