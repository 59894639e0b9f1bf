//! Gradients against differences of values, and the eigenvalues that quadratics promise.

use losses::Loss;
use problems::{Draw, Graph, Problem};
use tch::{Device, Kind, Tensor};

use crate::{
    Lanes, around, fused, losses_of, name, parameters_like, per_lane, problem, seeds_for, tensors,
    tensors_start, variants,
};

#[test]
fn gradients_are_central_differences() {
    let exact = variants().into_iter().filter(|problem| !matches!(problem, Problem::Noisy(_)));
    for (index, problem) in exact.enumerate() {
        let seeds = seeds_for(&problem, 2);
        // Every loss at the defaults, some at other options.
        let every = if Problem::all().contains(&problem) { 1 } else { 5 };
        let losses = losses_of(&problem);
        let first = index % every.min(losses.len());
        for loss in losses.iter().skip(first).step_by(every) {
            let loss = loss.as_ref();
            let points = around(&tensors_start::<f64>(&problem, loss, &seeds));
            let value = |points: &Lanes| match fused::<f64>(&problem, loss, &seeds, points) {
                Some(said) => said,
                None => tensors::<f64>(&problem, loss, &seeds, points, 2),
            };
            let said = value(&points);
            let elements = points[0].len();
            for i in (0..elements).step_by(elements.div_ceil(8)) {
                let h = 1e-6;
                let moved = |by: f64| {
                    let mut points = points.clone();
                    for lane in &mut points {
                        lane[i] += by;
                    }
                    value(&points).loss
                };
                let (up, down) = (moved(h), moved(-h));
                for lane in 0..2 {
                    let difference = (up[lane] - down[lane]) / (2.0 * h);
                    let gradient = said.gradient[lane][i];
                    // Differences of values this large lose the digits that h has not.
                    let mut tolerance = 1e-8 * said.loss[lane].abs().max(1.0) + 1e-6 * gradient.abs();
                    // The logarithm of a magnitude near 0 bends within h.
                    if matches!(loss, Some(Loss::Spectral(_))) {
                        tolerance *= 30.0;
                    }
                    let near = (difference - gradient).abs() <= tolerance;
                    assert!(near, "{}, {i}: {gradient}, by differences {difference}", name(&problem, loss));
                }
            }
        }
    }
}

/// Every landscape, at its defaults and at other options.
fn landscapes() -> impl Iterator<Item = Problem> {
    let is_noisy = |problem: &Problem| matches!(problem, Problem::Noisy(_));
    variants().into_iter().filter(move |problem| !problem.minimizers().is_empty() && !is_noisy(problem))
}

#[test]
fn second_derivatives_are_differences_of_gradients() {
    for problem in landscapes() {
        let points = around(&tensors_start::<f64>(&problem, None, &[5]));
        let mut batch = problem.batch(&[5], None, (Kind::Double, Device::Cpu));
        let parameters = parameters_like(&batch.start(), &points);
        let direction: Vec<f64> = (0..points[0].len()).map(|i| (i as f64 + 0.5).cos()).collect();
        let loss = batch.loss(Draw::Frozen, &parameters);
        let gradients = batch.gradients(&loss, &parameters, Graph::Extend);
        let along = (&gradients[0] * Tensor::from_slice(&direction)).sum(None::<Kind>);
        let product = per_lane(&batch.gradients(&along, &parameters, Graph::Spend)).concat();
        let h = 1e-5;
        let moved = |by: f64| {
            let point = points[0].iter().zip(&direction).map(|(p, d)| p + by * d).collect();
            tensors::<f64>(&problem, None, &[5], &vec![point], 0).gradient.concat()
        };
        let scale = product.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
        for ((up, down), product) in moved(h).iter().zip(moved(-h)).zip(&product) {
            let difference = (up - down) / (2.0 * h);
            let near = (difference - product).abs() <= 1e-6 * scale;
            assert!(near, "{}: {product}, by differences {difference}", problem.label());
        }
    }
}

#[test]
fn minimizers_are_least_and_the_gradient_is_0_there() {
    for problem in landscapes() {
        // What the documentation states as f*.
        let least = match &problem {
            Problem::StyblinskiTang(options) => -39.166_165_703_771_42 * options.dim as f64,
            Problem::Moat(options) => 1.0 / (1.0 + options.steepness.exp()),
            _ => 0.0,
        };
        let minimizers = problem.minimizers();
        let seeds = vec![5; minimizers.len()];
        let said = tensors::<f64>(&problem, None, &seeds, &minimizers, 0);
        for (loss, gradient) in said.loss.iter().zip(&said.gradient) {
            let tolerance = 1e-13 * least.abs().max(1.0);
            assert!((loss - least).abs() <= tolerance, "{}: {loss:e}, not {least}", problem.label());
            assert!(gradient.iter().all(|g| g.abs() < 1e-12), "{}: {gradient:?}", problem.label());
        }
        // Nothing within some distance of a minimizer, or of a start, is below.
        let starts = tensors_start::<f64>(&problem, None, &seeds_for(&problem, 200));
        let near: Lanes = minimizers.into_iter().cycle().take(200).collect();
        for points in [around(&near), around(&starts)] {
            let said = tensors::<f64>(&problem, None, &seeds_for(&problem, 200), &points, 0);
            assert!(said.loss.iter().all(|loss| *loss > least), "{}", problem.label());
        }
    }
}

#[test]
fn noise_is_all_that_noise_changes() {
    for inner in [r#""rosenbrock""#, r#""diabetes_linear""#, r#"{"digits_mlp": {"hidden": 2}}"#] {
        let exact = problem(inner);
        let noisy = problem(&format!(r#"{{"noisy": {{"problem": {inner}, "gaussian": 0.5}}}}"#));
        let seeds = seeds_for(&exact, 2);
        let loss = losses_of(&exact).swap_remove(0);
        let loss = loss.as_ref();
        let points = tensors_start::<f64>(&exact, loss, &seeds);
        assert_eq!(points, tensors_start::<f64>(&noisy, loss, &seeds), "{inner}");
        let noise_at = |step: u64| {
            let [exact, noisy] =
                [&exact, &noisy].map(|problem| tensors::<f64>(problem, loss, &seeds, &points, step));
            assert_eq!((exact.loss, exact.error), (noisy.loss, noisy.error), "{inner}");
            let difference = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
            noisy.gradient.iter().zip(&exact.gradient).map(difference).collect::<Lanes>()
        };
        let (one, two) = (noise_at(7), noise_at(8));
        let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() > 1e-9);
        assert!(apart(&one[0], &two[0]), "{inner}: every step has its own");
        // Lanes of one seed have the same, others have not.
        let same = one[0].iter().zip(&one[1]).all(|(a, b)| (a - b).abs() < 1e-12);
        assert_eq!(same, seeds[0] == seeds[1], "{inner}");
        assert!(same || apart(&one[0], &one[1]), "{inner}");
    }
}

#[test]
fn second_derivatives_have_no_noise() {
    let product = |json: &str| {
        let mut batch = problem(json).batch(&[5], None, (Kind::Double, Device::Cpu));
        let parameters: Vec<Tensor> = batch.start().into_iter().map(|p| p.set_requires_grad(true)).collect();
        let loss = batch.loss(Draw::Step(3), &parameters);
        let gradients = batch.gradients(&loss, &parameters, Graph::Extend);
        let along = gradients[0].sum(None::<Kind>);
        per_lane(&batch.gradients(&along, &parameters, Graph::Spend))
    };
    assert_eq!(product(r#""noisy""#), product(r#""rosenbrock""#));
}

/// The Hessian of a quadratic: row i is the gradient one unit along axis i from the minimizer.
fn hessian(problem: &Problem, dim: usize) -> Lanes {
    let point = |i: usize| (0..dim).map(|j| if i == j { 2.0 } else { 1.0 }).collect();
    let (seeds, points) = (vec![1; dim], (0..dim).map(point).collect());
    match fused::<f64>(problem, None, &seeds, &points) {
        Some(said) => said.gradient,
        None => tensors::<f64>(problem, None, &seeds, &points, 0).gradient,
    }
}

/// Eigenvalues of a symmetric matrix, ascending, by Jacobi's rotations.
fn eigenvalues(mut a: Lanes) -> Vec<f64> {
    let n = a.len();
    for _ in 0..30 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-300 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let (c, s) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i][i]).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[test]
fn quadratics_have_the_condition_number_and_the_eigenvalues_they_promise() {
    for (dim, condition, rotated) in [
        (2, 3.0, true),
        (10, 100.0, false),
        (10, 100.0, true),
        (5, 1e12, false),
        (7, 1e6, true),
        (32, 1e4, true),
        (33, 1e4, true),
        (33, 1e4, false),
    ] {
        let options = serde_json::json!({ "dim": dim, "condition": condition, "rotated": rotated });
        let problem = problem(&serde_json::json!({ "quadratic": options }).to_string());
        let found = eigenvalues(hessian(&problem, dim));
        // What rounding leaves of an eigenvalue is as large as the largest one's rounding.
        let precision = if rotated { 1e-14 * condition } else { 1e-14 };
        let ratio = found[dim - 1] / found[0];
        assert!((ratio / condition - 1.0).abs() < precision, "{}: {ratio}", problem.label());
        assert!((found[dim - 1] - 1.0).abs() < 1e-13, "{}: {found:?}", problem.label());
        for (i, found) in found.iter().enumerate() {
            let promised = condition.powf(i as f64 / (dim - 1) as f64 - 1.0);
            assert!((found - promised).abs() < 1e-13, "{}: {found}, not {promised}", problem.label());
        }
    }
}

#[test]
fn the_rotation_is_orthogonal_and_a_rotation_indeed() {
    for dim in [2, 3, 10, 32, 33, 300] {
        let json = |condition: f64| {
            format!(r#"{{"quadratic": {{"dim": {dim}, "condition": {condition}, "rotated": true}}}}"#)
        };
        // With all eigenvalues 1 the Hessian is QᵀQ.
        let gram = hessian(&problem(&json(1.0)), dim);
        for (i, row) in gram.iter().enumerate() {
            for (j, entry) in row.iter().enumerate() {
                let identity = if i == j { 1.0 } else { 0.0 };
                assert!((entry - identity).abs() < 1e-14, "dim {dim}, entry {i}, {j}: {entry}");
            }
        }
        let turned = hessian(&problem(&json(1e4)), dim);
        let mixed = turned.iter().enumerate().map(|(i, row)| row[(i + 1) % dim].abs()).fold(0.0, f64::max);
        assert!(mixed > 0.01, "dim {dim}: the axes are still the principal ones ({mixed})");
    }
}
