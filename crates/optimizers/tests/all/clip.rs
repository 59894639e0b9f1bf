//! Gradient clipping, for rows and for tensors, against `torch.nn.utils` as its source has it.

use crate::common::{lane_of, normal_rows, numbers, tensor_of};
use numeric::{Float, LANES, Row, Stream};
use optimizers::Clip;
use tch::Tensor;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// `clip_grad_value_`, then `clip_grad_norm_`, for the gradient of one run.
fn reference(clip: Clip, gradient: &[f64]) -> Vec<f64> {
    let clamp = |g: f64| clip.value.map_or(g, |value| if g.is_nan() { g } else { g.max(-value).min(value) });
    let g: Vec<f64> = gradient.iter().map(|g| clamp(*g)).collect();
    let total = g.iter().map(|g| g * g).sum::<f64>().sqrt();
    let scale = clip.norm.map_or(1.0, |norm| {
        let ratio = norm / (total + 1e-6);
        if ratio > 1.0 { 1.0 } else { ratio }
    });
    g.iter().map(|g| g * scale).collect()
}

fn assert_near(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len());
    for (a, b) in ours.iter().zip(theirs) {
        let near = a == b || (a - b).abs() <= tolerance * b.abs() || a.is_nan() && b.is_nan();
        assert!(near, "{what}: {ours:?} should be {theirs:?}");
    }
}

/// Each lane of `gradient`, three rows a chunk, in both forms; the tensors are split into parameters.
fn check<F: Float>(clip: Clip, gradient: &[Row<F>], tolerance: f64) {
    let mut rows = gradient.to_vec();
    clip.rows(3, &mut rows);
    let whole = tensor_of(3, gradient);
    let mut tensors = [whole.narrow(1, 0, 2).reshape([-1, 1, 2]), whole.select(1, 2)];
    clip.tensors(&mut tensors);
    let lanes = gradient.len() / 3 * LANES;
    let flatten = Tensor::cat(&[tensors[0].reshape([-1, 2]), tensors[1].reshape([-1, 1])], 1);
    assert_eq!(flatten.kind(), F::KIND);
    let by_lane = flatten.unbind(0);
    assert_eq!(by_lane.len(), lanes);
    for (lane, tensors) in by_lane.iter().enumerate() {
        let expected = reference(clip, &lane_of(3, gradient, lane));
        assert_near(&format!("rows, {clip:?}"), &lane_of(3, &rows, lane), &expected, tolerance);
        assert_near(&format!("tensors, {clip:?}"), &numbers(tensors), &expected, tolerance);
    }
}

fn clips() -> Vec<Clip> {
    let sizes = [None, Some(0.01), Some(1.0), Some(100.0)];
    sizes.iter().flat_map(|norm| sizes.map(|value| Clip { norm: *norm, value })).collect()
}

#[test]
fn random_gradients_are_clipped_as_pytorch_does() {
    for clip in clips() {
        check::<f64>(clip, &normal_rows(&mut Stream::new("clip", &[]), 6), 1e-13);
        check::<f32>(clip, &normal_rows(&mut Stream::new("clip", &[]), 6), 1e-5);
    }
}

#[test]
fn extremes_are_clipped_as_pytorch_does() {
    let gradients = [
        [0.0, 0.0, 0.0],
        [-0.0, 1e-300, 0.0],
        [1e150, -1.0, 0.0],
        [NAN, 1.0, -2.0],
        [INF, 1.0, -2.0],
        [-INF, NAN, 0.0],
        [1e9, 1e9, 1e9],
    ];
    for clip in clips() {
        let mut rows = vec![[0.0; LANES]; 3];
        for (lane, gradient) in gradients.iter().enumerate() {
            (0..3).for_each(|row| rows[row][lane] = gradient[row]);
        }
        check::<f64>(clip, &rows, 1e-13);
    }
}

/// Printed by PyTorch 2.13: `p.grad = torch.tensor([…]); clip_grad_norm_([p], 1.0); p.grad`.
#[test]
fn pytorch_printed_these() {
    let one = Clip { norm: Some(1.0), value: None };
    for (gradient, clipped) in [
        ([3.0, 4.0, 0.0], [0.599_999_880_000_024, 0.799_999_840_000_032, 0.0]),
        ([0.3, 0.4, 0.0], [0.3, 0.4, 0.0]),
        ([INF, 1.0, 0.0], [NAN, 0.0, 0.0]),
        ([NAN, 1.0, 0.0], [NAN, NAN, NAN]),
        ([1e200, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ] {
        let mut rows = gradient.map(|g| [g; LANES]);
        one.rows(3, &mut rows);
        assert_near("rows", &lane_of(3, &rows, 5), &clipped, 1e-14);
    }
}

#[test]
fn tensors_are_replaced_and_not_written_to() {
    let gradient = Tensor::from_slice(&[3.0_f64, 4.0]).reshape([1, 2]);
    let mut clipped = [gradient.shallow_clone()];
    Clip { norm: Some(1.0), value: Some(2.0) }.tensors(&mut clipped);
    assert_eq!(numbers(&gradient), [3.0, 4.0]);
    assert_ne!(numbers(&clipped[0]), [3.0, 4.0]);
    Clip { norm: Some(1.0), value: None }.tensors(&mut []);
}
