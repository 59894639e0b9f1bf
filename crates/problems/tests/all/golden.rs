//! Against `scipy`, `numpy`, `sklearn` and PyTorch: what `scripts/golden/problems.py` wrote.

use std::collections::HashMap;
use std::path::Path;

use losses::{Files, Loss};
use problems::Problem;
use serde::Deserialize;
use serde_json::Value;

use crate::entries::{self, Row, option_names, unseen};
use crate::{Lanes, Said, assert_near, fused_at, fused_start, name, problem, tensors, tensors_start};

#[derive(Deserialize)]
struct Golden {
    torch: String,
    /// Whose numbers they are, by problem.
    references: HashMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    problem: Problem,
    loss: Option<Loss>,
    seeds: Vec<u64>,
    step: u64,
    starts: Lanes,
    points: Lanes,
    losses: Vec<f64>,
    gradients: Lanes,
    errors: Vec<f64>,
}

/// The problem with its files read.
pub fn loaded(mut problem: Problem) -> Problem {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
    problem.load(&mut Files::new(&models)).unwrap();
    problem
}

fn golden() -> Golden {
    let [mut golden, programs]: [Golden; 2] =
        [include_str!("../golden/problems.json"), include_str!("../golden/objectives.json")]
            .map(|text| serde_json::from_str(text).unwrap());
    assert_eq!([&*golden.torch, &*programs.torch], ["2.13.0"; 2]);
    golden.references.extend(programs.references);
    let cases = golden
        .cases
        .into_iter()
        .chain(programs.cases)
        .map(|case| Case { problem: loaded(case.problem), ..case });
    Golden { cases: cases.collect(), ..golden }
}

fn cases() -> Vec<Case> {
    golden().cases
}

/// Starts go through a logarithm and a cosine, which libraries round differently.
#[track_caller]
fn assert_starts(what: &str, ours: &Lanes, theirs: &Lanes, tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours.len(), theirs.len(), "{what}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            let near = (ours - theirs).abs() <= tolerance * theirs.abs().max(1.0);
            assert!(near, "a start of {what}: {ours:e}, and should be {theirs:e}");
        }
    }
}

/// How far what is said at a point may be from the references, in double precision.
const TOLERANCE: f64 = 1e-13;
/// How far a start may be.
const OF_STARTS: f64 = 1e-14;

#[test]
fn starts_losses_gradients_and_errors_are_the_published_implementations() {
    let Golden { references, cases, .. } = golden();
    let compare = |case: Case| {
        let golden = Said { loss: case.losses, gradient: case.gradients, error: case.errors };
        let (problem, loss, seeds, points) = (&case.problem, case.loss.as_ref(), &case.seeds, &case.points);
        let what = name(problem, loss);
        assert_starts(&what, &tensors_start::<f64>(problem, loss, seeds), &case.starts, OF_STARTS);
        assert_starts(&what, &tensors_start::<f32>(problem, loss, seeds), &case.starts, 1e-7);
        // The sums are over 442 patients, or 1437 images, at most.
        let on_tensors = tensors::<f64>(problem, loss, seeds, points, case.step);
        let mut most = assert_near(&format!("{what} on libtorch"), &on_tensors, &golden, TOLERANCE);
        let on_tensors = tensors::<f32>(problem, loss, seeds, points, case.step);
        assert_near(&format!("{what} on libtorch in f32"), &on_tensors, &golden, 3e-6);
        if let Some([start, _]) = fused_start::<f64>(problem, loss, seeds) {
            assert_starts(&what, &start, &case.starts, OF_STARTS);
            let fused_64 =
                fused_at::<f64>(problem, loss, seeds, points, case.step).expect("as it was just now");
            most = most.max(assert_near(&format!("{what} fused"), &fused_64, &golden, TOLERANCE));
            let fused_32 =
                fused_at::<f32>(problem, loss, seeds, points, case.step).expect("it is fused in both types");
            assert_near(&format!("{what} fused in f32"), &fused_32, &golden, 3e-6);
        }
        (case.problem.name(), points.len(), most)
    };
    let measured: Vec<(&str, usize, f64)> = cases.into_iter().map(compare).collect();
    let row = |entry: &&'static str| {
        let of_it = || measured.iter().filter(|(name, ..)| name == entry);
        let reference = references.get(*entry).map_or("the published formula in PyTorch", String::as_str);
        Row {
            entry,
            references: [reference.to_owned()].into(),
            cases: of_it().count(),
            compared: format!("{} points", of_it().map(|(_, points, _)| points).sum::<usize>()),
            difference: of_it().map(|(.., most)| *most).fold(0.0, f64::max),
            options: option_names::<Problem>(entry),
        }
    };
    entries::hold("Problems", &Problem::NAMES.iter().map(row).collect::<Vec<_>>(), TOLERANCE / 10.0);
}

/// How far the references of two cases are apart at the lanes that both have, in tolerances: 0 where they are for
/// another loss, seed or step; infinite where there are more parameters.
fn effect(a: &Case, b: &Case) -> f64 {
    let lanes = a.seeds.len().min(b.seeds.len());
    if a.loss != b.loss || a.seeds[..lanes] != b.seeds[..lanes] || a.step != b.step {
        return 0.0;
    }
    let lane = |lane: usize| {
        let apart = |a: &[f64], b: &[f64], tolerance: f64| {
            if a.len() != b.len() {
                return f64::INFINITY;
            }
            let scale = a.iter().chain(b).fold(1.0, |most: f64, x| most.max(x.abs()));
            a.iter().zip(b).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())) / scale / tolerance
        };
        let said = [
            apart(&[a.losses[lane]], &[b.losses[lane]], TOLERANCE),
            apart(&a.gradients[lane], &b.gradients[lane], TOLERANCE),
            apart(&[a.errors[lane]], &[b.errors[lane]], TOLERANCE),
        ];
        // At another point they differ anyway, as they do where there is another start.
        let said = if a.points[lane] == b.points[lane] { said.into_iter().fold(0.0, f64::max) } else { 0.0 };
        said.max(apart(&a.starts[lane], &b.starts[lane], OF_STARTS))
    };
    (0..lanes).map(lane).fold(0.0, f64::max)
}

#[test]
fn every_option_of_every_problem_is_seen_by_itself() {
    let cases = cases();
    let of_name = |name: &&str| {
        let own: Vec<&Case> = cases.iter().filter(|case| case.problem.name() == *name).collect();
        assert!(!own.is_empty(), "no golden values of {name}");
        let options: Vec<Value> = own.iter().map(|case| case.problem.options()).collect();
        let unseen = unseen(&option_names::<Problem>(name), &options, |a, b| effect(own[a], own[b]));
        unseen.into_iter().map(move |option| format!("`{option}` of `{name}`")).collect::<Vec<_>>()
    };
    let unseen: Vec<String> = Problem::NAMES.iter().flat_map(of_name).collect();
    assert!(unseen.is_empty(), "no two golden cases show by themselves:\n{}", unseen.join("\n"));
}

/// A row is read wrongly where another logit is as large as its class's, whichever comes first.
#[test]
fn tied_logits_count_as_wrong() {
    let mlp = r#"{"model": {"file": "mlp.pt2", "data": "digits.npz"}}"#;
    let mlp = loaded(problem(mlp));
    let digits = problem(r#"{"digits_mlp": {"hidden": 1}}"#);
    let loss = serde_json::from_str::<Loss>("\"cross_entropy\"").unwrap();
    // Where the ten biases of the logits are, among numbers that are 0.
    for (problem, biases) in [(mlp, 64 * 16 + 16 + 160), (digits, 64 + 1 + 10)] {
        let length = tensors_start::<f64>(&problem, Some(&loss), &[5])[0].len();
        let error = |largest: &[usize]| {
            let mut point = vec![0.0; length];
            for class in largest {
                point[biases + class] = 1.0;
            }
            tensors::<f64>(&problem, Some(&loss), &[5], &vec![point], 0).error[0]
        };
        for tied in [&[][..], &[3, 5], &[0, 9], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]] {
            assert_eq!(error(tied), 1.0, "{} where {tied:?} are tied", problem.label());
        }
        // Every row is read rightly by one class alone.
        let right: f64 = (0..10).map(|class| 1.0 - error(&[class])).sum();
        assert!((right - 1.0).abs() < 1e-12, "{}: {right}", problem.label());
    }
}

#[test]
fn maximum_likelihood_has_error_0_at_scipys_solution() {
    let at_solution =
        cases().into_iter().filter(|case| case.problem == problem("\"breast_cancer_logistic\""));
    let case = at_solution.min_by(|a, b| a.errors[0].total_cmp(&b.errors[0])).unwrap();
    let said = tensors::<f64>(&case.problem, case.loss.as_ref(), &case.seeds, &case.points, 0);
    assert!(said.error[0] < 1e-10, "{}", said.error[0]);
    assert!(said.gradient[0].iter().all(|slope| slope.abs() < 1e-13), "{:?}", said.gradient);
}

#[test]
fn softmax_regression_has_error_0_at_sklearns_solution() {
    let all = cases().into_iter().filter(|case| case.problem.name() == "softmax_regression");
    let at_solution: Vec<Case> = all.filter(|case| case.errors[0] < 1e-12).collect();
    assert_eq!(at_solution.len(), 2);
    for case in at_solution {
        let said = tensors::<f64>(&case.problem, case.loss.as_ref(), &case.seeds, &case.points, 0);
        assert!(said.error[0] < 1e-10, "{}", said.error[0]);
        assert!(said.gradient[0].iter().all(|slope| slope.abs() < 1e-13), "{:?}", said.gradient);
    }
}

#[test]
fn least_squares_has_error_0_at_numpys_solution() {
    let at_solution = cases().into_iter().filter(|case| case.problem == problem("\"diabetes_linear\""));
    let errors: Vec<f64> = at_solution.map(|case| case.errors[0]).collect();
    assert_eq!(errors.iter().filter(|error| **error < 1e-14).count(), 1, "{errors:?}");
}
