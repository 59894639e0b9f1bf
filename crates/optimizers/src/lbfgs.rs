use std::collections::VecDeque;

use numeric::Float;
use registry::{Described, Info};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::lanes::{joined, parted};
use crate::wolfe::{Conditions, Next, Point, Search};
use crate::{Entry, Fuse, Oracle, TensorStepper, check};

/// Newton's direction with a curvature learnt from the last steps, and a search for how far to go along it.
///
/// ```text
/// s = p − p_previous,  y = g − g_previous           kept if ⟨y, s⟩ > 1e-10, the last `history` of them
/// d = −H·g by the two-loop recursion, from H = ⟨y, s⟩/⟨y, y⟩
/// t: f(p + t·d) ≤ f(p) + c1·t·⟨g, d⟩  and  |⟨∇f(p + t·d), d⟩| ≤ c2·|⟨g, d⟩|      (strong Wolfe)
/// p ← p + t·d                                       the first t to be tried is lr, and lr·min(1, 1/‖g‖₁) at first
/// ```
/// Liu & Nocedal 1989, “On the limited memory BFGS method for large scale optimization”; the search is that of
/// Nocedal & Wright's “Numerical optimization”, algorithms 3.5 and 3.6, with cubic interpolation.
///
/// Every evaluation that the search asks for is counted. It is meant for losses without noise.
///
/// Differs from PyTorch: one iteration a step, and everything but the parameters is in double precision.
///
/// Checked against: `torch.optim.LBFGS(max_iter=1, line_search_fn="strong_wolfe")` of PyTorch 2.13.
///
/// ```
/// use optimizers::Optimizer;
/// let lbfgs: Optimizer = serde_json::from_str(r#"{"lbfgs": {"history": 10}}"#).unwrap();
/// assert_eq!(lbfgs.label(), "lbfgs(history=10)");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lbfgs {
    /// The steps that the curvature is learnt from.
    pub history: u64,
    /// The least fall of the loss, as a share of its slope.
    pub c1: f64,
    /// The largest slope after a step, as a share of that before.
    pub c2: f64,
    /// The most evaluations of a search, after its first.
    pub max_evaluations: u64,
    /// Does nothing where no element of the gradient is larger.
    pub tolerance: f64,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self { history: 100, c1: 1e-4, c2: 0.9, max_evaluations: 25, tolerance: 1e-7 }
    }
}

impl Described for Lbfgs {
    fn info(&self) -> Info {
        Info {
            summary: "Newton's direction with a curvature learnt from the last steps, and a search along it",
            formula: "d = −H·g by the two-loop recursion;  t by the strong Wolfe conditions;  p ← p + t·d",
            source: "Liu & Nocedal 1989, On the limited memory BFGS method for large scale optimization",
        }
    }
}

impl<F: Float> Fuse<F> for Lbfgs {}

impl Entry for Lbfgs {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), lanes: Vec::new() })
    }

    fn check(&self) -> Result<(), String> {
        check::at_least_one("history", Some(self.history))?;
        check::positive("c1", self.c1)?;
        check::decay("c2", self.c2)?;
        check::at_least_one("max_evaluations", Some(self.max_evaluations))?;
        check::not_negative("tolerance", self.tolerance)?;
        if self.c1 < self.c2 {
            return Ok(());
        }
        Err(format!("`c1` must be below `c2`, and they are {} and {}", self.c1, self.c2))
    }
}

/// The last step made, the gradient before it, and the pairs learnt from. Vectors are in double precision.
#[derive(Default)]
struct Lane {
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

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    a.dot(b).double_value(&[])
}

impl Lane {
    fn learn(&mut self, g: &Tensor, history: u64) {
        let Some((s, before)) = self.last.take() else {
            self.scale = 1.0;
            return;
        };
        let y = g - before;
        let curvature = dot(&y, &s);
        if curvature > 1e-10 {
            if self.pairs.len() as u64 == history {
                self.pairs.pop_front();
            }
            self.scale = curvature / dot(&y, &y);
            self.pairs.push_back(Pair { s, y, rho: 1.0 / curvature });
        }
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

struct Stepper {
    options: Lbfgs,
    lanes: Vec<Lane>,
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let Lbfgs { history, c1, c2, max_evaluations, tolerance } = self.options;
        let conditions = Conditions { c1, c2, most: max_evaluations, shortest: 1e-9 };
        let (p, g) = (joined(parameters).to_kind(Kind::Double), joined(gradients).to_kind(Kind::Double));
        let lr: Vec<f64> = Vec::try_from(lr.to_kind(Kind::Double)).expect("a rate for each lane");
        let loss: Vec<f64> =
            Vec::try_from(oracle.loss().to_kind(Kind::Double)).expect("a loss for each lane");
        self.lanes.resize_with(lr.len(), Lane::default);
        let directions = g.neg();
        let (mut searches, mut steps) = (Vec::new(), vec![0.0; lr.len()]);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let g = g.get(index as i64);
            searches.push(None);
            let largest = |x: &Tensor| x.abs().max().double_value(&[]);
            if largest(&g) <= tolerance || lr[index] == 0.0 {
                continue;
            }
            let first = lane.last.is_none();
            lane.learn(&g, history);
            let d = lane.direction(&g);
            directions.get(index as i64).copy_(&d);
            let slope = dot(&g, &d);
            // PyTorch's bound: a direction that hardly descends is not searched.
            if slope > -1e-9 {
                continue;
            }
            let shorter =
                if first { (1.0 / g.abs().sum(Kind::Double).double_value(&[])).min(1.0) } else { 1.0 };
            steps[index] = shorter * lr[index];
            let start = Point { t: 0.0, loss: loss[index], slope };
            searches[index] = Some(Search::new(conditions, start, largest(&d)));
        }
        search(&mut searches, &mut steps, (&p, &directions), parameters, oracle);
        let moves = directions * Tensor::from_slice(&steps).unsqueeze(1);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if steps[index] != 0.0 {
                let index = index as i64;
                lane.last = Some((moves.get(index).copy(), g.get(index).copy()));
            }
        }
        for (parameter, next) in parameters.iter_mut().zip(parted(&(p + moves), gradients)) {
            parameter.copy_(&next);
        }
    }
}

/// Goes on with all searches until each is done, and leaves the steps found in `steps`.
fn search(
    searches: &mut [Option<Search>],
    steps: &mut [f64],
    (p, directions): (&Tensor, &Tensor),
    like: &[Tensor],
    oracle: &mut dyn Oracle,
) {
    loop {
        let asking: Vec<bool> = searches.iter().map(Option::is_some).collect();
        if !asking.contains(&true) {
            return;
        }
        let points = p + directions * Tensor::from_slice(steps).unsqueeze(1);
        let points: Vec<Tensor> =
            parted(&points, like).iter().zip(like).map(|(x, p)| x.to_kind(p.kind())).collect();
        let (loss, gradients) = oracle.evaluate(&points, &asking);
        let loss: Vec<f64> = Vec::try_from(loss.to_kind(Kind::Double)).expect("a loss for each lane");
        let slopes =
            (joined(&gradients).to_kind(Kind::Double) * directions).sum_dim_intlist(1, false, Kind::Double);
        let slopes: Vec<f64> = Vec::try_from(slopes).expect("a slope for each lane");
        for (lane, place) in searches.iter_mut().enumerate() {
            let Some(search) = place else { continue };
            match search.tell(Point { t: steps[lane], loss: loss[lane], slope: slopes[lane] }) {
                Next::Try(t) => steps[lane] = t,
                Next::Done(t) => {
                    steps[lane] = t;
                    *place = None;
                }
            }
        }
    }
}
