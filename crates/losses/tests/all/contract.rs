//! What every fused kernel promises.

use numeric::{Float, LANES, Stream};

use crate::{Rows, all_losses, assert_near, fused, in_rows, traced, widened};

/// Losses whose minimum is not at prediction = target: one by design, the others since their prediction is a
/// logit, a score or a logarithm.
const OTHER_MINIMUM: [&str; 7] =
    ["poorly_conditioned", "bce_with_logits", "focal", "hinge", "squared_hinge", "poisson_nll", "kl"];

/// Losses that are flat somewhere: far from the target, or around it.
const FLAT: [&str; 3] = ["tukey", "epsilon_insensitive", "dead_zone"];

/// Losses that have an exponential in them, which no float has room for.
const OVERFLOWING: [&str; 3] = ["linex", "poisson_nll", "kl"];

/// Predictions over [−6, 6] and targets over [0, 1], which suit residuals and probabilities alike.
fn random<F: Float>(rows: usize) -> [Rows<F>; 2] {
    let mut stream = Stream::new("points", &[rows as u64]);
    [(-6.0, 12.0), (0.0, 1.0)].map(|(from, width)| {
        let numbers: Vec<f64> = (0..rows * LANES).map(|_| from + width * stream.uniform()).collect();
        in_rows(&numbers)
    })
}

fn engines_agree<F: Float>(relative: f64) {
    for (chunks, elements) in [(1, 1), (1, 7), (3, 1), (4, 5)] {
        let [prediction, target] = random::<F>(chunks * elements);
        for loss in all_losses() {
            let Some((values, slopes)) = fused(&loss, elements, &prediction, &target) else { continue };
            let (their_values, their_slopes) = traced(&loss, elements, &prediction, &target);
            let what = format!("{} of {chunks} × {elements}", loss.name());
            assert_near(&what, &widened(&values), &their_values, relative, 1.0);
            assert_near(&what, &widened(&slopes), &their_slopes, relative, 1.0 / elements as f64);
        }
    }
}

#[test]
fn fused_kernels_and_autograd_agree() {
    engines_agree::<f32>(1e-6);
    engines_agree::<f64>(2e-15);
}

fn lanes_are_independent<F: Float>(bits: fn(F) -> u64) {
    let (chunks, elements) = (2, 3);
    let [prediction, target] = random::<F>(chunks * elements);
    for loss in all_losses() {
        let Some((values, slopes)) = fused(&loss, elements, &prediction, &target) else { continue };
        for intruder in [f64::NAN, f64::INFINITY, 1e30, -2.5].map(F::from_f64) {
            for (changed, element) in [(0, 1), (5, 0), (LANES - 1, 2)] {
                let mut disturbed = prediction.clone();
                disturbed[element][changed] = intruder;
                let (new_values, new_slopes) = fused(&loss, elements, &disturbed, &target).unwrap();
                // The rows of the second chunk are another chunk's, in the changed lane too.
                let untouched = |row: usize, rows: usize, lane: usize| lane != changed || row >= rows;
                for (old, new, rows) in [(&values, &new_values, 1), (&slopes, &new_slopes, elements)] {
                    for (row, (old, new)) in old.iter().zip(new).enumerate() {
                        for lane in (0..LANES).filter(|&lane| untouched(row, rows, lane)) {
                            assert_eq!(bits(old[lane]), bits(new[lane]), "{} lane {lane}", loss.name());
                        }
                    }
                }
                let same = bits(values[0][changed]) == bits(new_values[0][changed]);
                assert!(!same || FLAT.contains(&loss.name()), "{} sees no change", loss.name());
            }
        }
    }
}

#[test]
fn a_lane_changes_no_bit_of_another() {
    lanes_are_independent::<f32>(|x| u64::from(x.to_bits()));
    lanes_are_independent::<f64>(f64::to_bits);
}

fn nan_stays_nan<F: Float>() {
    let (nan, one) = (in_rows::<F>(&[f64::NAN; LANES]), in_rows::<F>(&[1.0; LANES]));
    for loss in all_losses() {
        for (prediction, target) in [(&nan, &one), (&one, &nan)] {
            let Some((values, _)) = fused(&loss, 1, prediction, target) else { continue };
            assert!(widened(&values).iter().all(|value| value.is_nan()), "{} fused", loss.name());
            let (values, _) = traced(&loss, 1, prediction, target);
            assert!(values.iter().all(|value| value.is_nan()), "{} on libtorch", loss.name());
        }
    }
}

#[test]
fn a_run_that_broke_down_is_never_hidden() {
    nan_stays_nan::<f32>();
    nan_stays_nan::<f64>();
}

fn finite_at_extremes<F: Float>() {
    let sizes = [0.0, 1e-38, 1e-20, 1e-6, 100.0, 1000.0, 1e6, 1e15];
    let predictions: Vec<f64> = sizes.iter().flat_map(|&size| [size, -size]).collect();
    for label in [0.0, 0.5, 1.0] {
        let (prediction, target) = (in_rows::<F>(&predictions), in_rows::<F>(&[label; LANES]));
        for loss in all_losses().iter().filter(|loss| !OVERFLOWING.contains(&loss.name())) {
            let Some((values, slopes)) = fused(loss, 1, &prediction, &target) else { continue };
            let (their_values, their_slopes) = traced(loss, 1, &prediction, &target);
            for numbers in [widened(&values), widened(&slopes), their_values, their_slopes] {
                assert!(numbers.iter().all(|number| number.is_finite()), "{}: {numbers:?}", loss.name());
            }
        }
    }
}

#[test]
fn extremes_are_finite() {
    finite_at_extremes::<f32>();
    finite_at_extremes::<f64>();
}

#[test]
fn residual_losses_rest_at_the_target_and_point_to_it() {
    let target = in_rows::<f32>(&[0.75; LANES]);
    let mut seen = Vec::new();
    for loss in all_losses() {
        for d in [0.0, 1e-3, -1e-3, 0.4, -0.4, 30.0, -30.0] {
            let Some((values, slopes)) = fused(&loss, 1, &in_rows(&[0.75 + d; LANES]), &target) else {
                continue;
            };
            let (value, slope) = (values[0][0], slopes[0][0]);
            let rests =
                if d == 0.0 { value == 0.0 && slope == 0.0 } else { value > 0.0 && slope * d as f32 > 0.0 };
            let still = FLAT.contains(&loss.name()) && slope == 0.0 && value >= 0.0;
            if !rests && !still && !seen.contains(&loss.name()) {
                seen.push(loss.name());
            }
        }
    }
    assert_eq!(seen, OTHER_MINIMUM);
}
