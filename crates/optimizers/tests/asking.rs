//! What optimizers ask for besides their gradients, and what it costs.

mod common;

use common::{Asked, Problem, entry, numbers, problem};
use optimizers::Optimizer;
use tch::Tensor;

/// The evaluations of each of two lanes, besides those of the steps' own gradients, and where they end.
fn asked(json: &str, problem: &Problem, start: &[f64], lr: [f64; 2], steps: usize) -> (Vec<u64>, Tensor) {
    tch::set_num_threads(1);
    let start = Tensor::from_slice(start).reshape([1, -1]).repeat([2, 1]);
    let mut p = problem.parted(&start);
    let (mut stepper, mut asked) = (entry(json).tensor(), Asked::new(problem, None, 2));
    for _ in 0..steps {
        asked.step(&mut *stepper, &Tensor::from_slice(&lr), &mut p);
    }
    (asked.evaluations, (problem.loss)(&p))
}

const ROSENBROCK: [f64; 2] = [-1.2, 1.0];

#[test]
fn what_is_asked_for_is_counted() {
    let rosenbrock = problem("rosenbrock");
    for (json, expected) in [
        (r#""polyak""#, [0, 0]),
        (r#""momo""#, [0, 0]),
        (r#""sam""#, [30, 30]),
        (r#"{"lookahead": {"optimizer": "sam"}}"#, [30, 30]),
        (r#""adahessian""#, [30, 30]),
        (r#""sophia""#, [3, 3]),
        (r#"{"adahessian": {"every": 7}}"#, [5, 5]),
    ] {
        assert_eq!(asked(json, &rosenbrock, &ROSENBROCK, [1e-4, 1e-5], 30).0, expected, "{json}");
    }
}

#[test]
fn each_lane_pays_for_its_own_search() {
    let rosenbrock = problem("rosenbrock");
    // A rate that is short enough at once, and one that is halved many times.
    let (counts, _) = asked(r#""gradient_descent""#, &rosenbrock, &ROSENBROCK, [1e-4, 1.0], 10);
    assert_eq!(counts[0], 10);
    assert!(counts[1] > 80, "{counts:?}");
    let (counts, loss) = asked(r#""lbfgs""#, &rosenbrock, &ROSENBROCK, [1.0, 0.0], 60);
    assert!((30..120).contains(&counts[0]) && numbers(&loss)[0] < 1e-8, "{counts:?}, {loss}");
    assert_eq!(counts[1], 0, "a lane without a rate has ended");
    let (counts, loss) = asked(r#""nonlinear_cg""#, &rosenbrock, &ROSENBROCK, [1.0, 0.0], 60);
    assert!((30..180).contains(&counts[0]) && numbers(&loss)[0] < 1e-8, "{counts:?}, {loss}");
    assert_eq!(counts[1], 0, "a lane without a rate has ended");
}

#[test]
fn lbfgs_solves_what_gradient_descent_does_not() {
    let rosenbrock = problem("rosenbrock");
    let loss = |json: &str| numbers(&asked(json, &rosenbrock, &ROSENBROCK, [1.0, 1.0], 60).1)[0];
    let (newton, gradient) = (loss(r#""lbfgs""#), loss(r#""gradient_descent""#));
    assert!(newton < 1e-8 && gradient > 1e-3, "{newton} and {gradient}");
}

#[test]
#[should_panic(expected = "call `step_with`")]
fn without_an_oracle_an_optimizer_that_asks_says_so() {
    let mut p = [Tensor::from_slice(&[1.0])];
    let g = [Tensor::from_slice(&[1.0])];
    Optimizer::named("sam").expect("registered").tensor().step(&Tensor::from_slice(&[0.1]), &mut p, &g);
}
