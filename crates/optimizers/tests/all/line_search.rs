//! What optimizers ask for besides their gradients, and what it costs.

use crate::common::{Asked, Problem, entry, numbers, problem};
use optimizers::{Clip, Optimizer};
use serde::Deserialize;
use serde_json::json;
use tch::{Kind, Tensor};

/// The evaluations of each of two lanes, besides those of the steps' own gradients, and where they end.
fn asked(json: &str, problem: &Problem, start: &[f64], lr: [f64; 2], steps: usize) -> (Vec<u64>, Tensor) {
    tch::set_num_threads(1);
    let start = Tensor::from_slice(start).reshape([1, -1]).repeat([2, 1]);
    let mut p = problem.unflatten(&start);
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
    let (counts, _) = asked(r#""backtracking_gd""#, &rosenbrock, &ROSENBROCK, [1e-4, 1.0], 10);
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
    let (newton, gradient) = (loss(r#""lbfgs""#), loss(r#""backtracking_gd""#));
    assert!(newton < 1e-8 && gradient > 1e-3, "{newton} and {gradient}");
}

/// One step of a line search, as `scripts/golden/searches.py` has it.
#[derive(Deserialize)]
struct Search {
    name: String,
    /// The weights and places of Σ w·|p − k|.
    kinks: Vec<[f64; 2]>,
    start: f64,
    lr: f64,
    optimizer: Optimizer,
    point: f64,
    evaluations: u64,
}

/// Σ w·|p − k|, of one parameter.
fn kinked(kinks: Vec<[f64; 2]>) -> Problem {
    let loss = move |parameters: &[Tensor]| {
        let terms = kinks.iter().map(|[weight, place]| (&parameters[0] - *place).abs() * *weight);
        terms.reduce(|a, b| a + b).expect("a kink").sum_dim_intlist(1, false, None::<Kind>)
    };
    Problem { shapes: &[&[1]], loss: Box::new(loss) }
}

/// Where a step in one dimension goes, and the evaluations of its search.
fn step(optimizer: &Optimizer, problem: &Problem, start: f64, lr: f64) -> (f64, u64) {
    let (mut stepper, mut asked) = (optimizer.tensor(), Asked::new(problem, None, 1));
    let mut p = problem.unflatten(&Tensor::from_slice(&[start]).unsqueeze(0));
    asked.step(&mut *stepper, &Tensor::from_slice(&[lr]), &mut p);
    (numbers(&p[0])[0], asked.evaluations[0])
}

/// Bounds that are met to the bit, the most evaluations, the longest and the shortest steps of a search.
#[test]
fn every_search_goes_where_others_go_and_ends_when_they_do() {
    #[derive(Deserialize)]
    struct Golden {
        cases: Vec<Search>,
    }
    let Golden { cases } =
        serde_json::from_str(include_str!("../golden/searches.json")).expect("the searches");
    assert!(cases.len() > 80);
    for Search { name, kinks, start, lr, optimizer, point, evaluations } in cases {
        let (ours, asked) = step(&optimizer, &kinked(kinks), start, lr);
        let what = format!("{name}, {}", optimizer.label());
        assert!(
            (ours - point).abs() <= 1e-12 * point.abs().max(1.0),
            "{what}: {ours}, and should be {point}"
        );
        assert_eq!(asked, evaluations, "evaluations of {what}");
    }
}

/// The slope of |p| is 1 on the right: a tolerance of 1 is enough, and one a little below isn't.
#[test]
fn a_lane_rests_where_its_largest_slope_is_the_tolerance_itself() {
    let problem = kinked(vec![[1.0, 0.0]]);
    for name in ["lbfgs", "nonlinear_cg"] {
        let at = |tolerance: f64| {
            let options = json!({ name: { "tolerance": tolerance } });
            step(&serde_json::from_value(options).expect("options"), &problem, 3.0, 1.0)
        };
        assert_eq!(at(1.0), (3.0, 0), "{name}");
        let (point, asked) = at(1.0 - f64::EPSILON);
        assert!(point < 3.0 && asked > 0, "{name}: {point} after {asked}");
    }
}

/// The first step goes from (2, 0) to (1, 0), where the gradient is (−½, v). Along −g + β·(−1, 0) with β = v² + ¾ the
/// slope is ⅛ − ½·v², a share of v² + ¼ that SciPy compares with a hundredth.
#[test]
fn conjugate_gradients_start_afresh_where_the_direction_hardly_descends() {
    for (v, kept) in [(0.55_f64, true), (0.5125, true), (0.505, false), (0.49, false)] {
        let beta = v * v + 0.75;
        let share = (0.5 * v * v - 0.125) / (v * v + 0.25);
        assert_eq!(share > 0.01, kept, "{share}");
        let loss = move |parameters: &[Tensor]| {
            let (x, y) = (parameters[0].select(1, 0), parameters[0].select(1, 1));
            let kink: Tensor = (&x - 1.25).abs() * 0.75 + &x * 0.25;
            let near: Tensor = 1.5 - x;
            kink + y * near.relu() * (2.0 * v)
        };
        let problem = Problem { shapes: &[&[2]], loss: Box::new(loss) };
        let (mut stepper, mut asked) =
            (entry(r#"{"nonlinear_cg": {"c2": 0.6}}"#).tensor(), Asked::new(&problem, None, 1));
        let mut p = problem.unflatten(&Tensor::from_slice(&[2.0, 0.0]).unsqueeze(0));
        let mut step = || {
            asked.step(&mut *stepper, &Tensor::from_slice(&[1.0]), &mut p);
            numbers(&p[0])
        };
        assert_eq!(step(), [1.0, 0.0]);
        let [x, y] = step()[..] else { panic!("two parameters") };
        let direction = if kept { [0.5 - beta, -v] } else { [0.5, -v] };
        let t = y / direction[1];
        assert!(t > 0.0 && (x - 1.0 - t * direction[0]).abs() < 1e-12 * t, "{v}: ({x}, {y})");
    }
}

#[test]
fn nothing_is_searched_where_the_gradient_is_0() {
    for name in ["backtracking_gd", "lbfgs", "nonlinear_cg"] {
        let at_kink = step(&Optimizer::named(name).expect("registered"), &kinked(vec![[1.0, 3.0]]), 3.0, 1.0);
        assert_eq!(at_kink, (3.0, 0), "{name}");
    }
}

/// Whoever computes a gradient clips it as the innermost `clipped` says, however deep it is.
#[test]
fn a_wrapper_asks_for_the_clipping_of_what_it_holds() {
    let clipped = json!({ "clipped": { "optimizer": "adam", "norm": 0.5, "value": 0.25 } });
    let of = |optimizer| serde_json::from_value::<Optimizer>(optimizer).expect("options").clip();
    let expected = Some(Clip { norm: Some(0.5), value: Some(0.25) });
    let mut nested = clipped.clone();
    for wrapper in ["sam", "lookahead", "cautious", "mechanic"] {
        nested = json!({ wrapper: { "optimizer": nested } });
        assert_eq!(of(json!({ wrapper: { "optimizer": clipped } })), expected, "{wrapper}");
        assert_eq!(of(nested.clone()), expected, "{nested}");
        assert_eq!(of(json!({ wrapper: { "optimizer": "adam" } })), None, "{wrapper}");
    }
    assert_eq!(of(json!("clipped")), Some(Clip { norm: Some(1.0), value: None }));
}

#[test]
#[should_panic(expected = "call `step_with`")]
fn without_an_oracle_an_optimizer_that_asks_says_so() {
    let mut p = [Tensor::from_slice(&[1.0])];
    let g = [Tensor::from_slice(&[1.0])];
    Optimizer::named("sam").expect("registered").tensor().step(&Tensor::from_slice(&[0.1]), &mut p, &g);
}
