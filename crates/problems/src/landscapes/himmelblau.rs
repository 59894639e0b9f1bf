use numeric::Real;
use registry::options;

use crate::landscapes::landscape::Landscape;
use crate::linear::around;

options! {
    /// Himmelblau's function: four minima of equal depth.
    ///
    /// ```text
    /// f(x) = (x₁² + x₂ − 11)² + (x₁ + x₂² − 7)²
    /// domain [−5, 5]², minimizers (3, 2), (−2.805, 3.131), (−3.779, −3.283), (3.584, −1.848), f* = 0
    /// error = √ mean (xᵢ − x*ᵢ)², x* the nearest minimizer
    /// start = spread·N(0, 1)   for each seed
    /// ```
    /// Around the origin lies the maximum between them.
    ///
    /// Source: Himmelblau 1972, “Applied Nonlinear Programming”.
    ///
    /// Checked against: the published formula in PyTorch 2.13, value and gradient, and double backward.
    ///
    /// ```
    /// use problems::Problem;
    /// assert_eq!(Problem::named("himmelblau").unwrap().minimizers()[0], [3.0, 2.0]);
    /// ```
    pub struct Himmelblau {
        /// The standard deviation of the start around the origin.
        pub spread: f64 = 1.0 => 0.0..,
    }
}

impl Landscape for Himmelblau {
    #[inline(always)]
    fn value<R: Real>(&self, x: &[R]) -> R {
        let (x, y) = (x[0].clone(), x[1].clone());
        (x.clone().square() + y.clone() - 11.0).square() + (x + y.square() - 7.0).square()
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        MINIMIZERS.map(Vec::from).to_vec()
    }
    fn start(&self, seed: u64) -> Vec<f64> {
        around(&[0.0, 0.0], self.spread, "himmelblau: start", seed)
    }
}

const MINIMIZERS: [[f64; 2]; 4] = [
    [3.0, 2.0],
    [-2.805_118_086_952_745, 3.131_312_518_250_573],
    [-3.779_310_253_377_747, -3.283_185_991_286_17],
    [3.584_428_340_330_492, -1.848_126_526_964_404],
];
