//! Every seed changes something, the same seed changes nothing, and comparisons are paired.

use std::collections::HashSet;

use losses::Loss;
use problems::{Losses, Problem};

use crate::{
    Lanes, any_loss, bits, fused, fused_start, is_flat, losses_of, name, problem, seeds_for, tensors,
    tensors_start, variants,
};

/// Where a seed starts, and what it says at a point that is no seed's own.
fn drawn(problem: &Problem, loss: Option<&Loss>, seed: u64) -> [Vec<u64>; 2] {
    let start = tensors_start::<f64>(problem, loss, &[seed]);
    let point = start[0].iter().enumerate().map(|(i, _)| (i as f64).sin()).collect();
    let said = tensors::<f64>(problem, loss, &[seed], &vec![point], 0);
    [start[0].iter().map(|x| x.to_bits()).collect(), bits(&said, 0)]
}

fn some_seeds() -> impl Iterator<Item = u64> {
    (0..12).chain([1000, u64::from(u32::MAX) + 1, u64::MAX - 1, u64::MAX])
}

#[test]
fn every_seed_changes_what_a_problem_says_it_does() {
    // Problem, whether the start is drawn, whether the data or the minibatch are.
    for (json, start, data) in [
        (r#""direct_fit""#, true, true),
        (r#""line_fit""#, true, false),
        (r#"{"line_fit": {"noise": 0.1}}"#, true, true),
        (r#"{"line_fit": {"noise": 0.1, "spread": 0}}"#, false, true),
        (r#"{"line_fit": {"spread": 0}}"#, false, false),
        (r#""quadratic""#, true, false),
        (r#"{"quadratic": {"dim": 1}}"#, true, false),
        (r#"{"quadratic": {"rotated": true}}"#, true, false),
        (r#""rosenbrock""#, true, false),
        (r#"{"rosenbrock": {"spread": 0}}"#, false, false),
        (r#""himmelblau""#, true, false),
        (r#"{"monkey_saddle": {"spread": 0}}"#, false, false),
        (r#"{"noisy": {"problem": {"rosenbrock": {"spread": 0}}}}"#, false, true),
        (r#"{"noisy": {"problem": {"rosenbrock": {"spread": 0}}, "gaussian": 0}}"#, false, false),
        (r#""diabetes_linear""#, true, false),
        (r#""digits_mlp""#, true, true),
        (r#""audio""#, true, true),
        (r#"{"audio": {"detune": 0, "spread": 0}}"#, true, true),
    ] {
        let problem = problem(json);
        let loss = any_loss(&problem);
        let all: Vec<_> = some_seeds().map(|seed| drawn(&problem, loss.as_ref(), seed)).collect();
        let different = |part: usize| all.iter().map(|drawn| &drawn[part]).collect::<HashSet<_>>().len();
        let expected = |is_drawn: bool| if is_drawn { all.len() } else { 1 };
        assert_eq!(different(0), expected(start), "starts of {json}");
        assert_eq!(different(1), expected(data), "data of {json}");
        assert_eq!(problem.depends_on_seed(), start || data, "{json}");
    }
}

#[test]
fn a_landscape_without_spread_has_one_start() {
    let mut without = 0;
    for problem in Problem::all().into_iter().filter(|problem| problem.losses() == Losses::Own) {
        let mut options = problem.options();
        let Some(spread) = options.get_mut("spread") else { continue };
        *spread = 0.into();
        let still = crate::problem(&serde_json::json!({ problem.name(): options }).to_string());
        if still.check().is_ok() {
            without += 1;
            assert!(problem.depends_on_seed() && !still.depends_on_seed(), "{}", still.label());
            let starts: HashSet<_> = some_seeds().map(|seed| drawn(&still, None, seed)).collect();
            assert_eq!(starts.len(), 1, "{}", still.label());
        }
    }
    assert!(without > 8, "only {without} landscapes have a spread");
}

#[test]
fn depends_on_seed_tells_the_truth() {
    for problem in variants() {
        // Some are enough: the loss has no say in it.
        let losses = losses_of(&problem).into_iter().filter(|loss| !is_flat(loss.as_ref()));
        for loss in losses.step_by(5) {
            let all: HashSet<_> = some_seeds().map(|seed| drawn(&problem, loss.as_ref(), seed)).collect();
            let expected = if problem.depends_on_seed() { some_seeds().count() } else { 1 };
            assert_eq!(all.len(), expected, "{}", name(&problem, loss.as_ref()));
        }
    }
}

#[test]
fn lanes_of_one_seed_get_the_same_numbers_whatever_stands_between_them() {
    for problem in variants() {
        let mut seeds = seeds_for(&problem, 18);
        (seeds[0], seeds[7], seeds[17]) = (seeds[3], seeds[3], seeds[3]);
        let same = [0, 3, 7, 17];
        let loss = any_loss(&problem);
        let loss = loss.as_ref();
        let assert_same = |start: &Lanes| {
            assert!(same.iter().all(|lane| start[*lane] == start[3]), "{}", problem.label());
        };
        let start = tensors_start::<f64>(&problem, loss, &seeds);
        assert_same(&start);
        let point: Vec<f64> = start[0].iter().map(|x| x + 0.25).collect();
        let points = vec![point; seeds.len()];
        let said = tensors::<f64>(&problem, loss, &seeds, &points, 0);
        // libtorch may sum the last lanes of a matrix product in another order.
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-14 * b.abs();
        assert!(same.iter().all(|lane| near(said.loss[*lane], said.loss[3])), "{}", problem.label());
        if let Some([start, _]) = fused_start::<f64>(&problem, loss, &seeds) {
            assert_same(&start);
            let said = fused::<f64>(&problem, loss, &seeds, &points).expect("as it was just now");
            assert!(same.iter().all(|lane| bits(&said, *lane) == bits(&said, 3)), "{}", problem.label());
        }
    }
}

#[test]
fn starts_do_not_depend_on_the_loss() {
    for problem in variants() {
        let seeds = seeds_for(&problem, 3);
        let starts = losses_of(&problem);
        let starts: Vec<_> =
            starts.iter().map(|loss| tensors_start::<f64>(&problem, loss.as_ref(), &seeds)).collect();
        assert!(starts.windows(2).all(|pair| pair[0] == pair[1]), "{}", problem.label());
    }
}

#[test]
fn steps_pick_minibatches_and_nothing_else() {
    for problem in variants() {
        let seeds = seeds_for(&problem, 2);
        let loss = any_loss(&problem);
        let points = tensors_start::<f64>(&problem, loss.as_ref(), &seeds);
        let said = |step| tensors::<f64>(&problem, loss.as_ref(), &seeds, &points, step);
        let all: HashSet<_> =
            [0, 1, 13, 14, 21, 22, 23, 1000].map(|step| said(step).loss[0].to_bits()).into();
        let in_batches = matches!(problem, Problem::DigitsMlp(_) | Problem::DigitsAutoencoder(_));
        let expected = if in_batches { 8 } else { 1 };
        assert_eq!(all.len(), expected, "{}", problem.label());
        assert_eq!(said(0).error, said(1000).error, "{}", problem.label());
    }
}
