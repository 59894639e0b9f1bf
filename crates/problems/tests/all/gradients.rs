//! Gradients against differences of values, and the eigenvalues that quadratics promise.

use losses::Loss;
use problems::Problem;

use crate::{Lanes, around, fused, losses_of, name, problem, seeds_for, tensors, tensors_start, variants};

#[test]
fn gradients_are_central_differences() {
    for problem in variants() {
        let seeds = seeds_for(&problem, 2);
        for loss in losses_of(&problem) {
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

/// The Hessian of a quadratic: row i is the gradient one unit along axis i from the minimiser.
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
