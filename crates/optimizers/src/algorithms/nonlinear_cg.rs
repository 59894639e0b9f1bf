use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::shared::line_search::{Along, Direction, Line, dot, in_order};
use crate::shared::wolfe::Conditions;
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// Conjugate gradients: each direction keeps a share of the last one, and is searched.
    ///
    /// ```text
    /// β = max(0, ⟨g − g_previous, g⟩/‖g_previous‖²)                                 (Polak and Ribière, kept from below 0)
    /// d = −g + β·d_previous,  or −g where ⟨g, d⟩ > −0.01·‖g‖²
    /// t: f(p + t·d) ≤ f(p) + c1·t·⟨g, d⟩  and  |⟨∇f(p + t·d), d⟩| ≤ c2·|⟨g, d⟩|      (strong Wolfe)
    /// p ← p + t·d                            the first t to be tried is lr·min(1, 2.02·(f − f_previous)/⟨g, d⟩), and
    ///                                        lr·min(1, 1.01/‖g‖) at first
    /// ```
    /// Source: Polak & Ribière 1969, “Note sur la convergence de méthodes de directions conjuguées”; the bound of β and
    /// the least descent: Gilbert & Nocedal 1992, “Global convergence properties of conjugate gradient methods for
    /// optimization”.
    ///
    /// Every evaluation that the search asks for is counted. It is meant for losses without noise.
    ///
    /// Differs from `scipy.optimize.fmin_cg`: the search is that of `lbfgs`; where the new direction would
    /// descend too little, it starts afresh instead of searching for another step, and so it does after a search that found no
    /// lower loss, where SciPy ends. All but the parameters is in double precision.
    ///
    /// Checked against: `scipy.optimize.fmin_cg` of SciPy 1.17 with the search of PyTorch 2.13's L-BFGS in the place of its
    /// own.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let cg: Optimizer = serde_json::from_str(r#"{"nonlinear_cg": {"c2": 0.1}}"#).unwrap();
    /// assert_eq!(cg.label(), "nonlinear_cg(c2=0.1)");
    /// ```
    pub struct NonlinearCg {
        /// The least fall of the loss, as a share of its slope.
        pub c1: f64 = 1e-4 => above(0.0),
        /// The largest slope after a step, as a share of that before.
        pub c2: f64 = 0.4 => 0.0..1.0,
        /// The most evaluations of a search, after its first.
        pub max_evaluations: u64 = 25 => STEPS,
        /// Does nothing where no element of the gradient is larger.
        pub tolerance: f64 = 1e-7 => 0.0..,
    }
    check: |cg| in_order(cg.c1, cg.c2),
}

impl<F: Float> Fusible<F> for NonlinearCg {}

impl OptimizerSpec for NonlinearCg {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        let Self { c1, c2, max_evaluations, tolerance } = *self;
        let conditions = Conditions { weak: false, c1, c2, most: max_evaluations, shortest: 1e-9 };
        Box::new(Along::new(conditions, tolerance, || Lane(None)))
    }
}

/// The direction gone last, and the loss and the gradient where it began.
struct Lane(Option<(Tensor, f64, Tensor)>);

impl Direction for Lane {
    fn choose(&mut self, lr: f64, loss: f64, g: &Tensor) -> Option<Line> {
        let size = dot(g, g);
        let (mut direction, before) = match &self.0 {
            None => (g.neg(), loss + size.sqrt() / 2.0),
            Some((direction, before, previous)) => {
                let share = dot(&(g - previous), g) / dot(previous, previous);
                (direction * share.max(0.0) - g, *before)
            }
        };
        let mut slope = dot(g, &direction);
        if slope > -0.01 * size {
            (direction, slope) = (g.neg(), -size);
        }
        let first = 2.02 * (loss - before) / slope;
        // Where the loss has risen, as it may to the rounding of a search, that says nothing.
        let first = if first < 0.0 { 1.0 } else { first.min(1.0) };
        Some(Line { direction, slope, first: first * lr })
    }

    fn went(&mut self, t: f64, direction: &Tensor, loss: f64, g: &Tensor) {
        self.0 = (t != 0.0).then(|| (direction.copy(), loss, g.copy()));
    }
}
