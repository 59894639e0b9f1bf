//! What is probed: a loss as a function of one flat vector of parameters.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use analysis::records::Dtype;
use losses::{Lanes, Loss, Targets, mean_of_lanes};
use numeric::Stream;
use problems::{Batch, Problem};
use tch::{Device, Kind, Tensor};

use super::fused::Fused;
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
    /// What is made of the losses' values.
    pub shape: Shape,
    /// Draws of the noise that a step takes the mean of.
    pub draws: u64,
    /// A straight line instead of free predictions: prediction = w·x + b at these x.
    pub line: Option<Vec<f64>>,
}

/// Another loss, made from a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// As it is.
    Plain,
    /// log(1 + (ℓ − least)/scale)
    Log1p { least: f64, scale: f64 },
    /// (ℓ − least)^exponent
    Power { least: f64, exponent: f64, eps: f64 },
    /// (ℓ(d) + ℓ(−d))/2
    Even,
    /// The same, plus |ℓ(d) − ℓ(−d)|/2
    Folded,
}

/// A problem of the registry.
pub(super) struct ProblemModel {
    pub problem: Problem,
    pub loss: Option<Loss>,
    pub seed: u64,
}

enum Body {
    Fit {
        fit: FitModel,
        losses: Vec<RefCell<Box<dyn Lanes>>>,
        target: Tensor,
        single: Option<Fused<f32>>,
        double: Option<Fused<f64>>,
    },
    Problem {
        steps: RefCell<Box<dyn Batch>>,
        frozen: RefCell<Box<dyn Batch>>,
        shapes: Vec<Vec<i64>>,
        period: u64,
    },
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
    pub fn fit(fit: &FitModel, kind: Kind) -> Result<Self, String> {
        let target = fit.target.tensor(if fit.has_classes() { Kind::Int64 } else { kind });
        let lanes = |term: &Term| Ok(RefCell::new(term.loss.lanes(1, (kind, Device::Cpu))?));
        let losses = fit.terms.iter().map(lanes).collect::<Result<_, String>>()?;
        Ok(Self::new(
            kind,
            fit.start.values.clone(),
            Body::Fit {
                fit: fit.clone(),
                losses,
                target,
                single: if kind == Kind::Float { Fused::new(fit) } else { None },
                double: if kind == Kind::Double { Fused::new(fit) } else { None },
            },
        ))
    }

    pub fn problem(problem: &ProblemModel, kind: Kind) -> Self {
        let ProblemModel { problem, loss, seed } = problem;
        let make = |problem: &Problem| problem.batch(&[*seed], loss.as_ref(), (kind, Device::Cpu));
        let (mut steps, frozen) = (make(problem), make(&whole(problem)));
        let parameters = steps.start();
        let shapes = parameters.iter().map(Tensor::size).collect();
        let start = parameters.iter().flat_map(|p| to_f64(p)).collect();
        Self::new(
            kind,
            start,
            Body::Problem {
                steps: steps.into(),
                frozen: frozen.into(),
                shapes,
                period: problem.error_period(),
            },
        )
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
            Body::Fit { fit, .. } => Some(fit),
            Body::Problem { .. } => None,
        }
    }

    /// The error costs more than a step where it is over other data: it is taken every so many steps.
    pub fn error_period(&self) -> u64 {
        match &self.body {
            Body::Fit { .. } => 1,
            Body::Problem { period, .. } => *period,
        }
    }

    /// The sizes of the parameter tensors, which some optimizers treat one by one.
    pub fn tensors(&self) -> Vec<Vec<i64>> {
        match &self.body {
            Body::Fit { fit, .. } => vec![[&[1], &*fit.start.shape].concat()],
            Body::Problem { shapes, .. } => shapes.clone(),
        }
    }

    /// Values and gradients at points that lie one after another.
    pub fn evaluate(&self, points: &[f64], draw: Draw) -> Evaluated {
        self.evaluate_term(points, draw, None)
    }

    /// The same for one of the losses that are added, with its weight.
    pub fn evaluate_term(&self, points: &[f64], draw: Draw, term: Option<usize>) -> Evaluated {
        let size = self.size();
        let mut all = Evaluated { values: Vec::new(), gradients: Vec::with_capacity(points.len()) };
        let at_once = match &self.body {
            Body::Fit { .. } => (AT_ONCE / size).max(1),
            Body::Problem { .. } => 1,
        };
        for chunk in points.chunks(size * at_once) {
            let lanes = chunk.len() / size;
            self.evaluations.set(self.evaluations.get() + lanes as u64);
            if let Some(evaluated) = self.fused(chunk, draw, term) {
                all.values.extend(evaluated.values);
                all.gradients.extend(evaluated.gradients);
                continue;
            }
            let (values, gradients) = self
                .guarded(|| {
                    // Randomness inside a module comes from libtorch's one generator: a draw is a seed of it.
                    tch::manual_seed(match draw {
                        Draw::Frozen => 0,
                        Draw::Step(step) => step as i64 + 1,
                    });
                    self.graph(chunk, draw, term).evaluate()
                })
                .unwrap_or_else(|| (vec![f64::NAN; lanes], vec![f64::NAN; lanes * size]));
            all.values.extend(values);
            all.gradients.extend(gradients);
        }
        all
    }

    /// The same in fused loops, where there are any.
    fn fused(&self, points: &[f64], draw: Draw, term: Option<usize>) -> Option<Evaluated> {
        let Body::Fit { fit, single, double, .. } = &self.body else { return None };
        if term.is_some() && fit.terms.len() < 2 {
            return None;
        }
        let noise = match draw {
            Draw::Step(step) if fit.noise > 0.0 => Some(fit.noise_of(step)),
            _ => None,
        };
        match (single, double) {
            (Some(fused), _) => Some(fused.evaluate(points, self.size(), noise.as_deref(), term)),
            (None, Some(fused)) => Some(fused.evaluate(points, self.size(), noise.as_deref(), term)),
            (None, None) => None,
        }
    }

    /// The names of the terms that the loss is put together of; none where there is but one.
    pub fn term_names(&self) -> Vec<String> {
        let names = self.guarded(|| match &self.body {
            Body::Fit { fit, .. } if fit.terms.len() > 1 => {
                fit.terms.iter().map(|term| term.name.clone()).collect()
            }
            Body::Fit { fit, losses, target, .. } => {
                let shape = [&[1], &*fit.start.shape].concat();
                let start = Tensor::from_slice(&self.start).to_kind(self.kind).reshape(shape);
                let terms = losses[0].borrow_mut().terms(&fit.seen(&start), &target.unsqueeze(0));
                terms.into_iter().map(|term| term.name).collect()
            }
            Body::Problem { frozen, shapes, .. } => {
                let start = Tensor::from_slice(&self.start).to_kind(self.kind);
                let terms = frozen.borrow_mut().terms(0, &split(&start, shapes));
                terms.into_iter().map(|term| term.name).collect()
            }
        });
        names.unwrap_or_default()
    }

    /// The Hessian at a point times a vector, by double backward; `None` where the gradient has no graph.
    pub fn hessian_times(&self, point: &[f64], vector: &[f64]) -> Option<Vec<f64>> {
        self.evaluations.set(self.evaluations.get() + 2);
        self.guarded(|| {
            let graph = self.graph(point, Draw::Frozen, None);
            let slopes = autograd(&graph.value, &graph.leaves, true)?;
            let mut first = 0;
            let product = |slope: &Tensor| {
                let own = &vector[first..first + slope.numel()];
                first += slope.numel();
                (slope * Tensor::from_slice(own).reshape(slope.size()).to_kind(self.kind)).sum(None::<Kind>)
            };
            let product = slopes.iter().map(product).reduce(|a, b| a + b)?;
            if !product.requires_grad() {
                return None;
            }
            Some(autograd(&product, &graph.leaves, false)?.iter().flat_map(to_f64).collect())
        })
        .flatten()
    }

    fn graph(&self, points: &[f64], draw: Draw, term: Option<usize>) -> Graph<'_> {
        let all = Tensor::from_slice(points).to_kind(self.kind);
        match &self.body {
            Body::Fit { fit, losses, target, .. } => {
                let lanes = (points.len() / self.size()) as i64;
                let shape = [&[lanes], &*fit.start.shape].concat();
                let leaf = all.reshape(shape).set_requires_grad(true);
                let line = fit.line.as_ref().map(|x| {
                    let x = Tensor::from_slice(x).to_kind(self.kind).unsqueeze(0);
                    leaf.narrow(1, 0, 1) * x + leaf.narrow(1, 1, 1)
                });
                let value = fit.forward(line.as_ref().unwrap_or(&leaf), losses, target, draw, term);
                Graph { leaves: vec![leaf], value, modules: None }
            }
            Body::Problem { steps, frozen, shapes, .. } => {
                let (batch, step) = match draw {
                    Draw::Step(step) => (steps, step),
                    Draw::Frozen => (frozen, 0),
                };
                let leaves: Vec<Tensor> =
                    split(&all, shapes).into_iter().map(|leaf| leaf.copy().set_requires_grad(true)).collect();
                let mut run = batch.borrow_mut();
                let value = match term {
                    Some(term) => run.terms(step, &leaves).swap_remove(term).value,
                    None => run.loss(step, &leaves),
                };
                drop(run);
                Graph { leaves, value, modules: Some(batch) }
            }
        }
    }

    /// The errors at points that lie one after another.
    pub fn errors(&self, points: &[f64]) -> Vec<f64> {
        let size = self.size();
        let run = || {
            let _guard = tch::no_grad_guard();
            match &self.body {
                Body::Fit { fit, .. } => points.chunks(size).map(|point| fit.error(point)).collect(),
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

    /// Value and gradient at one point.
    pub fn at(&self, point: &[f64], draw: Draw) -> (f64, Vec<f64>) {
        let evaluated = self.evaluate(point, draw);
        (evaluated.values[0], evaluated.gradients)
    }

    /// The error at one point.
    pub fn error(&self, point: &[f64]) -> f64 {
        self.errors(point)[0]
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

/// Losses as a graph over their parameters.
struct Graph<'a> {
    leaves: Vec<Tensor>,
    /// `[lanes]`
    value: Tensor,
    /// Who knows the parameters that modules hold.
    modules: Option<&'a RefCell<Box<dyn Batch>>>,
}

impl Graph<'_> {
    fn evaluate(&self) -> (Vec<f64>, Vec<f64>) {
        let slopes = match self.modules {
            Some(batch) if self.value.requires_grad() => {
                batch.borrow_mut().gradients(&self.value, &self.leaves, false)
            }
            _ => autograd(&self.value, &self.leaves, false)
                .unwrap_or_else(|| self.leaves.iter().map(|leaf| leaf.zeros_like().detach()).collect()),
        };
        (to_f64(&self.value), slopes.iter().flat_map(to_f64).collect())
    }
}

/// The gradients of the sum of `value`, zeros where a leaf has nothing to do with it; `None` where nothing has.
fn autograd(value: &Tensor, leaves: &[Tensor], create_graph: bool) -> Option<Vec<Tensor>> {
    if !value.requires_grad() {
        return None;
    }
    let found = Tensor::run_backward(&[value.sum(None::<Kind>)], leaves, create_graph, create_graph);
    let fill = |(gradient, leaf): (Tensor, &Tensor)| {
        // libtorch has zeros without memory, too, which can't be read.
        let real = gradient.defined() && !gradient.data_ptr().is_null();
        if real { gradient } else { leaf.zeros_like().detach() }
    };
    Some(found.into_iter().zip(leaves).map(fill).collect())
}

impl FitModel {
    fn has_classes(&self) -> bool {
        self.terms.iter().any(|term| term.loss.targets() == Targets::Classes)
    }

    /// The shape of what is compared with the target.
    pub fn readout_shape(&self) -> Vec<i64> {
        let shape = &self.start.shape;
        match self.readout {
            Readout::Product => shape[..shape.len() - 1].to_vec(),
            _ => shape.clone(),
        }
    }

    /// The losses `[lanes]` of predictions `[lanes, …]`; `term`: of that one alone.
    fn forward(
        &self,
        prediction: &Tensor,
        losses: &[RefCell<Box<dyn Lanes>>],
        target: &Tensor,
        draw: Draw,
        term: Option<usize>,
    ) -> Tensor {
        let seen = self.seen(prediction);
        let step = match draw {
            Draw::Step(step) if self.noise > 0.0 => step,
            _ => return self.reduced(&seen, losses, &target.unsqueeze(0), term),
        };
        let draws = self.draws as i64;
        let noise = self.noise_of(step);
        let shape = [&[draws], &*target.size()].concat();
        let noisy = target + Tensor::from_slice(&noise).reshape(&shape).to_kind(target.kind());
        // Every lane meets the same draws, which lie side by side as lanes do.
        let lanes = seen.size()[0];
        let seen = seen.repeat_interleave_self_int(draws, 0, None);
        let repeats: Vec<i64> = [lanes].into_iter().chain(target.size().iter().map(|_| 1)).collect();
        let values = self.reduced(&seen, losses, &noisy.repeat(&repeats), term);
        values.reshape([lanes, draws]).mean_dim(1, false, None::<Kind>)
    }

    /// What is added to the targets at a step.
    fn noise_of(&self, step: u64) -> Vec<f64> {
        let mut stream = Stream::new("diagnose: noise", &[self.seed, step]);
        let count = self.draws as usize * self.target.values.len();
        (0..count).map(|_| self.noise * stream.normal()).collect()
    }

    /// What the loss is handed.
    fn seen(&self, prediction: &Tensor) -> Tensor {
        match self.sees {
            Sees::Readout => read_out(self.readout, prediction),
            Sees::Prediction => prediction.shallow_clone(),
        }
    }

    /// The weighted sum of the losses, reshaped and reduced.
    fn reduced(
        &self,
        seen: &Tensor,
        losses: &[RefCell<Box<dyn Lanes>>],
        target: &Tensor,
        term: Option<usize>,
    ) -> Tensor {
        let lanes = seen.size()[0];
        // Shapes that differ broadcast into one another, and lanes would too.
        let apart =
            lanes > 1 && !self.has_classes() && self.line.is_none() && self.seen_shape() != self.target.shape;
        let one_loss = |loss: &RefCell<Box<dyn Lanes>>, seen: &Tensor| {
            let mut loss = loss.borrow_mut();
            if apart {
                let one = |lane| mean_of_lanes(&loss.values(&seen.narrow(0, lane, 1), target));
                return Tensor::cat(&(0..lanes).map(one).collect::<Vec<_>>(), 0);
            }
            loss.values(seen, target)
        };
        let sum = |seen: &Tensor| {
            // A single loss may know terms of its own.
            if let (Some(term), [only]) = (term, losses) {
                return only.borrow_mut().terms(seen, target).swap_remove(term).value;
            }
            let chosen =
                losses.iter().zip(&self.terms).enumerate().filter(|(i, _)| term.is_none_or(|t| t == *i));
            let weighted = |(_, (loss, term)): (usize, (&RefCell<Box<dyn Lanes>>, &Term))| {
                let values = one_loss(loss, seen);
                // Several terms may differ in shape; each has its own mean.
                let values = if self.terms.len() > 1 { mean_of_lanes(&values) } else { values };
                if term.weight == 1.0 { values } else { values * term.weight }
            };
            chosen.map(weighted).reduce(|a, b| a + b).expect("there is at least one loss")
        };
        let mirrored = || sum(&(target * 2.0 - seen));
        let values = match self.shape {
            Shape::Plain => sum(seen),
            Shape::Log1p { least, scale } => ((sum(seen) - least) / scale).log1p(),
            Shape::Power { least, exponent, eps } => {
                ((sum(seen) - least).clamp_min(0.0) + eps).pow_tensor_scalar(exponent)
            }
            Shape::Even => (sum(seen) + mirrored()) * 0.5,
            Shape::Folded => {
                let (here, there) = (sum(seen), mirrored());
                (&here + &there) * 0.5 + (here - there).abs() * 0.5
            }
        };
        mean_of_lanes(&values)
    }

    /// The shape of what the loss is handed.
    pub fn seen_shape(&self) -> Vec<i64> {
        match self.sees {
            Sees::Readout => self.readout_shape(),
            Sees::Prediction => self.start.shape.clone(),
        }
    }

    /// √ mean (readout − target)², in float64. Equal counts are compared number by number, whatever the shapes.
    pub fn error(&self, point: &[f64]) -> f64 {
        if let Some(x) = &self.line {
            // The target of a line is a line, through its first and last point.
            let y = &self.target.values;
            let w = (y[y.len() - 1] - y[0]) / (x[x.len() - 1] - x[0]);
            return (point[0] - w).abs().max((point[1] - (y[0] - w * x[0])).abs());
        }
        let readout = self.read_out_numbers(point);
        let classes = self.has_classes();
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
        if self.has_classes() {
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
