//! The results of cells. A free fit of the squared error in `dim` numbers is a scalar: each residual is r times what
//! it was at the start, and its slope is 2r/dim.

use records::{Cell, Outcome, Point};

use super::{assert_near, results};
use crate::sandbox::Sandbox;

/// Residuals over those at the start: r₀ = 1, then one a step.
type Residuals = fn(lr: f64, steps: usize) -> Vec<f64>;

const DIM: f64 = 4.0;

/// The slope of the squared error.
fn slope(r: f64) -> f64 {
    2.0 * r / DIM
}

/// Means of the points so far, of which the start is none.
fn averages(points: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let means = points[1..].iter().zip(1..).map(|(r, count)| {
        sum += r;
        sum / f64::from(count)
    });
    std::iter::once(points[0]).chain(means).collect()
}

fn descent(lr: f64, steps: usize) -> Vec<f64> {
    let next = |r: &f64| Some(r - lr * slope(*r));
    std::iter::successors(Some(1.0), next).take(steps + 1).collect()
}

fn lookahead(lr: f64, steps: usize) -> Vec<f64> {
    let (mut fast, mut slow, mut answers) = (1.0, 1.0, vec![1.0]);
    for step in 1..=steps {
        fast -= lr * slope(fast);
        if step % 3 == 0 {
            slow += 0.25 * (fast - slow);
            fast = slow;
        }
        answers.push(slow);
    }
    answers
}

fn asgd(lr: f64, steps: usize) -> Vec<f64> {
    averages(&descent(lr, steps))
}

/// At β = 0.5, and with equal weights, as r = 0 and the rate stays.
fn schedule_free(lr: f64, steps: usize) -> Vec<f64> {
    let (mut y, mut z) = (1.0, vec![1.0]);
    for step in 1..=steps {
        z.push(z[step - 1] - lr * slope(y));
        y = 0.5 * z[step] + 0.5 * averages(&z)[step];
    }
    averages(&z)
}

/// Of what one wants to go, 4/5 is gone: n/(n + 1) of the n numbers that go down.
fn cautious_asgd(lr: f64, steps: usize) -> Vec<f64> {
    let (mut r, mut wanted) = (1.0, vec![1.0]);
    for _ in 0..steps {
        wanted.push(r - lr * slope(r));
        r -= DIM / (DIM + 1.0) * lr * slope(r);
    }
    averages(&wanted)
}

/// Schedule-free AdamW far below its eps is schedule-free descent at lr/eps, and the bias of its second moment is
/// nothing beside eps.
fn schedule_free_adamw(lr: f64, steps: usize) -> Vec<f64> {
    schedule_free(lr / EPS, steps)
}

const EPS: f64 = 1e12;

/// Optimizers whose answer isn't where they are, alone and inside of others; the rate; and where their answer is.
fn averaging() -> Vec<(String, f64, Residuals)> {
    let slow = "{ lookahead = { optimizer = 'sgd', k = 3, alpha = 0.25 } }";
    let asgd_1 = "{ asgd = { lambd = 0, t0 = 0 } }";
    let free = "{ schedule_free_sgd = { momentum = 0.5 } }";
    let adamw = format!("{{ schedule_free_adamw = {{ beta1 = 0.5, eps = {EPS:e}, weight_decay = 0 }} }}");
    let inside = |wrapper: &str, inner: &str| format!("{{ {wrapper} = {{ optimizer = {inner} }} }}");
    vec![
        (slow.into(), 0.3, lookahead),
        (asgd_1.into(), 0.3, asgd),
        (free.into(), 0.3, schedule_free),
        (adamw, 0.3 * EPS, schedule_free_adamw),
        (inside("cautious", asgd_1), 0.3, cautious_asgd),
        (format!("{{ clipped = {{ optimizer = {asgd_1}, norm = 1e9 }} }}"), 0.3, asgd),
        (format!("{{ sam = {{ optimizer = {free}, rho = 1e-13 }} }}"), 0.3, schedule_free),
    ]
}

/// One cell with its curve at every step.
fn one(optimizer: &str, lr: f64, rest: &str) -> (Cell, Vec<Point>) {
    let mut all = results(&format!(
        "name = 'v'\ndtype = 'float64'\nrecord = {{ every = 1 }}\nlr = [{lr:e}]\n\
         seeds = {{ tuning = 0, reporting = [3] }}\n{rest}\n[[grid]]\n\
         problems = [{{ direct_fit = {{ dim = {DIM} }} }}]\nlosses = ['mse']\noptimizers = [{optimizer}]\n"
    ));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn an_averaging_optimizer_is_judged_at_its_average() {
    for (optimizer, lr, residuals) in averaging() {
        let (cell, curve) = one(&optimizer, lr, "steps = 40\ntargets = [0.5, 0.1]");
        let wanted = residuals(lr, 40);
        let scale = cell.start_error;
        for (point, r) in curve.iter().zip(&wanted) {
            assert_near(&format!("{optimizer}, step {}", point.step), point.error / scale, r.abs(), 1e-9);
        }
        assert_eq!(curve.len(), 41);
        assert_near(&format!("the end of {optimizer}"), cell.final_error / scale, wanted[40].abs(), 1e-9);
        let best = wanted.iter().fold(f64::INFINITY, |best, r| best.min(r.abs()));
        assert_near(&format!("the best of {optimizer}"), cell.best_error / scale, best, 1e-9);
        for hit in &cell.hits {
            let first = wanted.iter().position(|r| r.abs() * scale <= hit.target);
            assert_eq!(hit.step, first.map(|step| step as u64), "{optimizer}, {}", hit.target);
        }
        // Where descent is by then is somewhere else.
        assert!((wanted[40] / descent(0.3, 40)[40] - 1.0).abs() > 0.1, "{optimizer}");
    }
}

/// Of any gradient: that of the step, on both engines, and one that the optimizer asks for.
#[test]
fn gradients_are_clipped_wherever_they_are_taken() {
    let norm = 0.2;
    // Residuals of norm R have a slope of norm 2R/dim, and a step along it leaves its direction as it is. PyTorch's
    // clipping adds 1e-6 to the norm.
    let clipped = |size: f64| slope(size) * (norm / (slope(size) + 1e-6)).min(1.0);
    let sgd = |size: f64, lr: f64| size - lr * clipped(size);
    // SAM looks 1.5 farther along, where the slope is above the norm to the end.
    let sam = |size: f64, lr: f64| size - lr * clipped(size + 1.5);
    for (optimizer, engine, next) in [
        ("sgd", "fused", &sgd as &dyn Fn(f64, f64) -> f64),
        ("sgd", "libtorch", &sgd),
        ("{ sam = { rho = 1.5 } }", "auto", &sam),
    ] {
        let inner = if optimizer.starts_with('{') { optimizer.to_owned() } else { format!("'{optimizer}'") };
        let text = format!("{{ clipped = {{ optimizer = {inner}, norm = {norm} }} }}");
        let (cell, curve) = one(&text, 0.5, &format!("steps = 60\nengine = '{engine}'\ntargets = [0.01]"));
        let mut size = cell.start_error * DIM.sqrt();
        let mut above = 0;
        for point in &curve {
            let what = format!("{optimizer} on {engine}, step {}", point.step);
            assert_near(&what, point.error * DIM.sqrt(), size, 1e-9);
            assert_near(&format!("the norm of {what}"), point.gradient_norm, slope(size), 1e-9);
            above += usize::from(slope(size) > norm);
            size = next(size, 0.5).abs();
        }
        assert!((5..curve.len()).contains(&above), "{above} of {} steps are clipped", curve.len());
    }
}

#[test]
fn the_last_step_of_the_budget_has_an_error_of_its_own() {
    // The error of these problems is taken at every tenth step.
    for (problem, loss, lr) in [("digits_mlp", "cross_entropy", 0.5), ("digits_autoencoder", "mse", 2.0)] {
        let digits = |steps: u64, record: &str| {
            results(&format!(
                "name = 'v'\ndtype = 'float64'\nsteps = {steps}\nrecord = {record}\nlr = [{lr}]\n\
                 seeds = {{ tuning = 0, reporting = [1] }}\ntargets = [1.5, 1.01, 0.9, 0.89, 0.88, 0.8, 0.1]\n[[grid]]\n\
                 problems = [{{ {problem} = {{ hidden = 4 }} }}]\nlosses = ['{loss}']\noptimizers = ['sgd']\n"
            ))
            .remove(0)
        };
        let (whole, curve) = digits(30, "{ every = 1 }");
        let mut moved = 0;
        for steps in [1, 9, 13, 20, 28] {
            let (cell, end) = digits(steps, "{ every = 1000 }");
            assert_eq!(cell.final_error, curve[steps as usize].error, "{problem} after {steps} steps");
            assert_eq!((end.last().unwrap().step, end.last().unwrap().error), (steps, cell.final_error));
            assert!(cell.best_error <= cell.final_error);
            moved += usize::from(cell.final_error != curve[steps as usize / 10 * 10].error);
        }
        assert!(moved >= 3, "the error at the last step is that of the last tenth step");
        // Targets are reached where the error is taken.
        let hits: Vec<u64> = whole.hits.iter().filter_map(|hit| hit.step).collect();
        assert!(!hits.is_empty() && hits.iter().all(|step| step.is_multiple_of(10)), "{problem}: {hits:?}");
    }
}

/// What fails has spent nothing, and says why.
#[test]
fn a_run_that_fails_has_no_steps_and_no_numbers() {
    let sandbox = Sandbox::new();
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../losses/tests/modules/bad_fixed.pt2");
    sandbox.config(
        "config",
        &format!(
            "name = 'v'\nsteps = 5\nlr = [0.1]\ntargets = [0.1]\nseeds = {{ tuning = 0, reporting = [3] }}\n[[grid]]\n\
             problems = ['direct_fit']\nlosses = [{{ program = {{ file = '{module}' }} }}]\noptimizers = ['sgd']\n"
        ),
    );
    sandbox.run("config.toml").fails(1);
    let (cell, curve) = super::read(&sandbox.results("v")).remove(0);
    assert_eq!((cell.outcome, cell.steps, cell.evaluations, cell.budget), (Outcome::Failed, 0, 0, 5));
    let numbers = [
        cell.start_loss,
        cell.final_loss,
        cell.best_loss,
        cell.start_error,
        cell.final_error,
        cell.best_error,
    ];
    assert!(numbers.iter().all(|number| number.is_nan()) && curve.is_empty(), "{cell:?}");
    assert_eq!((cell.hits[0].step, cell.hits[0].evaluations), (None, None));
    assert!(cell.message.contains("must match the size of tensor b (5)"), "{}", cell.message);
}

/// At lr = 5·dim a step makes −9·r of r.
#[test]
fn a_run_diverges_above_a_multiple_of_its_start() {
    for (engine, setting, factor) in [
        ("fused", "", 1e6),
        ("libtorch", "", 1e6),
        ("fused", "divergence = 100", 100.0),
        ("libtorch", "divergence = 8.9", 8.9),
    ] {
        let head = format!("steps = 30\nengine = '{engine}'\n{setting}\ntargets = [1e-3]");
        let (cell, curve) = one("'sgd'", 5.0 * DIM, &head);
        let first = (0..30).find(|step| 9.0_f64.powi(*step) > factor).unwrap();
        assert_eq!((cell.outcome, cell.steps), (Outcome::Diverged, first as u64), "{head}");
        assert_near("the end", cell.final_error / cell.start_error, 9.0_f64.powi(first), 1e-9);
        assert_eq!(curve.len(), first as usize + 1);
        assert_eq!((cell.evaluations, cell.budget), (first as u64, 30));
    }
}

/// The noise pulls the line from the truth, where it starts.
#[test]
fn a_run_that_starts_at_the_solution_diverges_above_the_factor_itself() {
    for engine in ["fused", "libtorch"] {
        let (cell, curve) = results(&format!(
            "name = 'v'\ndtype = 'float64'\nengine = '{engine}'\nsteps = 60\nrecord = {{ every = 1 }}\nlr = [1]\n\
             divergence = 50\nseeds = {{ tuning = 0, reporting = [3] }}\ntargets = [1e-3]\n[[grid]]\n\
             problems = [{{ line_fit = {{ spread = 0, slope = 0, intercept = 0, noise = 0.5 }} }}]\n\
             losses = ['mse']\noptimizers = ['sgd']\n"
        ))
        .remove(0);
        assert_eq!((cell.start_error, cell.outcome), (0.0, Outcome::Diverged));
        let errors: Vec<f64> = curve.iter().map(|point| point.error).collect();
        let first = errors.iter().position(|error| *error > 50.0).unwrap();
        assert_eq!((cell.steps, errors.len()), (first as u64, first + 1), "{errors:?}");
        assert!(errors[first - 1] > 20.0, "it grows slowly enough to tell: {errors:?}");
    }
}

/// Lanes come in rows of sixteen: those of a row that isn't full, and the last of all, are lanes as any other.
#[test]
fn every_lane_of_a_row_is_looked_at() {
    for lanes in [1, 2, 15, 16, 17, 33] {
        let rates: Vec<String> = (1..=lanes).map(|k| (0.02 * f64::from(k)).to_string()).collect();
        for engine in ["fused", "libtorch"] {
            let all = results(&format!(
                "name = 'v'\ndtype = 'float64'\nengine = '{engine}'\nsteps = 300\nrecord = {{ every = 300 }}\n\
                 lr = [{}]\nseeds = {{ tuning = 0, reporting = [3] }}\ntargets = [0.5, 0.01]\n[[grid]]\n\
                 problems = [{{ direct_fit = {{ dim = {DIM} }} }}]\nlosses = ['mse']\noptimizers = ['sgd']\n",
                rates.join(", ")
            ));
            assert_eq!(all.len(), lanes as usize);
            for (cell, _) in all {
                let wanted = descent(cell.lr, 300);
                for hit in &cell.hits {
                    let first = wanted.iter().position(|r| r * cell.start_error <= hit.target);
                    assert_eq!(
                        hit.step,
                        first.map(|step| step as u64),
                        "{lanes} lanes, {engine}, lr {}",
                        cell.lr
                    );
                }
                assert_eq!(
                    cell.outcome,
                    if wanted[300] * cell.start_error <= 0.01 { Outcome::Reached } else { Outcome::Budget }
                );
            }
        }
    }
}

/// A lane that has ended stays where it was put, whatever its schedule says: else it would go astray again, and a loss
/// that refuses to be computed there would end all others.
#[test]
fn a_run_that_has_diverged_moves_no_more() {
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../losses/tests/modules/bounded.pt2");
    for schedule in ["constant", "linear"] {
        let all = results(&format!(
            "name = 'v'\nsteps = 60\nlr = [0.3, {}]\ndivergence = 100\ntargets = [0.01]\n\
             seeds = {{ tuning = 0, reporting = [3] }}\n[[grid]]\nproblems = [{{ direct_fit = {{ dim = {DIM} }} }}]\n\
             losses = [{{ program = {{ file = '{module}' }} }}]\noptimizers = ['sgd']\nschedules = ['{schedule}']\n",
            5.0 * DIM
        ));
        let outcomes: Vec<Outcome> = all.iter().map(|(cell, _)| cell.outcome).collect();
        assert_eq!(outcomes, [Outcome::Reached, Outcome::Diverged], "{schedule}: {}", all[0].0.message);
        // 9² < 100 < 9³; at a falling rate the factors are 9, 8.8 and 8.7.
        assert_eq!(all[1].0.steps, 3, "{schedule}");
    }
}
