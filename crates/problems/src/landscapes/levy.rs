use std::f64::consts::PI;

use numeric::Real;
use registry::options;

use crate::landscapes::landscape::Landscape;
use crate::linear::around;

options! {
    /// Ripples across a bowl, of another kind in the first and the last variable.
    ///
    /// ```text
    /// uᵢ = (xᵢ − 1)/4
    /// f(x) = sin² πu₁ + Σ uᵢ²·(1 + 10·sin²(πuᵢ + π + 1)) + u_d²·(1 + sin² 2πu_d),  the sum over i = 1 … dim − 1
    /// domain [−10, 10]^dim, minimizer (1, …, 1), f* = 0
    /// error = √ mean (xᵢ − 1)²
    /// start = 1 + spread·N(0, 1)   for each seed
    /// ```
    /// Written with u = w − 1 for the usual w, which changes no value and keeps the digits near the minimizer.
    ///
    /// Source: Levy & Montalvo 1985, “The Tunneling Algorithm for the Global Minimization of Functions”; in this form
    /// Laguna & Martí 2005, “Experimental Testing of Advanced Scatter Search Designs”.
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("levy").unwrap().minimizers(), [[1.0, 1.0]]);
    /// ```
    pub struct Levy {
        /// The number of variables.
        pub dim: usize = 2 => 1..=10_000,
        /// The standard deviation of the start around the minimizer.
        pub spread: f64 = 2.0 => 0.0..,
    }
}

impl Landscape for Levy {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        let u = |x: &R| (x.clone() - 1.0) * 0.25;
        let (last, others) = x.split_last().expect("at least one variable");
        let last = u(last);
        let mut f = (u(&x[0]) * PI).sin().square();
        f = f + last.clone().square() * ((last * (2.0 * PI)).sin().square() + 1.0);
        for x in others {
            let u = u(x);
            f = f + u.clone().square() * ((u * PI + (PI + 1.0)).sin().square() * 10.0 + 1.0);
        }
        f
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        vec![vec![1.0; self.dim]]
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        around(&vec![1.0; self.dim], self.spread, "levy: start", seed)
    }
}
