//! What is probed: a loss as a function of one flat vector of parameters.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use analysis::records::Dtype;
use losses::{Loss, Targets};
use numeric::Stream;
use problems::{Batch, Problem};
use tch::{Device, Kind, Tensor};

use super::numbers::Array;
use crate::config::diagnose::{Readout, Sees, Term};

/// Which of the loss's random draws is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    /// None: noise is left out, minibatches are the whole data.
    Frozen,
    /// That of a training step.
    Step(u64),
}

/// At most so many numbers are evaluated side by side.
const AT_ONCE: usize = 1 << 20;

/// Free predictions against a target.
#[derive(Clone)]
pub(super) struct FitModel {
    pub terms: Vec<Term>,
    pub readout: Readout,
    pub sees: Sees,
    pub start: Array,
    pub target: Array,
    pub noise: f64,
    pub seed: u64,
}

/// A problem of the registry.
pub(super) struct ProblemModel {
    pub problem: Problem,
    pub loss: Option<Loss>,
    pub seed: u64,
}

enum Body {
    Fit(FitModel, Tensor),
    Problem { steps: RefCell<Box<dyn Batch>>, frozen: RefCell<Box<dyn Batch>>, shapes: Vec<Vec<i64>> },
}

/// A loss as a function of parameters, in one number type.
pub(super) struct Model {
    pub kind: Kind,
    pub start: Vec<f64>,
    body: Body,
    /// Gradient evaluations so far.
    pub evaluations: Cell<u64>,
    /// The first failure of the loss, in words.
    pub failure: RefCell<Option<String>>,
}

/// Values and gradients at several points.
pub(super) struct Evaluated {
    /// One a point; NaN where the loss failed.
    pub values: Vec<f64>,
    /// A row a point.
    pub gradients: Vec<f64>,
}

pub(super) fn kind_of(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Float32 => Kind::Float,
        Dtype::Float64 => Kind::Double,
    }
}

impl Model {
    pub fn fit(fit: FitModel, kind: Kind) -> Self {
        let start = fit.start.values.clone();
        let classes = fit.terms.iter().any(|term| term.loss.targets() == Targets::Classes);
        let target = fit.target.tensor(if classes { Kind::Int64 } else { kind });
        Self::new(kind, start, Body::Fit(fit, target))
    }

    pub fn problem(problem: &ProblemModel, kind: Kind) -> Self {
        let ProblemModel { problem, loss, seed } = problem;
        let make = |problem: &Problem| problem.batch(&[*seed], loss.as_ref(), (kind, Device::Cpu));
        let (steps, frozen) = (make(problem), make(&whole(problem)));
        let parameters = steps.start();
        let shapes = parameters.iter().map(Tensor::size).collect();
        let start = parameters.iter().flat_map(|p| to_f64(p)).collect();
        Self::new(kind, start, Body::Problem { steps: steps.into(), frozen: frozen.into(), shapes })
    }

    fn new(kind: Kind, start: Vec<f64>, body: Body) -> Self {
        Self { kind, start, body, evaluations: Cell::new(0), failure: RefCell::new(None) }
    }

    /// The number of parameters.
    pub fn size(&self) -> usize {
        self.start.len()
    }

    /// The free fit, if it is one.
    pub fn as_fit(&self) -> Option<&FitModel> {
        match &self.body {
            Body::Fit(fit, _) => Some(fit),
            Body::Problem { .. } => None,
        }
    }

    /// The sizes of the parameter tensors, which some optimizers treat one by one.
    pub fn tensors(&self) -> Vec<Vec<i64>> {
        match &self.body {
            Body::Fit(fit, _) => vec![[&[1], &*fit.start.shape].concat()],
            Body::Problem { shapes, .. } => shapes.clone(),
        }
    }

    /// The graph of the losses `[points]` over `points`, `[points, parameters]`.
    fn forward(&self, points: &Tensor, draw: Draw) -> Tensor {
        match &self.body {
            Body::Fit(fit, target) => fit.forward(points, target, draw, None),
            Body::Problem { steps, frozen, shapes } => {
                let (batch, step) = match draw {
                    Draw::Step(step) => (steps, step),
                    Draw::Frozen => (frozen, 0),
                };
                let values: Vec<Tensor> = (0..points.size()[0])
                    .map(|point| batch.borrow_mut().loss(step, &split(&points.get(point), shapes)))
                    .collect();
                Tensor::cat(&values, 0)
            }
        }
    }

    /// Values and gradients at points that lie one after another.
    pub fn evaluate(&self, points: &[f64], draw: Draw) -> Evaluated {
        self.evaluate_by(points, |leaf| self.forward(leaf, draw))
    }

    /// The same for one of the losses that are added, with its weight.
    pub fn evaluate_term(&self, points: &[f64], term: usize) -> Evaluated {
        self.evaluate_by(points, |leaf| match &self.body {
            Body::Fit(fit, target) => fit.forward(leaf, target, Draw::Frozen, Some(term)),
            Body::Problem { .. } => self.forward(leaf, Draw::Frozen),
        })
    }

    fn evaluate_by(&self, points: &[f64], forward: impl Fn(&Tensor) -> Tensor) -> Evaluated {
        let size = self.size();
        let mut all = Evaluated { values: Vec::new(), gradients: Vec::with_capacity(points.len()) };
        for chunk in points.chunks(size * (AT_ONCE / size).max(1)) {
            let lanes = chunk.len() / size;
            let run = || {
                let leaf = Tensor::from_slice(chunk)
                    .reshape([lanes as i64, size as i64])
                    .to_kind(self.kind)
                    .set_requires_grad(true);
                let value = forward(&leaf);
                assert_eq!(value.numel(), lanes, "the loss must be one number");
                let gradient = gradient(&value, &leaf, false);
                (to_f64(&value), to_f64(&gradient))
            };
            self.evaluations.set(self.evaluations.get() + lanes as u64);
            let (values, gradients) = self
                .guarded(run)
                .unwrap_or_else(|| (vec![f64::NAN; lanes], vec![f64::NAN; lanes * size]));
            all.values.extend(values);
            all.gradients.extend(gradients);
        }
        all
    }

    /// The Hessian at a point times a vector, by double backward; `None` where the gradient has no graph.
    pub fn hessian_times(&self, point: &[f64], vector: &[f64]) -> Option<Vec<f64>> {
        let run = || {
            let leaf = Tensor::from_slice(point)
                .reshape([1, -1])
                .to_kind(self.kind)
                .set_requires_grad(true);
            let value = self.forward(&leaf, Draw::Frozen);
            let slope = gradient(&value, &leaf, true);
            if !slope.requires_grad() {
                return None;
            }
            let vector = Tensor::from_slice(vector).reshape([1, -1]).to_kind(self.kind);
            Some(to_f64(&gradient(&(slope * vector).sum(None::<Kind>), &leaf, false)))
        };
        self.evaluations.set(self.evaluations.get() + 2);
        self.guarded(run).flatten()
    }

    /// The errors at points that lie one after another.
    pub fn errors(&self, points: &[f64]) -> Vec<f64> {
        let size = self.size();
        let run = || {
            let _guard = tch::no_grad_guard();
            match &self.body {
                Body::Fit(fit, _) => points.chunks(size).map(|point| fit.error(point)).collect(),
                Body::Problem { steps, shapes, .. } => {
                    let error = |point: &[f64]| {
                        let point = Tensor::from_slice(point).to_kind(self.kind);
                        steps.borrow_mut().error(&split(&point, shapes))[0]
                    };
                    points.chunks(size).map(error).collect()
                }
            }
        };
        self.guarded(run).unwrap_or_else(|| vec![f64::NAN; points.len() / size])
    }

    /// Runs something that may panic (libtorch's way to refuse shapes), and keeps the message.
    fn guarded<T>(&self, run: impl FnOnce() -> T) -> Option<T> {
        let before = super::QUIET.replace(true);
        let result = catch_unwind(AssertUnwindSafe(run));
        super::QUIET.set(before);
        match result {
            Ok(value) => Some(value),
            Err(panic) => {
                let message = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("it panicked");
                // libtorch appends its C++ stack; the first lines say what happened.
                let first = message.lines().next().unwrap_or(message).to_owned();
                self.failure.borrow_mut().get_or_insert(first);
                None
            }
        }
    }
}

/// The problem with its whole data in one batch.
fn whole(problem: &Problem) -> Problem {
    match problem {
        Problem::DigitsMlp(model) => Problem::DigitsMlp(problems::DigitsMlp { batch: 1437, ..model.clone() }),
        other => other.clone(),
    }
}

impl FitModel {
    /// Whether points can be evaluated side by side in one tensor.
    fn side_by_side(&self) -> bool {
        let elementwise = |term: &Term| term.loss.kernel::<f64>().is_some();
        self.readout_shape() == self.target.shape && self.terms.iter().all(elementwise)
    }

    /// The shape of what is compared with the target.
    pub fn readout_shape(&self) -> Vec<i64> {
        let shape = &self.start.shape;
        match self.readout {
            Readout::Product => shape[..shape.len() - 1].to_vec(),
            _ => shape.clone(),
        }
    }

    /// `term`: that one alone.
    fn forward(&self, points: &Tensor, target: &Tensor, draw: Draw, term: Option<usize>) -> Tensor {
        let lanes = points.size()[0];
        let noisy = match draw {
            Draw::Step(step) if self.noise > 0.0 => {
                let mut stream = Stream::new("diagnose: noise", &[self.seed, step]);
                let noise: Vec<f64> =
                    (0..target.numel()).map(|_| self.noise * stream.normal()).collect();
                Some(target + Tensor::from_slice(&noise).reshape(target.size()).to_kind(target.kind()))
            }
            _ => None,
        };
        let target = noisy.as_ref().unwrap_or(target);
        if lanes == 1 || !self.side_by_side() {
            let values: Vec<Tensor> = (0..lanes)
                .map(|lane| {
                    let prediction = points.get(lane).reshape(&self.start.shape);
                    self.sum(&prediction, target, term, |loss| loss.mean(None::<Kind>)).reshape([1])
                })
                .collect();
            return Tensor::cat(&values, 0);
        }
        let prediction = points.reshape([&[lanes], &*self.start.shape].concat());
        self.sum(&prediction, &target.unsqueeze(0), term, |loss| {
            loss.flatten(1, -1).mean_dim(1, false, None::<Kind>)
        })
    }

    /// The weighted sum of the losses, each reduced by `mean`.
    fn sum(
        &self,
        prediction: &Tensor,
        target: &Tensor,
        term: Option<usize>,
        mean: impl Fn(&Tensor) -> Tensor,
    ) -> Tensor {
        let seen = match self.sees {
            Sees::Readout => read_out(self.readout, prediction),
            Sees::Prediction => prediction.shallow_clone(),
        };
        let chosen = self.terms.iter().enumerate().filter(|(i, _)| term.is_none_or(|term| term == *i));
        chosen
            .map(|(_, term)| {
                let value = mean(&term.loss.tensor(&seen, target));
                if term.weight == 1.0 { value } else { value * term.weight }
            })
            .reduce(|a, b| a + b)
            .expect("there is at least one loss")
    }

    /// √ mean (readout − target)², in float64. Equal counts are compared number by number, whatever the shapes.
    pub fn error(&self, point: &[f64]) -> f64 {
        let readout = self.read_out_numbers(point);
        let classes = self.terms.iter().any(|term| term.loss.targets() == Targets::Classes);
        let target = &self.target.values;
        let count = readout.len();
        let truth = |i: usize| match classes {
            // Classes lie along the last dimension of the readout, and are compared as one-hot vectors.
            true => {
                let width = count / target.len();
                f64::from(u8::from(target[i / width] == (i % width) as f64))
            }
            false => target[i % target.len()],
        };
        let squares = readout.iter().enumerate().map(|(i, value)| (value - truth(i)) * (value - truth(i)));
        (squares.sum::<f64>() / count as f64).sqrt()
    }

    /// The readout of a point.
    pub fn read_out_numbers(&self, point: &[f64]) -> Vec<f64> {
        let width = *self.start.shape.last().unwrap_or(&1) as usize;
        let each = |f: fn(f64) -> f64| point.iter().map(|p| f(*p)).collect();
        match self.readout {
            Readout::Identity => point.to_vec(),
            Readout::Sigmoid => each(|p| 1.0 / (1.0 + libm::exp(-p))),
            Readout::Relu => each(|p| if p > 0.0 || p.is_nan() { p } else { 0.0 }),
            Readout::Tanh => each(libm::tanh),
            Readout::Exp => each(libm::exp),
            Readout::Product => point.chunks(width).map(|pair| pair.iter().product()).collect(),
            Readout::Softmax => {
                let softmax = |row: &[f64]| {
                    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let powers: Vec<f64> = row.iter().map(|p| libm::exp(p - largest)).collect();
                    let sum: f64 = powers.iter().sum();
                    powers.into_iter().map(move |power| power / sum)
                };
                point.chunks(width).flat_map(softmax).collect()
            }
        }
    }

    /// The predictions whose readout is the target, where that can be said.
    pub fn solution(&self) -> Option<Vec<f64>> {
        if self.terms.iter().any(|term| term.loss.targets() == Targets::Classes) {
            return None;
        }
        let target = &self.target.values;
        let point: Vec<f64> = match self.readout {
            Readout::Identity | Readout::Relu => target.clone(),
            Readout::Sigmoid => target.iter().map(|y| libm::log(y / (1.0 - y))).collect(),
            Readout::Tanh => target.iter().map(|y| libm::atanh(*y)).collect(),
            Readout::Exp | Readout::Softmax => target.iter().map(|y| libm::log(*y)).collect(),
            Readout::Product => return None,
        };
        (point.len() == self.start.values.len() && point.iter().all(|p| p.is_finite())).then_some(point)
    }
}

pub(super) fn read_out(readout: Readout, prediction: &Tensor) -> Tensor {
    match readout {
        Readout::Identity => prediction.shallow_clone(),
        Readout::Sigmoid => prediction.sigmoid(),
        Readout::Softmax => prediction.softmax(-1, None::<Kind>),
        Readout::Relu => prediction.relu(),
        Readout::Tanh => prediction.tanh(),
        Readout::Exp => prediction.exp(),
        Readout::Product => {
            let last = prediction.dim() as i64 - 1;
            prediction.prod_dim_int(last, false, None::<Kind>)
        }
    }
}

/// The gradient of the sum of `value` by `leaf`; zeros where they have nothing to do with each other.
fn gradient(value: &Tensor, leaf: &Tensor, create_graph: bool) -> Tensor {
    let zero = || Tensor::zeros_like(leaf).detach();
    if !value.requires_grad() {
        return zero();
    }
    let sum = value.sum(None::<Kind>);
    let found = Tensor::run_backward(&[sum], &[leaf], create_graph, create_graph).swap_remove(0);
    if found.defined() { found } else { zero() }
}

/// A flat vector as the tensors `[1, …]` of a problem.
fn split(flat: &Tensor, shapes: &[Vec<i64>]) -> Vec<Tensor> {
    let mut first = 0;
    shapes
        .iter()
        .map(|shape| {
            let count = shape.iter().product();
            let part = flat.narrow(0, first, count).reshape(shape);
            first += count;
            part
        })
        .collect()
}

fn to_f64(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).expect("numbers")
}
