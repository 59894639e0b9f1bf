//! Optimizers that choose a direction for each lane, and search along it: evaluations of all lanes go together,
//! wherever each is in its search.

use tch::{Kind, Tensor};

use crate::lanes::{flatten, unflatten};
use crate::shared::wolfe::{Conditions, Next, Point, Search};
use crate::{Oracle, TensorStepper};

/// How a lane chooses where to go. Vectors are all its parameters in a row, in double precision.
pub(crate) trait Direction {
    /// The line to search from here at a rate; none where it would lead nowhere.
    fn choose(&mut self, lr: f64, loss: f64, g: &Tensor) -> Option<Line>;

    /// What came of it: `t` along the direction, from a point with this loss and gradient.
    fn went(&mut self, t: f64, direction: &Tensor, loss: f64, g: &Tensor);
}

/// A direction, the loss's slope along it, and the first step to try.
pub(crate) struct Line {
    pub direction: Tensor,
    pub slope: f64,
    pub first: f64,
}

/// The stepper of such an optimizer.
pub(crate) struct Along<H, M> {
    conditions: Conditions,
    /// A lane rests where no element of its gradient is larger.
    tolerance: f64,
    make: M,
    lanes: Vec<H>,
}

impl<H: Direction, M: Fn() -> H> Along<H, M> {
    /// `make` gives a lane its state.
    pub fn new(conditions: Conditions, tolerance: f64, make: M) -> Self {
        Self { conditions, tolerance, make, lanes: Vec::new() }
    }
}

/// Whether the shares of the two Wolfe conditions are in order.
pub(crate) fn in_order(c1: f64, c2: f64) -> Result<(), String> {
    if c1 < c2 { Ok(()) } else { Err(format!("`c1` must be below `c2`, and they are {c1} and {c2}")) }
}

/// ⟨a, b⟩
pub(crate) fn dot(a: &Tensor, b: &Tensor) -> f64 {
    a.dot(b).double_value(&[])
}

/// A number for each lane.
fn numbers(lanes: &Tensor) -> Vec<f64> {
    Vec::try_from(lanes.to_kind(Kind::Double)).expect("a number for each lane")
}

impl<H: Direction, M: Fn() -> H> TensorStepper for Along<H, M> {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let (p, g) = (flatten(parameters).to_kind(Kind::Double), flatten(gradients).to_kind(Kind::Double));
        let (lr, loss) = (numbers(lr), numbers(&oracle.loss()));
        self.lanes.resize_with(lr.len(), &self.make);
        let directions = g.zeros_like();
        let (mut searches, mut steps) = (Vec::new(), vec![0.0; lr.len()]);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let g = g.get(index as i64);
            let largest = |x: &Tensor| x.abs().max().double_value(&[]);
            let rests = largest(&g) <= self.tolerance || lr[index] == 0.0;
            let line = if rests { None } else { lane.choose(lr[index], loss[index], &g) };
            searches.push(line.map(|Line { direction, slope, first }| {
                directions.get(index as i64).copy_(&direction);
                steps[index] = first;
                Search::new(self.conditions, Point { t: 0.0, loss: loss[index], slope }, largest(&direction))
            }));
        }
        let searching: Vec<bool> = searches.iter().map(Option::is_some).collect();
        search(&mut searches, &mut steps, (&p, &directions), parameters, oracle);
        let row = |tensor: &Tensor, index: usize| tensor.get(index as i64);
        for (index, lane) in self.lanes.iter_mut().enumerate().filter(|(index, _)| searching[*index]) {
            lane.went(steps[index], &row(&directions, index), loss[index], &row(&g, index));
        }
        let next = p + directions * Tensor::from_slice(&steps).unsqueeze(1);
        for (parameter, next) in parameters.iter_mut().zip(unflatten(&next, gradients)) {
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
            unflatten(&points, like).iter().zip(like).map(|(x, p)| x.to_kind(p.kind())).collect();
        let (loss, gradients) = oracle.evaluate(&points, &asking);
        let loss = numbers(&loss);
        let slopes = flatten(&gradients).to_kind(Kind::Double) * directions;
        let slopes = numbers(&slopes.sum_dim_intlist(1, false, Kind::Double));
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
