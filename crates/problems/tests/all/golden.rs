//! Against `scipy`, `numpy`, `sklearn` and PyTorch: what `scripts/golden/problems.py` wrote.

use losses::Loss;
use problems::Problem;
use serde::Deserialize;

use crate::{Lanes, Said, assert_near, fused_at, fused_start, name, problem, tensors, tensors_start};

#[derive(Deserialize)]
struct File {
    torch: String,
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

fn cases() -> Vec<Case> {
    let file: File = serde_json::from_str(include_str!("../golden/problems.json")).unwrap();
    assert_eq!(file.torch, "2.13.0");
    file.cases
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

#[test]
fn starts_losses_gradients_and_errors_are_the_published_implementations() {
    for case in cases() {
        let golden = Said { loss: case.losses, gradient: case.gradients, error: case.errors };
        let (problem, loss, seeds, points) = (&case.problem, case.loss.as_ref(), &case.seeds, &case.points);
        let what = name(problem, loss);
        assert_starts(&what, &tensors_start::<f64>(problem, loss, seeds), &case.starts, 1e-14);
        assert_starts(&what, &tensors_start::<f32>(problem, loss, seeds), &case.starts, 1e-7);
        // The sums are over 442 patients, or 1437 images, at most.
        let on_tensors = tensors::<f64>(problem, loss, seeds, points, case.step);
        assert_near(&format!("{what} on libtorch"), &on_tensors, &golden, 1e-13);
        let on_tensors = tensors::<f32>(problem, loss, seeds, points, case.step);
        assert_near(&format!("{what} on libtorch in f32"), &on_tensors, &golden, 3e-6);
        if let Some([start, _]) = fused_start::<f64>(problem, loss, seeds) {
            assert_starts(&what, &start, &case.starts, 1e-14);
            let fused_64 =
                fused_at::<f64>(problem, loss, seeds, points, case.step).expect("as it was just now");
            assert_near(&format!("{what} fused"), &fused_64, &golden, 1e-13);
            let fused_32 =
                fused_at::<f32>(problem, loss, seeds, points, case.step).expect("it is fused in both types");
            assert_near(&format!("{what} fused in f32"), &fused_32, &golden, 3e-6);
        }
    }
}

#[test]
fn every_problem_is_covered_at_its_defaults_or_with_every_option_changed() {
    let cases = cases();
    for entry in Problem::all().iter().filter(|entry| entry.files().is_empty()) {
        let of_it = || cases.iter().map(|case| &case.problem).filter(|golden| golden.name() == entry.name());
        assert!(of_it().count() > 0, "no golden values of {}", entry.name());
        for (option, default) in entry.options().as_object().unwrap() {
            let changed = of_it().any(|golden| golden.options()[option] != *default);
            assert!(changed, "no golden values of {} with another {option}", entry.name());
        }
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
