//! What is probed: a loss as a function of one flat vector of parameters.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use losses::Loss;
use problems::{Batch, Graph, Problem};
use records::Dtype;
use tch::{Device, Kind, Tensor};

use super::blocks::Blocks;
use super::fit::{FitModel, Ready};
use super::fused::Fused;
use super::graph::{Traced, bind, split, to_f64};
use crate::config::diagnose::Term;

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

/// A problem of the registry.
pub(super) struct ProblemModel {
    pub problem: Problem,
    pub loss: Option<Loss>,
    pub seed: u64,
}

enum Body {
    Fit {
        fit: Box<FitModel>,
        losses: Vec<Ready>,
        /// The sizes of the parameters that the losses have of their own, which are trained along.
        own: Vec<Vec<i64>>,
        target: Tensor,
        single: Option<Box<Fused<f32>>>,
        double: Option<Box<Fused<f64>>>,
    },
    Problem {
        steps: RefCell<Box<dyn Batch>>,
        frozen: RefCell<Box<dyn Batch>>,
        shapes: Vec<Vec<i64>>,
        period: u64,
        blocks: Blocks,
        minimisers: Vec<Vec<f64>>,
    },
}

/// A loss as a function of parameters, in one number type.
pub(super) struct Model {
    pub kind: Kind,
    pub start: Vec<f64>,
    body: Body,
    /// Gradient evaluations so far.
    pub evaluations: Cell<u64>,
    /// Whether the loss draws random numbers of its own: then a point's draws must not depend on its neighbours.
    random: Cell<bool>,
    /// The seed of its frozen draw.
    frozen: Cell<i64>,
    /// Whether TorchScript modules are in it, which may draw random numbers.
    modules: bool,
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
        let losses = fit.terms.iter().map(lanes).collect::<Result<Vec<Ready>, String>>()?;
        let of_losses = |loss: &Ready| -> Vec<Tensor> {
            loss.borrow_mut().modules().iter().flat_map(|modules| modules.start()).collect()
        };
        let own: Vec<Tensor> = losses.iter().flat_map(of_losses).collect();
        Ok(Self::new(
            kind,
            fit.start.values.iter().copied().chain(own.iter().flat_map(to_f64)).collect(),
            Body::Fit {
                fit: Box::new(fit.clone()),
                losses,
                own: own.iter().map(Tensor::size).collect(),
                target,
                single: if kind == Kind::Float { Fused::new(fit).map(Box::new) } else { None },
                double: if kind == Kind::Double { Fused::new(fit).map(Box::new) } else { None },
            },
            fit.reader.is_some() || fit.terms.iter().any(|term| !term.loss.files().is_empty()),
        ))
    }

    pub fn problem(problem: &ProblemModel, kind: Kind) -> Self {
        let ProblemModel { problem, loss, seed } = problem;
        let make = |problem: &Problem| problem.batch(&[*seed], loss.as_ref(), (kind, Device::Cpu));
        let (mut steps, frozen) = (make(problem), make(&whole(problem)));
        let parameters = steps.start();
        let shapes = parameters.iter().map(Tensor::size).collect();
        let start = parameters.iter().flat_map(to_f64).collect();
        Self::new(
            kind,
            start,
            Body::Problem {
                steps: steps.into(),
                frozen: frozen.into(),
                shapes,
                period: problem.error_period(),
                blocks: Blocks::new(problem, loss.as_ref(), *seed, kind),
                minimisers: problem.minimisers(),
            },
            !problem.files().is_empty() || loss.as_ref().is_some_and(|loss| !loss.files().is_empty()),
        )
    }

    fn new(kind: Kind, start: Vec<f64>, body: Body, modules: bool) -> Self {
        Self {
            modules,
            kind,
            start,
            body,
            evaluations: Cell::new(0),
            random: Cell::new(false),
            frozen: Cell::new(1),
            failure: RefCell::new(None),
        }
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

    /// How many free predictions there are: the first of the parameters, before those that the losses have of their
    /// own; 0 in a model.
    pub fn predictions(&self) -> usize {
        self.as_fit().map_or(0, |fit| fit.start.values.len())
    }

    /// Where the error is 0, as far as that is known; the nearest to the start of several such points.
    pub fn solution(&self) -> Option<Vec<f64>> {
        match &self.body {
            Body::Fit { fit, .. } => {
                let own = &self.start[self.predictions()..];
                fit.solution().map(|solution| [&*solution, own].concat())
            }
            Body::Problem { minimisers, .. } => {
                let away = |point: &Vec<f64>| super::setup::rms(point, &self.start);
                minimisers.iter().min_by(|a, b| away(a).total_cmp(&away(b))).cloned()
            }
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
            Body::Fit { fit, own, .. } => {
                [[&[1], &*fit.start.shape].concat()].into_iter().chain(own.iter().cloned()).collect()
            }
            Body::Problem { shapes, .. } => shapes.clone(),
        }
    }

    /// Whether the loss draws random numbers of its own.
    pub fn is_random(&self) -> bool {
        self.random.get()
    }

    /// Draws as another model of the same modules does.
    pub fn draw_like(&self, other: &Self) {
        if self.modules {
            self.random.set(other.random.get());
            self.frozen.set(other.frozen.get());
        }
    }

    /// Finds out whether draws differ though the config adds no noise; if so, the frozen draw is the one of a few
    /// whose gradient at the start is nearest to their mean.
    pub fn find_randomness(&self) -> bool {
        const DRAWS: usize = 16;
        if !self.modules || matches!(&self.body, Body::Fit { fit, .. } if fit.noise > 0.0) {
            return false;
        }
        let draws: Vec<(f64, Vec<f64>)> =
            (0..DRAWS).map(|step| self.at(&self.start, Draw::Step(step as u64))).collect();
        self.random.set(draws.iter().any(|draw| *draw != draws[0] && !draw.0.is_nan()));
        let mean = |i: usize| draws.iter().map(|draw| draw.1[i]).sum::<f64>() / DRAWS as f64;
        let mean: Vec<f64> = (0..self.size()).map(mean).collect();
        let off = |draw: usize| -> f64 {
            draws[draw].1.iter().zip(&mean).map(|(g, mean)| (g - mean) * (g - mean)).sum()
        };
        let nearest = (0..DRAWS).min_by(|a, b| off(*a).total_cmp(&off(*b))).unwrap_or(0);
        self.frozen.set(nearest as i64 + 1);
        self.random.get()
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
            Body::Problem { blocks, .. } if !blocks.exist() => 1,
            // A module holds the parameters of one lane.
            Body::Fit { own, .. } if !own.is_empty() => 1,
            _ if self.random.get() => 1,
            _ => (AT_ONCE / size).max(1),
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
                    let _own = self.seed(draw);
                    self.graph(chunk, draw, term).evaluate()
                })
                .unwrap_or_else(|| (vec![f64::NAN; lanes], vec![f64::NAN; lanes * size]));
            all.values.extend(values);
            all.gradients.extend(gradients);
        }
        all
    }

    /// Randomness inside a module comes from libtorch's one generator: a draw is a seed of it, and nobody else may
    /// draw meanwhile.
    fn seed(&self, draw: Draw) -> Option<MutexGuard<'static, ()>> {
        static GENERATOR: Mutex<()> = Mutex::new(());
        if !self.modules {
            return None;
        }
        let own = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
        tch::manual_seed(match draw {
            Draw::Frozen => self.frozen.get(),
            Draw::Step(step) => step as i64 + 1,
        });
        Some(own)
    }

    /// Rates between two powers of ten, for a sweep; fewer where an evaluation is dear.
    pub fn grid(&self, from: i32, to: i32) -> Vec<f64> {
        let each = match self.is_fused() {
            _ if self.size() > 20_000 || self.random.get() => 1,
            true => 3,
            false => 2,
        };
        (from * each..=to * each).map(|k| libm::pow(10.0, f64::from(k) / f64::from(each))).collect()
    }

    /// The most steps of a run in such a sweep.
    pub fn most_in_a_grid(&self) -> u64 {
        match self.size() {
            0..=1000 if self.is_fused() => 1000,
            0..=20_000 => 300,
            _ => 60,
        }
    }

    fn is_fused(&self) -> bool {
        match &self.body {
            Body::Fit { single, double, .. } => single.is_some() || double.is_some(),
            Body::Problem { blocks, .. } => blocks.exist(),
        }
    }

    /// The same in fused loops, where there are any.
    fn fused(&self, points: &[f64], draw: Draw, term: Option<usize>) -> Option<Evaluated> {
        let (fit, single, double) = match &self.body {
            Body::Fit { fit, single, double, .. } => (fit, single, double),
            Body::Problem { blocks, .. } if term.is_none() => {
                let step = if let Draw::Step(step) = draw { Some(step) } else { None };
                return blocks.evaluate(points, self.size(), step);
            }
            Body::Problem { .. } => return None,
        };
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
        let _own = self.seed(Draw::Frozen);
        let names = self.guarded(|| match &self.body {
            Body::Fit { fit, .. } if fit.terms.len() > 1 => {
                fit.terms.iter().map(|term| term.name.clone()).collect()
            }
            Body::Fit { fit, losses, target, .. } => {
                let start = fit.start.tensor(self.kind).unsqueeze(0);
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
            let _own = self.seed(Draw::Frozen);
            let graph = self.graph(point, Draw::Frozen, None);
            let slopes = graph.gradients(&graph.value, Graph::Extend)?;
            let mut first = 0;
            let product = |slope: &Tensor| {
                let own = &vector[first..first + slope.numel()];
                first += slope.numel();
                (slope * Tensor::from_slice(own).reshape(slope.size()).to_kind(self.kind)).sum(None::<Kind>)
            };
            let product = slopes.iter().map(product).reduce(|a, b| a + b)?;
            Some(graph.gradients(&product, Graph::Spend)?.iter().flat_map(to_f64).collect())
        })
        .flatten()
    }

    fn graph(&self, points: &[f64], draw: Draw, term: Option<usize>) -> Traced<'_> {
        let all = Tensor::from_slice(points).to_kind(self.kind);
        match &self.body {
            Body::Fit { fit, losses, own, target, .. } => {
                let lanes = (points.len() / self.size()) as i64;
                let predictions = self.predictions() as i64;
                let shape = [&[lanes], &*fit.start.shape].concat();
                let leaf = all.narrow(0, 0, lanes * predictions).reshape(shape).set_requires_grad(true);
                let mut leaves = vec![leaf.shallow_clone()];
                if !own.is_empty() {
                    let rest = all.narrow(0, predictions, all.numel() as i64 - predictions);
                    leaves.extend(bind(losses, &split(&rest, own)));
                }
                let line = fit.line.as_ref().map(|x| {
                    let x = Tensor::from_slice(x).to_kind(self.kind).unsqueeze(0);
                    leaf.narrow(1, 0, 1) * x + leaf.narrow(1, 1, 1)
                });
                let value = fit.forward(line.as_ref().unwrap_or(&leaf), losses, target, draw, term);
                Traced { leaves, value, modules: None }
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
                Traced { leaves, value, modules: Some(batch) }
            }
        }
    }

    /// The errors at points that lie one after another.
    pub fn errors(&self, points: &[f64]) -> Vec<f64> {
        let size = self.size();
        let run = || {
            let _guard = tch::no_grad_guard();
            match &self.body {
                Body::Fit { fit, .. } => fit.errors(points, size),
                Body::Problem { blocks, .. } if blocks.exist() => blocks.errors(points, size),
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
                let first = losses::reason(&message);
                self.failure.borrow_mut().get_or_insert(first);
                None
            }
        }
    }
}

/// The problem with its whole data in one batch, and without noise.
fn whole(problem: &Problem) -> Problem {
    match problem {
        Problem::Noisy(noisy) => whole(&noisy.problem),
        Problem::DigitsMlp(model) => Problem::DigitsMlp(problems::DigitsMlp { batch: 1437, ..model.clone() }),
        Problem::DigitsAutoencoder(model) => {
            Problem::DigitsAutoencoder(problems::DigitsAutoencoder { batch: 1437, ..model.clone() })
        }
        Problem::TorchScript(model) => {
            let mut model = model.clone();
            model.batch = 0;
            Problem::TorchScript(model)
        }
        other => other.clone(),
    }
}
