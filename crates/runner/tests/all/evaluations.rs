//! What an optimizer asks of a problem besides the gradient of its step is answered and counted.

use runner::config;
use runner::engine::{self, LaneResult};
use runner::plan::Plan;

fn run(problem: &str, optimizer: &str) -> Vec<LaneResult> {
    tch::set_num_threads(1);
    let losses = if problem.contains("quadratic") { "" } else { "losses = ['mse']\n" };
    let text = format!(
        "name = 'evaluations'\nsteps = 40\nrecord = {{ every = 1 }}\nlr = [0.01]\ntargets = [1.0, 0.5]\n\
         dtype = 'float64'\nseeds = {{ tuning = 1, reporting = 2 }}\n\
         [[grid]]\nproblems = [{problem}]\n{losses}optimizers = [{optimizer}]\n"
    );
    let config = config::parse("evaluations.toml", &text).unwrap_or_else(|error| panic!("{error:?}"));
    let results: Vec<LaneResult> = Plan::new(&config).unwrap().batches.iter().flat_map(engine::run).collect();
    assert!(results.iter().all(|result| result.message.is_empty()), "{results:?}");
    results
}

#[test]
fn a_second_gradient_a_step_is_counted_until_each_target_and_in_all() {
    for result in run("'quadratic'", "'sam'") {
        assert_eq!((result.steps, result.evaluations), (40, 80));
        let doubled: Vec<Option<u64>> = result.hits.iter().map(|hit| hit.map(|step| 2 * step)).collect();
        assert_eq!(result.hit_evaluations, doubled);
    }
    for result in run("'quadratic'", "'adam'") {
        assert_eq!((result.steps, result.evaluations), (40, 40));
        assert_eq!(result.hit_evaluations, result.hits);
    }
}

/// A minibatch is the step's own wherever it is looked at: SAM with a radius of almost nothing is its optimizer.
#[test]
fn a_second_look_sees_the_same_minibatch() {
    let model = "{ digits_mlp = { hidden = 8 } }";
    let plain = run(model, "'sgd'");
    let sharp = run(model, "{ sam = { rho = 1e-12 } }");
    for (plain, sharp) in plain.iter().zip(&sharp) {
        for (plain, sharp) in plain.curve.iter().zip(&sharp.curve) {
            assert!((plain.loss - sharp.loss).abs() < 1e-9, "{plain:?} and {sharp:?}");
        }
    }
}

/// On an axis-aligned quadratic, AdaHessian's estimate of the curvature is exact, and its first step Newton's
/// times the rate: the error falls by the rate along every coordinate.
#[test]
fn curvature_is_that_of_the_loss() {
    for result in run("{ quadratic = { dim = 4, condition = 100 } }", "{ adahessian = {} }") {
        assert_eq!(result.evaluations, 80);
        let shrunk = result.curve[1].error / result.curve[0].error;
        assert!((shrunk - 0.99).abs() < 1e-6, "{shrunk}");
    }
}
