//! The libtorch engine: autograd computes the gradients of all lanes at once, and on the CPU the fused
//! stepper applies them in one pass.

use losses::Term;
use numeric::panics::guarded;
use numeric::slices::{slice, slice_mut};
use numeric::{Float, LANES, Row, rows};
use optimizers::{Clip, Optimizer, Oracle, Stepper, TensorStepper};
use problems::{Draw, Graph, first_derivatives_only};
use rayon::prelude::*;
use tch::{Kind, Tensor};

use super::recorder::{Ended, ErrorStatistic, LaneResult, Observation, Recorder};
use super::terms::Terms;
use super::{LrState, Observed, Observer, Recorded, Training};
use config::plan::Lane;

/// Errors come as they are.
struct Identity;

impl<F: Float> ErrorStatistic<F> for Identity {
    fn error(&self, raw_error: F) -> F {
        raw_error
    }
    fn raw_error(&self, error: F) -> F {
        error
    }
}

/// Runs the lanes together, or in groups beside each other where they are more than the objective wants. A group that
/// panics is an outcome of its lanes.
pub(super) fn run<F: Float>(training: &Training, observer: Observer) -> Vec<LaneResult> {
    let group = training.objective.max_lanes();
    if observer.is_some() || training.lanes.len() <= group {
        return run_group::<F>(training, 0, observer);
    }
    let run = |(number, lanes): (usize, &[Lane])| {
        let own = Training { lanes, ..*training };
        guarded(|| run_group::<F>(&own, number * group, None)).unwrap_or_else(|message| own.failed(&message))
    };
    let groups: Vec<_> = training.lanes.par_chunks(group).enumerate().map(run).collect();
    groups.into_iter().flatten().collect()
}

/// Runs lanes of which `first` come before them.
fn run_group<F: Float>(training: &Training, first: usize, mut observer: Observer) -> Vec<LaneResult> {
    let (settings, optimizer) = (training.settings, training.optimizer);
    let lanes = training.lanes.len();
    let seeds: Vec<u64> = training.lanes.iter().map(|lane| lane.seed).collect();
    let mut problem = training.objective.tensors(&seeds, F::KIND);
    let mut parameters: Vec<Tensor> =
        problem.start().into_iter().map(|start| start.set_requires_grad(true)).collect();
    if let Some(start) = training.start {
        move_to::<F>(&mut parameters, lanes, |lane, element| start(first + lane, element));
    }
    problem.set_training(true);
    let start: Vec<Tensor> = parameters.iter().map(|p| p.detach().copy()).collect();
    let mut update = Update::<F>::new(optimizer, lanes, &parameters);
    let base = training.lanes.iter().map(|lane| lane.lr).collect();
    let mut rates = LrState::new(training.schedule, base, settings.steps);
    let clip = optimizer.clip();
    let mut recorder = Recorder::new(lanes, settings, training.until);
    let mut recorded = Recorded::new(&settings.record);
    let period = training.objective.error_period();
    // Those of the last evaluation.
    let mut errors = Vec::new();
    let mut ended = Vec::new();
    // What the optimizer evaluates besides the gradient of the step.
    let mut extra = vec![0; lanes];
    let mut step = 0;
    let mut loss_rows;
    loop {
        let draw = training.draw(step);
        let loss = problem.loss(draw, &parameters);
        let losses: Vec<f64> = Vec::try_from(loss.to_kind(Kind::Double)).expect("a loss for each lane");
        assert_eq!(losses.len(), lanes, "the loss must be one number for each lane");
        let due = recorded.has(step);
        let last = step == recorder.last();
        let needed = !last || !settings.record.is_empty();
        let mut gradients =
            if needed { problem.gradients(&loss, &parameters, Graph::Spend) } else { Vec::new() };
        let measured = last || step % period == 0;
        if measured {
            errors = error_rows(&mut *problem, &update, &parameters);
        }
        loss_rows = to_rows::<F>(&losses);
        let seen = Observation { step, measured, loss: &loss_rows, raw_error: &errors };
        recorder.observe(seen, &Identity, &mut ended);
        // Between two evaluations of the error, curves and lanes that have just ended have one of their own, which
        // decides nothing.
        let extra_errors = (!measured && (due || !ended.is_empty()))
            .then(|| error_rows::<F>(&mut *problem, &update, &parameters));
        let seen = Observation { raw_error: extra_errors.as_ref().unwrap_or(&errors), ..seen };
        if !measured {
            recorder.amend(seen, &ended, &Identity);
        }
        let stopped = observer.as_mut().is_some_and(|observer| {
            let parameters = lane_of(&parameters, 0);
            let (loss, error) = (losses[0], seen.raw_error[0][0].to_f64());
            observer(&Observed { step, loss, error, parameters: &parameters }).is_break()
        });
        rates.advance();
        if due || !(ended.is_empty() || settings.record.is_empty()) {
            let terms = if training.terms { problem.terms(draw, &parameters) } else { Vec::new() };
            if !terms.is_empty() {
                recorder.record_terms(step, due, &accounts(&mut *problem, &terms, &parameters));
            }
            let norms = to_rows::<F>(&norms(&gradients));
            recorder.record(seen, due, &norms, &Identity, |lane| rates.current[lane]);
        }
        if step == recorder.last() || stopped {
            break;
        }
        for Ended { lane, diverged } in ended.drain(..) {
            rates.stop(lane);
            if !diverged {
                continue;
            }
            let _guard = tch::no_grad_guard();
            for ((p, start), g) in parameters.iter().zip(&start).zip(&gradients) {
                p.get(lane as i64).copy_(&start.get(lane as i64));
                let _ = g.get(lane as i64).zero_();
            }
            update.reset(lane);
        }
        if recorder.is_over() {
            break;
        }
        if let Some(clip) = &clip {
            clip.tensors(&mut gradients);
        }
        let mut oracle =
            CountingOracle { problem: &mut *problem, draw, loss: loss.detach(), clip, extra: &mut extra };
        update.step(&rates.current, &mut parameters, &gradients, &mut oracle);
        recorder.charge(&extra);
        extra.fill(0);
        rates.listen(|lane| losses[lane]);
        step += 1;
    }
    let mut results = recorder
        .finish(Observation { step, measured: true, loss: &loss_rows, raw_error: &errors }, &Identity);
    if training.ends {
        let ends = update.eval_params(&parameters).unwrap_or(parameters);
        for (lane, result) in results.iter_mut().enumerate() {
            result.end = lane_of(&ends, lane);
        }
    }
    results
}

/// Moves lanes to where they are to start.
fn move_to<F: Float>(parameters: &mut [Tensor], lanes: usize, place: impl Fn(usize, usize) -> Option<f64>) {
    let mut first = 0;
    for parameter in parameters {
        let values = slice_mut::<F>(parameter);
        let size = values.len() / lanes;
        for (lane, own) in values.chunks_exact_mut(size).enumerate() {
            for (element, value) in own.iter_mut().enumerate() {
                if let Some(start) = place(lane, first + element) {
                    *value = F::from_f64(start);
                }
            }
        }
        first += size;
    }
}

/// The error of every lane, where the optimizer's answer is.
fn error_rows<F: Float>(
    problem: &mut dyn problems::TensorProblem,
    update: &Update<F>,
    parameters: &[Tensor],
) -> Vec<Row<F>> {
    problem.set_training(false);
    let errors = match update.eval_params(parameters) {
        Some(answer) => problem.error(&answer),
        None => problem.error(parameters),
    };
    problem.set_training(true);
    to_rows(&errors)
}

/// The parameters of a lane, one tensor after the other.
fn lane_of(parameters: &[Tensor], lane: usize) -> Vec<f64> {
    let of = |p: &Tensor| {
        Vec::try_from(p.detach().get(lane as i64).to_kind(Kind::Double).flatten(0, -1)).expect("a vector")
    };
    parameters.iter().flat_map(|p| -> Vec<f64> { of(p) }).collect()
}

/// The terms of the lanes' losses.
fn accounts(problem: &mut dyn problems::TensorProblem, terms: &[Term], parameters: &[Tensor]) -> Terms {
    let numbers = |tensor: &Tensor| {
        Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double)).expect("a number for each lane")
    };
    // All terms come from one forward pass, whose graph each of them needs.
    let gradients: Vec<Vec<Tensor>> =
        terms.iter().map(|term| problem.gradients(&term.value, parameters, Graph::Keep)).collect();
    let product = |i: usize, j: usize| {
        let pairs = gradients[i].iter().zip(&gradients[j]);
        let products = pairs.map(|(a, b)| {
            let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
            (a * b).flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, None::<Kind>)
        });
        numbers(&products.reduce(|a, b| a + b).expect("a problem has parameters"))
    };
    let names = terms.iter().map(|term| term.name.as_str().into()).collect();
    Terms::new(names, terms.iter().map(|term| numbers(&term.value)).collect(), product)
}

/// The Euclidean norm of every lane's gradient over all parameters.
fn norms(gradients: &[Tensor]) -> Vec<f64> {
    let squares = gradients.iter().map(|g| {
        g.to_kind(Kind::Double).square().flatten(1, -1).sum_dim_intlist(
            [1i64].as_slice(),
            false,
            None::<Kind>,
        )
    });
    let sum = squares.reduce(|a, b| a + b).expect("a problem has parameters");
    Vec::try_from(sum.sqrt()).expect("a norm for each lane")
}

fn to_rows<F: Float>(values: &[f64]) -> Vec<Row<F>> {
    let mut rows = vec![rows::zero::<F>(); rows::chunks(values.len())];
    for (lane, value) in values.iter().enumerate() {
        rows[lane / LANES][lane % LANES] = F::from_f64(*value);
    }
    rows
}

/// What an optimizer asks of the problem during a step.
struct CountingOracle<'a> {
    problem: &'a mut dyn problems::TensorProblem,
    draw: Draw,
    loss: Tensor,
    clip: Option<Clip>,
    /// The evaluations that each lane has asked for.
    extra: &'a mut [u64],
}

/// The same numbers as leaves of a new graph.
fn leaves(points: &[Tensor]) -> Vec<Tensor> {
    points.iter().map(|point| point.detach().copy().set_requires_grad(true)).collect()
}

impl Oracle for CountingOracle<'_> {
    fn loss(&self) -> Tensor {
        self.loss.shallow_clone()
    }

    fn evaluate(&mut self, points: &[Tensor], asking: &[bool]) -> (Tensor, Vec<Tensor>) {
        self.extra.iter_mut().zip(asking).for_each(|(extra, asks)| *extra += u64::from(*asks));
        tch::with_grad(|| {
            let points = leaves(points);
            let loss = self.problem.loss(self.draw, &points);
            let mut gradients = self.problem.gradients(&loss, &points, Graph::Spend);
            if let Some(clip) = &self.clip {
                clip.tensors(&mut gradients);
            }
            (loss.detach(), gradients)
        })
    }

    fn hessian_product(&mut self, points: &[Tensor], directions: &[Tensor]) -> Vec<Tensor> {
        self.extra.iter_mut().for_each(|extra| *extra += 1);
        tch::with_grad(|| {
            let points = leaves(points);
            let before = first_derivatives_only();
            let loss = self.problem.loss(self.draw, &points);
            assert!(
                before == first_derivatives_only(),
                "this optimizer needs second derivatives, and what is evaluated in Python has only first ones: use an \
                 optimizer that needs the gradient alone, or change the code so that it can be exported"
            );
            let gradients = self.problem.gradients(&loss, &points, Graph::Extend);
            // Σ g·v over all lanes: its gradient is H·v, lane by lane.
            let along = gradients.iter().zip(directions).map(|(g, v)| (g * v).sum(None::<Kind>));
            let along = along.reduce(|a, b| a + b).expect("a problem has parameters");
            if !along.requires_grad() {
                // A loss of straight pieces has no curvature.
                return points.iter().map(|point| point.zeros_like().detach()).collect();
            }
            self.problem.gradients(&along, &points, Graph::Spend)
        })
    }
}

/// The steppers of a parameter.
struct Steppers<F> {
    /// The rows of a lane.
    rows: usize,
    of_lane: Vec<Box<dyn Stepper<F>>>,
}

/// How gradients are applied.
enum Update<F> {
    /// In one pass over memory.
    Fused(Vec<Steppers<F>>),
    /// By libtorch's operations, for what has no fused form.
    Tensors(Box<dyn TensorStepper>),
}

impl<F: Float> Update<F> {
    fn new(optimizer: &Optimizer, lanes: usize, parameters: &[Tensor]) -> Self {
        let of = |parameter: &Tensor| {
            let rows = rows::chunks(parameter.numel() / lanes);
            let steppers = (0..lanes).map(|_| optimizer.stepper::<F>(rows)).collect::<Option<Vec<_>>>();
            steppers.map(|of_lane| Steppers { rows, of_lane })
        };
        match parameters.iter().map(of).collect() {
            Some(steppers) => Self::Fused(steppers),
            None => Self::Tensors(optimizer.tensor()),
        }
    }

    fn step(&mut self, lr: &[f64], parameters: &mut [Tensor], gradients: &[Tensor], oracle: &mut dyn Oracle) {
        match self {
            Self::Tensors(stepper) => {
                let lr = Tensor::from_slice(lr).to_kind(F::KIND);
                stepper.step_with(&lr, parameters, gradients, oracle);
            }
            Self::Fused(steppers) => {
                for ((parameter, gradient), steppers) in parameters.iter_mut().zip(gradients).zip(steppers) {
                    let size = parameter.numel() / lr.len();
                    let (p, g) = (slice_mut::<F>(parameter), slice::<F>(gradient));
                    for (((p, g), stepper), lr) in
                        p.chunks_exact_mut(size).zip(g.chunks_exact(size)).zip(&mut steppers.of_lane).zip(lr)
                    {
                        stepper.step_slice(F::from_f64(*lr), p, g);
                    }
                }
            }
        }
    }

    /// Where the error is measured, if not at the parameters.
    fn eval_params(&self, parameters: &[Tensor]) -> Option<Vec<Tensor>> {
        match self {
            Self::Tensors(stepper) => stepper.eval_params(parameters),
            Self::Fused(_) => None,
        }
    }

    /// Puts a lane's state back to the start.
    fn reset(&mut self, lane: usize) {
        // The state of libtorch's operations stays as it is: its lane has ended, and lanes don't touch.
        if let Self::Fused(steppers) = self {
            for Steppers { rows, of_lane } in steppers {
                (0..LANES).for_each(|place| of_lane[lane].reset(0, *rows, place));
            }
        }
    }
}
