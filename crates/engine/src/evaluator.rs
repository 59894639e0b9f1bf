//! An objective at any points: what probes look at.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use numeric::{Float, LANES, Row, rows};
use problems::{Draw, FusedProblem, Graph, TensorProblem, first_derivatives_only};
use tch::{Kind, Tensor};

use super::{Objective, guarded};

/// At most so many numbers are evaluated side by side.
const AT_ONCE: usize = 1 << 20;

/// An objective as a function of a flat vector of parameters, in one number type, for one seed. It counts gradient
/// evaluations, and a failure gives NaN and is kept.
pub struct Evaluator {
    /// What is evaluated.
    pub objective: Arc<dyn Objective>,
    /// The type of the parameters.
    pub kind: Kind,
    /// The seed.
    pub seed: u64,
    /// Where it starts.
    pub start: Vec<f64>,
    /// The sizes of a lane's parameter tensors, and their names.
    pub shapes: Vec<(String, Vec<i64>)>,
    /// Gradient evaluations so far.
    pub evaluations: Cell<u64>,
    /// The first failure, in words.
    pub failure: RefCell<Option<String>>,
    rows: Option<AnyRows>,
    /// How many points go side by side.
    at_once: usize,
    /// Lanes on libtorch by their number, made when they are first needed.
    tensors: RefCell<HashMap<usize, Box<dyn TensorProblem>>>,
}

enum AnyRows {
    Single(RefCell<Box<dyn FusedProblem<f32>>>),
    Double(RefCell<Box<dyn FusedProblem<f64>>>),
}

/// Values, gradients and errors at several points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluated {
    /// One a point; NaN where the loss failed.
    pub values: Vec<f64>,
    /// A row a point.
    pub gradients: Vec<f64>,
}

impl Evaluator {
    /// An objective at any points.
    ///
    /// # Errors
    /// If it can't be made: what its panic said.
    pub fn new(objective: Arc<dyn Objective>, seed: u64, kind: Kind) -> Result<Self, String> {
        let seeds = [seed; LANES];
        let (shapes, start, rows, most) = guarded(|| {
            let mut batch = objective.tensors(&[seed], kind);
            let start = batch.start();
            let shapes: Vec<_> = batch.names().into_iter().zip(start.iter().map(Tensor::size)).collect();
            let rows = match kind {
                Kind::Float => objective.single(&seeds).map(|rows| AnyRows::Single(rows.into())),
                _ => objective.double(&seeds).map(|rows| AnyRows::Double(rows.into())),
            };
            let most = if rows.is_some() { usize::MAX } else { objective.max_lanes() };
            (shapes, start.iter().flat_map(numbers).collect::<Vec<f64>>(), rows, most)
        })?;
        // Side by side is worth it where an evaluation is short.
        let at_once = (AT_ONCE / start.len().max(1)).clamp(1, most.min(256));
        Ok(Self {
            objective,
            kind,
            seed,
            start,
            shapes,
            evaluations: Cell::new(0),
            failure: RefCell::new(None),
            rows,
            at_once,
            tensors: RefCell::default(),
        })
    }

    /// The number of parameters.
    #[must_use]
    pub fn size(&self) -> usize {
        self.start.len()
    }

    /// Whether there are fused loops.
    #[must_use]
    pub fn is_fused(&self) -> bool {
        self.rows.is_some()
    }

    /// Values and gradients at points that lie one after another.
    pub fn evaluate(&self, points: &[f64], draw: Draw) -> Evaluated {
        let size = self.size();
        let count = points.len() / size;
        self.evaluations.set(self.evaluations.get() + count as u64);
        if let Some(rows) = &self.rows {
            return self
                .guarded(|| rows.evaluate(points, size, draw))
                .map_or_else(|| nowhere(count, size), |all| all.0);
        }
        let mut all = Evaluated::default();
        for chunk in points.chunks(size * self.at_once) {
            let lanes = chunk.len() / size;
            let evaluated = self.guarded(|| {
                self.on_libtorch(chunk, |batch, parameters| {
                    batch.set_training(matches!(draw, Draw::Step(_)));
                    let loss = batch.loss(draw, parameters);
                    let gradients = if loss.requires_grad() {
                        batch.gradients(&loss, parameters, Graph::Spend)
                    } else {
                        parameters.iter().map(Tensor::zeros_like).collect()
                    };
                    Evaluated { values: numbers(&loss), gradients: by_lane(&gradients, lanes) }
                })
            });
            let evaluated = evaluated.unwrap_or_else(|| nowhere(lanes, size));
            all.values.extend(evaluated.values);
            all.gradients.extend(evaluated.gradients);
        }
        all
    }

    /// Value and gradient at one point.
    pub fn at(&self, point: &[f64], draw: Draw) -> (f64, Vec<f64>) {
        let evaluated = self.evaluate(point, draw);
        (evaluated.values[0], evaluated.gradients)
    }

    /// The errors at points that lie one after another.
    pub fn errors(&self, points: &[f64]) -> Vec<f64> {
        let size = self.size();
        if let Some(rows) = &self.rows {
            let evaluated = self.guarded(|| rows.evaluate(points, size, Draw::Frozen));
            return evaluated.map_or_else(|| vec![f64::NAN; points.len() / size], |all| all.1);
        }
        let errors = |chunk: &[f64]| {
            let errors = self.guarded(|| {
                self.on_libtorch(chunk, |batch, parameters| {
                    batch.set_training(false);
                    batch.error(parameters)
                })
            });
            errors.unwrap_or_else(|| vec![f64::NAN; chunk.len() / size])
        };
        points.chunks(size * self.at_once).flat_map(errors).collect()
    }

    /// The error at one point.
    pub fn error(&self, point: &[f64]) -> f64 {
        self.errors(point)[0]
    }

    /// The names of the terms that the loss is put together of; none where there is but one.
    pub fn term_names(&self) -> Vec<String> {
        let names = |batch: &mut dyn TensorProblem, parameters: &[Tensor]| {
            batch.terms(Draw::Frozen, parameters).into_iter().map(|term| term.name).collect()
        };
        self.guarded(|| self.on_libtorch(&self.start, names)).unwrap_or_default()
    }

    /// The Hessian at a point times a vector, by double backward; `None` where the gradient has no graph, as that of
    /// code that is evaluated in Python.
    pub fn hessian_times(&self, point: &[f64], vector: &[f64]) -> Option<Vec<f64>> {
        self.evaluations.set(self.evaluations.get() + 2);
        let product = |batch: &mut dyn TensorProblem, parameters: &[Tensor]| {
            let before = first_derivatives_only();
            let loss = batch.loss(Draw::Frozen, parameters);
            if !loss.requires_grad() || before != first_derivatives_only() {
                return None;
            }
            let slopes = batch.gradients(&loss, parameters, Graph::Extend);
            let along =
                slopes.iter().zip(self.split(vector, 1)).map(|(slope, v)| (slope * v).sum(None::<Kind>));
            let along = along.reduce(|a, b| a + b)?;
            along.requires_grad().then(|| by_lane(&batch.gradients(&along, parameters, Graph::Spend), 1))
        };
        self.guarded(|| self.on_libtorch(point, product)).flatten()
    }

    /// Lends lanes on libtorch, with the points as their parameters.
    fn on_libtorch<T>(&self, points: &[f64], run: impl FnOnce(&mut dyn TensorProblem, &[Tensor]) -> T) -> T {
        let lanes = points.len() / self.size();
        let mut made = self.tensors.borrow_mut();
        let batch =
            made.entry(lanes).or_insert_with(|| self.objective.tensors(&vec![self.seed; lanes], self.kind));
        run(&mut **batch, &self.split(points, lanes))
    }

    /// Flat vectors as the parameters `[lanes, …]`.
    fn split(&self, points: &[f64], lanes: usize) -> Vec<Tensor> {
        let all = Tensor::from_slice(points).reshape([lanes as i64, -1]).to_kind(self.kind);
        let mut first = 0;
        let part = |(_, shape): &(String, Vec<i64>)| {
            let count: i64 = shape.iter().product();
            let shape: Vec<i64> = [lanes as i64].iter().chain(&shape[1..]).copied().collect();
            let own = all.narrow(1, first, count).contiguous().reshape(shape);
            first += count;
            own.copy().set_requires_grad(true)
        };
        self.shapes.iter().map(part).collect()
    }

    /// Runs something that may panic, and keeps the message.
    fn guarded<T>(&self, run: impl FnOnce() -> T) -> Option<T> {
        let result = guarded(run);
        result.map_err(|message| self.failure.borrow_mut().get_or_insert(message).clone()).ok()
    }
}

/// What is known of points where the loss failed.
fn nowhere(points: usize, size: usize) -> Evaluated {
    Evaluated { values: vec![f64::NAN; points], gradients: vec![f64::NAN; points * size] }
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).expect("numbers")
}

/// Tensors `[lanes, …]` as flat vectors of the lanes, one after another.
fn by_lane(tensors: &[Tensor], lanes: usize) -> Vec<f64> {
    let flat: Vec<Tensor> = tensors.iter().map(|tensor| tensor.reshape([lanes as i64, -1])).collect();
    numbers(&Tensor::cat(&flat, 1))
}

impl AnyRows {
    fn evaluate(&self, points: &[f64], size: usize, draw: Draw) -> (Evaluated, Vec<f64>) {
        match self {
            Self::Single(rows) => on_rows(&mut **rows.borrow_mut(), points, size, draw),
            Self::Double(rows) => on_rows(&mut **rows.borrow_mut(), points, size, draw),
        }
    }
}

/// Values and gradients, and the errors, a row of lanes at a time.
fn on_rows<F: Float>(
    block: &mut dyn FusedProblem<F>,
    points: &[f64],
    size: usize,
    draw: Draw,
) -> (Evaluated, Vec<f64>) {
    let mut all = Evaluated::default();
    let mut errors = Vec::new();
    let (mut gradient, mut loss, mut raw_error) = (vec![rows::zero(); size], [rows::zero()], [rows::zero()]);
    for chunk in points.chunks(LANES * size) {
        let count = chunk.len() / size;
        // Places behind the last point hold it again.
        let at = |element: usize, lane: usize| F::from_f64(chunk[lane.min(count - 1) * size + element]);
        let parameters: Vec<Row<F>> =
            (0..size).map(|element| std::array::from_fn(|lane| at(element, lane))).collect();
        block.evaluate(draw, &parameters, &mut gradient, &mut loss, &mut raw_error);
        for lane in 0..count {
            all.values.push(loss[0][lane].to_f64());
            all.gradients.extend(gradient.iter().map(|row| row[lane].to_f64()));
            errors.push(block.error(raw_error[0][lane]).to_f64());
        }
    }
    (all, errors)
}
