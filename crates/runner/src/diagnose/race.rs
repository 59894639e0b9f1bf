//! Training runs side by side, each with an optimizer and a learning rate of its own.

use numeric::Float;
use optimizers::schedules::{Factors, Observer};
use optimizers::{Optimizer, Schedule};
use tch::Kind;

use super::model::{Draw, Model};
use super::update::{Taken, Update, to_f64};

/// How one run trains.
#[derive(Clone)]
pub(super) struct Lane {
    pub optimizer: Optimizer,
    pub schedule: Schedule,
    pub lr: f64,
    pub start: Vec<f64>,
}

/// When runs end.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// The most steps.
    pub budget: u64,
    /// The error that is good enough.
    pub tolerance: f64,
    /// Whether steps see the loss's noise.
    pub noisy: bool,
    /// Whether all runs end soon after one has arrived: at three times its steps.
    pub first_wins: bool,
    /// Whether points are kept for a closer look.
    pub keep: bool,
}

/// What became of a run.
#[derive(Clone, Default)]
pub(super) struct Run {
    /// The first step at which the error was good enough, and stayed so where there is noise.
    pub reached: Option<u64>,
    /// The step at which it went out of bounds.
    pub diverged: Option<u64>,
    pub steps: u64,
    pub end: Vec<f64>,
    pub end_loss: f64,
    pub end_error: f64,
    pub best_error: f64,
    pub worst_error: f64,
    /// Step, loss and error, at steps that are spaced evenly in the logarithm.
    pub curve: Vec<(u64, f64, f64)>,
    /// Points on the way, at those steps.
    pub points: Vec<Vec<f64>>,
    /// The mean cosine between successive updates, over the second half of the run.
    pub turning: f64,
    /// The last point before a loss or a gradient wasn't finite.
    pub broke_at: Option<Vec<f64>>,
}

/// A run has diverged when its error is this many times the error it started with.
const DIVERGED: f64 = 1e6;
/// The steps that a noisy run must stay within the tolerance, from the first to the last of the evaluations of its error.
const HOLD: u64 = 10;

struct Racer<F> {
    update: Update<F>,
    /// How the schedule answers to the loss, and what it has made of the rate.
    observer: Option<Observer>,
    lr: f64,
    parameters: Vec<F>,
    factors: Factors,
    last: Vec<f64>,
    cosines: Vec<f64>,
    /// The first of the evaluations, up to now, that were within the tolerance.
    since: Option<u64>,
    start_error: f64,
    over: bool,
    run: Run,
}

/// Runs lanes to the tolerance, or to the end of the budget.
pub(super) fn race(model: &Model, lanes: &[Lane], rules: Rules) -> Vec<Run> {
    match model.kind {
        Kind::Float => race_in::<f32>(model, lanes, rules),
        _ => race_in::<f64>(model, lanes, rules),
    }
}

fn race_in<F: Float>(model: &Model, lanes: &[Lane], rules: Rules) -> Vec<Run> {
    let tensors = model.tensors();
    let period = model.error_period();
    let mut racers: Vec<Racer<F>> = lanes.iter().map(|lane| Racer::new(lane, &tensors, rules)).collect();
    let mut next_record = 0;
    let mut last = rules.budget;
    for step in 0..=rules.budget {
        let running: Vec<usize> = (0..racers.len()).filter(|i| !racers[*i].over).collect();
        if running.is_empty() {
            break;
        }
        let points: Vec<f64> = running.iter().flat_map(|i| to_f64(&racers[*i].parameters)).collect();
        let draw = if rules.noisy { Draw::Step(step) } else { Draw::Frozen };
        let evaluated = model.evaluate(&points, draw);
        let measured = step % period == 0 || step == rules.budget;
        let record = step >= next_record || step == rules.budget;
        let errors = if measured || record {
            let answers: Vec<f64> = running.iter().flat_map(|i| racers[*i].answer()).collect();
            model.errors(&answers)
        } else {
            Vec::new()
        };
        if record {
            next_record = (step + 1).max((step as f64 * 1.12).round() as u64);
        }
        let size = model.size();
        let mut arrived = false;
        for (place, i) in running.into_iter().enumerate() {
            let own = place * size..(place + 1) * size;
            let seen = Seen {
                step,
                error: errors.get(place).copied(),
                measured,
                record,
                taken: Taken {
                    model,
                    draw,
                    loss: evaluated.values[place],
                    gradient: &evaluated.gradients[own],
                },
            };
            arrived |= racers[i].advance(&seen, rules);
        }
        if arrived && rules.first_wins {
            last = last.min(3 * step + 10);
        }
        if step >= last {
            break;
        }
    }
    racers.into_iter().map(Racer::finish).collect()
}

struct Seen<'a> {
    step: u64,
    error: Option<f64>,
    /// Whether the error decides anything; otherwise it is for the curve alone.
    measured: bool,
    record: bool,
    taken: Taken<'a>,
}

impl<F: Float> Racer<F> {
    fn new(lane: &Lane, tensors: &[Vec<i64>], rules: Rules) -> Self {
        Self {
            update: Update::new(&lane.optimizer, tensors),
            observer: lane.schedule.feedback().map(|options| options.state()),
            lr: lane.lr,
            parameters: lane.start.iter().map(|p| F::from_f64(*p)).collect(),
            factors: lane.schedule.iter(rules.budget.max(1)),
            last: Vec::new(),
            cosines: Vec::new(),
            since: None,
            start_error: f64::NAN,
            over: false,
            run: Run { best_error: f64::INFINITY, ..Run::default() },
        }
    }

    /// Takes note of where the run is, and takes a step; whether it has arrived.
    fn advance(&mut self, seen: &Seen, rules: Rules) -> bool {
        let run = &mut self.run;
        run.steps = seen.step;
        run.end_loss = seen.taken.loss;
        if let Some(error) = seen.error.filter(|_| seen.measured) {
            run.end_error = error;
            run.best_error = run.best_error.min(error);
            run.worst_error = run.worst_error.max(error);
            if seen.step == 0 {
                self.start_error = error;
            }
        }
        if seen.record {
            run.curve.push((seen.step, seen.taken.loss, seen.error.unwrap_or(run.end_error)));
        }
        let point = || to_f64(&self.parameters);
        if seen.record && rules.keep && (run.points.len() + 1) * self.parameters.len() <= 4_000_000 {
            run.points.push(point());
        }
        if !seen.taken.loss.is_finite() || seen.taken.gradient.iter().any(|g| !g.is_finite()) {
            run.broke_at = Some(point());
            run.diverged = Some(seen.step);
            self.over = true;
            return false;
        }
        if run.end_error > DIVERGED * self.start_error.max(f64::MIN_POSITIVE) || run.end_error.is_nan() {
            run.diverged = Some(seen.step);
            self.over = true;
            return false;
        }
        if seen.measured {
            let hold = if rules.noisy { HOLD } else { 1 };
            self.since = (run.end_error <= rules.tolerance).then(|| self.since.unwrap_or(seen.step));
            run.reached = self.since.filter(|first| seen.step - first + 1 >= hold);
            if run.reached.is_some() {
                self.over = true;
                return true;
            }
        }
        if seen.step < rules.budget {
            let before = if rules.keep { point() } else { Vec::new() };
            let lr = self.lr * self.factors.next().expect("a factor for each step of the budget");
            self.update.step(lr, &mut self.parameters, &seen.taken);
            if let Some(observer) = &mut self.observer {
                self.lr = observer.observe(self.lr, seen.taken.loss);
            }
            if rules.keep {
                self.turn(&before);
            }
        }
        false
    }

    /// Where the error is measured.
    fn answer(&self) -> Vec<f64> {
        self.update.answer(&self.parameters).unwrap_or_else(|| to_f64(&self.parameters))
    }

    /// The cosine between this update and the one before.
    fn turn(&mut self, before: &[f64]) {
        let update: Vec<f64> = self.parameters.iter().zip(before).map(|(p, b)| p.to_f64() - b).collect();
        if !self.last.is_empty() {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let cosine =
                dot(&update, &self.last) / (dot(&update, &update) * dot(&self.last, &self.last)).sqrt();
            if cosine.is_finite() {
                self.cosines.push(cosine);
            }
        }
        self.last = update;
    }

    fn finish(mut self) -> Run {
        let half = &self.cosines[self.cosines.len() / 2..];
        self.run.turning = half.iter().sum::<f64>() / half.len().max(1) as f64;
        self.run.end = self.answer();
        self.run
    }
}

#[cfg(test)]
mod tests {
    use losses::Loss;
    use problems::Problem;

    use super::super::model::ProblemModel;
    use super::*;
    use crate::config;
    use crate::plan::Plan;

    /// On a problem whose error is evaluated at every tenth step, as the engine counts it. No tolerance is a whole number
    /// of the 360 test images, which the engine rounds to float32.
    #[test]
    fn a_noisy_run_must_stay_within_the_tolerance_at_the_next_evaluation_too() {
        tch::set_num_threads(1);
        let hits = |hold: u64| -> Vec<Option<u64>> {
            let text = format!(
                "name = 'x'\nsteps = 205\nlr = [0.5]\ntargets = [0.301, 0.201, 0.151, 0.121, 0.101]\nhold = {hold}\n\
                 engine = 'libtorch'\nseeds = {{ tuning = [], reporting = [1] }}\n[[grid]]\nproblems = ['digits_mlp']\n\
                 losses = ['cross_entropy']\noptimizers = [{{ sgd = {{ momentum = 0.9 }} }}]\n"
            );
            let config = config::parse("x.toml", &text).unwrap_or_else(|error| panic!("{error:?}"));
            crate::engine::run(&Plan::new(&config).unwrap().batches[0]).remove(0).hits
        };
        let (problem, loss) = (Problem::named("digits_mlp").unwrap(), Loss::named("cross_entropy"));
        let model = Model::problem(&ProblemModel { problem, loss, seed: 1 }, Kind::Float);
        let lane = Lane {
            optimizer: serde_json::from_str("{\"sgd\": {\"momentum\": 0.9}}").unwrap(),
            schedule: Schedule::named("constant").unwrap(),
            lr: 0.5,
            start: model.start.clone(),
        };
        let reached = |tolerance: f64| {
            let rules = Rules { budget: 205, tolerance, noisy: true, first_wins: false, keep: false };
            race(&model, std::slice::from_ref(&lane), rules)[0].reached
        };
        let ours: Vec<Option<u64>> = [0.301, 0.201, 0.151, 0.121, 0.101].into_iter().map(reached).collect();
        assert_eq!(ours, hits(HOLD));
        assert_ne!(ours, hits(1), "nothing passes by");
    }
}
