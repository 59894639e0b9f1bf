use std::collections::VecDeque;

use numeric::Float;
use registry::options;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::shared::line_search::{Along, Direction, Line, dot, in_order};
use crate::shared::wolfe::Conditions;
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// Newton's direction with a curvature learned from the last steps, and a search for how far to go along it.
    ///
    /// ```text
    /// s = p − p_previous,  y = g − g_previous           kept if ⟨y, s⟩ > 1e-10, the last `history` of them
    /// d = −H·g by the two-loop recursion, from H = ⟨y, s⟩/⟨y, y⟩
    /// t: f(p + t·d) ≤ f(p) + c1·t·⟨g, d⟩  and  |⟨∇f(p + t·d), d⟩| ≤ c2·|⟨g, d⟩|      (strong Wolfe)
    /// p ← p + t·d                                       the first t to be tried is lr, and lr·min(1, 1/‖g‖₁) at first
    /// ```
    /// Source: Liu & Nocedal 1989, “On the limited memory BFGS method for large scale optimization”; the search is that
    /// of Nocedal & Wright's “Numerical optimization”, algorithms 3.5 and 3.6, with cubic interpolation.
    ///
    /// `line_search = "weak_wolfe"` is for losses with kinks, and knows no scale: it asks for ⟨∇f(p + t·d), d⟩ ≥ c2·⟨g, d⟩,
    /// found by bisection (Lewis & Overton 2013, “Nonsmooth optimization via quasi-Newton methods”); lr is the length of the
    /// first step alone, and a search that finds nothing forgets what was learned.
    ///
    /// Every evaluation that the search asks for is counted. It is meant for losses without noise.
    ///
    /// Differs from PyTorch: one iteration a step; after a search that found no lower loss the next begins as the first one
    /// does, where PyTorch's would be the same again; and everything but the parameters is in double precision.
    ///
    /// Checked against: `torch.optim.LBFGS(max_iter=1, line_search_fn="strong_wolfe")` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let lbfgs: Optimizer = serde_json::from_str(r#"{"lbfgs": {"history": 10}}"#).unwrap();
    /// assert_eq!(lbfgs.label(), "lbfgs(history=10)");
    /// ```
    pub struct Lbfgs {
        /// What is asked of a step: `strong_wolfe` or `weak_wolfe`.
        pub line_search: LineSearch = LineSearch::StrongWolfe,
        /// The steps that the curvature is learned from.
        pub history: u64 = 100 => 1..=10_000,
        /// The least fall of the loss, as a share of its slope.
        pub c1: f64 = 1e-4 => above(0.0),
        /// The largest slope after a step, as a share of that before.
        pub c2: f64 = 0.9 => 0.0..1.0,
        /// The most evaluations of a search, after its first.
        pub max_evaluations: u64 = 25 => STEPS,
        /// Does nothing where no element of the gradient is larger.
        pub tolerance: f64 = 1e-7 => 0.0..,
    }
    check: |lbfgs| in_order(lbfgs.c1, lbfgs.c2),
}

/// What a search along a line looks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineSearch {
    /// A loss that falls enough, and a slope that is small.
    #[default]
    StrongWolfe,
    /// A loss that falls enough, and a slope that rises enough.
    WeakWolfe,
}

impl<F: Float> Fusible<F> for Lbfgs {}

impl OptimizerSpec for Lbfgs {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        let Self { line_search, history, c1, c2, max_evaluations, tolerance } = *self;
        let weak = line_search == LineSearch::WeakWolfe;
        let lane = move || Lane { weak, history, last: None, pairs: VecDeque::new(), scale: 1.0 };
        let conditions = Conditions { weak, c1, c2, most: max_evaluations, shortest: 1e-9 };
        Box::new(Along::new(conditions, tolerance, lane))
    }

    fn memory(&self, shapes: &[Vec<u64>]) -> u64 {
        // Pairs of vectors in double precision.
        crate::numbers(shapes).saturating_mul(self.history.saturating_mul(4).saturating_add(20))
    }
}

/// The last step made, the gradient before it, and the pairs learned from. Vectors are in double precision.
struct Lane {
    weak: bool,
    history: u64,
    last: Option<(Tensor, Tensor)>,
    pairs: VecDeque<Pair>,
    scale: f64,
}

struct Pair {
    s: Tensor,
    y: Tensor,
    /// 1/⟨y, s⟩
    rho: f64,
}

impl Lane {
    fn learn(&mut self, g: &Tensor) {
        let Some((s, before)) = self.last.take() else {
            self.scale = 1.0;
            return;
        };
        let y = g - before;
        let curvature = dot(&y, &s);
        let least = if self.weak { 1e-14 * (dot(&y, &y) * dot(&s, &s)).sqrt() } else { 1e-10 };
        if curvature > least {
            if self.pairs.len() as u64 == self.history {
                self.pairs.pop_front();
            }
            self.scale = curvature / dot(&y, &y);
            self.pairs.push_back(Pair { s, y, rho: 1.0 / curvature });
        }
    }

    /// Along what was learned as far as it goes, or down the gradient by `lr`.
    fn choose_weakly(&mut self, lr: f64, g: &Tensor) -> Option<Line> {
        self.learn(g);
        let direction = self.direction(g);
        let slope = dot(g, &direction);
        if slope < 0.0 && !self.pairs.is_empty() {
            return Some(Line { direction, slope, first: 1.0 });
        }
        self.pairs.clear();
        let square = dot(g, g);
        (square > 0.0 && square.is_finite()).then(|| Line {
            direction: g.neg(),
            slope: -square,
            first: lr / square.sqrt(),
        })
    }

    /// −H·g
    fn direction(&self, g: &Tensor) -> Tensor {
        let mut q = g.neg();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for Pair { s, y, rho } in self.pairs.iter().rev() {
            let share = dot(s, &q) * rho;
            q -= y * share;
            shares.push(share);
        }
        q *= self.scale;
        for (Pair { s, y, rho }, share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let along = dot(y, &q) * rho;
            q += s * (share - along);
        }
        q
    }
}

impl Direction for Lane {
    fn choose(&mut self, lr: f64, _loss: f64, g: &Tensor) -> Option<Line> {
        if self.weak {
            return self.choose_weakly(lr, g);
        }
        let first = lr
            * match self.last {
                None => (1.0 / g.abs().sum(Kind::Double).double_value(&[])).min(1.0),
                Some(_) => 1.0,
            };
        self.learn(g);
        let direction = self.direction(g);
        let slope = dot(g, &direction);
        // PyTorch's bound: a direction that hardly descends is not searched.
        if slope > -1e-9 { None } else { Some(Line { direction, slope, first }) }
    }

    fn went(&mut self, t: f64, direction: &Tensor, _loss: f64, g: &Tensor) {
        self.last = (t != 0.0).then(|| (direction * t, g.copy()));
        if self.weak && t == 0.0 {
            // At a kink the memory may point nowhere.
            self.pairs.clear();
        }
    }
}
