//! The figures that the diagnosis of the question's losses rests on, through the engine: exactly the
//! steps that are stated.
//!
//! Everything in float64 with the full batch. A step count is the step at which the error reaches the
//! target, where the start is step 0.

use records::Outcome;
use runner::config;
use runner::engine::{self, LaneResult};
use runner::plan::Plan;

/// Runs the one cell of a problem, a loss, an optimizer and a learning rate, on one engine.
fn run(engine: &str, [problem, loss, optimizer]: [&str; 3], lr: f64, target: f64, steps: u64) -> LaneResult {
    let text = format!(
        "name = 'figures'\ndtype = 'float64'\nengine = '{engine}'\nsteps = {steps}\nrecord = 'summary'\n\
         seeds = {{ tuning = 0, reporting = 1 }}\n[[grid]]\nproblems = [{problem}]\nlosses = [{loss}]\n\
         optimizers = [{optimizer}]\nlr = {lr}\ntargets = {target}\n"
    );
    let config = config::parse("figures.toml", &text).expect("the config is sound");
    let plan = Plan::new(&config).expect("it can be planned");
    assert_eq!(plan.cells(), 1);
    engine::run(&plan.batches[0]).swap_remove(0)
}

/// One free parameter that starts 2 below its target: a line through two points at −2 and 2, whose slope
/// is right from the start. Its gradient, −2s + 2s, is exactly 0, so only the intercept ever moves.
const ONE_PARAMETER: &str = "{ line_fit = { slope = 0.0, intercept = 2.0, points = 2, spread = 0.0 } }";

/// 64 points evenly on [−2, 2], y = 3x + 2, from (0, 0).
const LINE: &str = "{ line_fit = { spread = 0.0 } }";

const HALF_HUBER: &str = "{ huber = { delta = 0.5 } }";
const NO_LINEAR: &str = "{ poorly_conditioned = { linear = 0.0 } }";

/// Asserts the step of the target on the fused engine, and on libtorch where that isn't a long run.
#[track_caller]
fn assert_steps(cell: [&str; 3], lr: f64, target: f64, expected: u64) {
    let engines: &[&str] = if expected < 3000 { &["fused", "libtorch"] } else { &["fused"] };
    for engine in engines {
        let result = run(engine, cell, lr, target, expected + 100);
        assert_eq!(result.hits, [Some(expected)], "{cell:?} at {lr} by {engine}");
        // One step fewer must not be enough: the budget ends it.
        let short = run(engine, cell, lr, target, expected - 1);
        assert_eq!((short.outcome, &*short.hits), (Outcome::Budget, &[None][..]), "{cell:?} by {engine}");
    }
}

#[test]
fn one_parameter_crosses_the_plateau_in_15006_steps() {
    assert_steps([ONE_PARAMETER, "'plateau'", "'sgd'"], 0.1, 0.06, 15006);
}

#[test]
fn the_same_parameter_needs_20_steps_on_l1_and_21_with_adam() {
    assert_steps([ONE_PARAMETER, "'l1'", "'sgd'"], 0.1, 0.06, 20);
    assert_steps([ONE_PARAMETER, "'plateau'", "'adam'"], 0.1, 0.06, 21);
}

#[test]
fn the_line_fit_needs_2077_steps_on_the_plateau_and_a_few_tens_after_each_fix() {
    assert_steps([LINE, "'plateau'", "'sgd'"], 0.1, 0.05, 2077);
    assert_steps([LINE, HALF_HUBER, "'sgd'"], 0.1, 0.05, 91);
    assert_steps([LINE, "'l1'", "'sgd'"], 0.1, 0.05, 40);
    assert_steps([LINE, "'plateau'", "'adam'"], 0.1, 0.05, 51);
}

#[test]
fn asymmetry_costs_two_steps() {
    assert_steps([LINE, "'asymmetric'", "'sgd'"], 0.05, 0.05, 38);
    assert_steps([LINE, "'mse'", "'sgd'"], 0.05, 0.05, 36);
}

#[test]
fn the_poorly_conditioned_loss_is_cured_by_a_plain_square_and_not_by_dropping_its_linear_term() {
    assert_steps([LINE, "'mse'", "'sgd'"], 0.3, 0.05, 5);
    assert_steps([LINE, NO_LINEAR, "'sgd'"], 0.1, 0.05, 1843);
}

#[test]
fn the_poorly_conditioned_loss_ends_at_slope_3_and_intercept_minus_48() {
    let cell = [LINE, "'poorly_conditioned'", "'sgd'"];
    let result = run("fused", cell, 1.0, 0.05, 5000);
    assert_eq!((result.outcome, result.hits), (Outcome::Budget, vec![None]));
    // The loss is least, −25, where every d is −50, and of all lines only (3, −48) has d = −50 everywhere.
    let (loss, best_loss) = (result.loss.end, result.loss.best);
    assert!((loss + 25.0).abs() < 1e-9 && (best_loss + 25.0).abs() < 1e-9, "{loss} {best_loss}");
    let error = result.error.end;
    assert!((error - 50.0).abs() < 1e-6, "50 away from (3, 2): {error}");
}
