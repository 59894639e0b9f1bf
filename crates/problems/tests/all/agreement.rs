//! The fused form and the one on libtorch are the same problem.

use losses::Loss;
use numeric::Float;
use problems::Problem;

use crate::{
    Lanes, any_loss, around, assert_near, fused, fused_at, fused_start, losses_of, name, problem, seeds_for,
    tensors, tensors_start, variants,
};

/// One lane, a chunk that isn't full, one lane of a second chunk, several chunks.
const LANE_COUNTS: [usize; 5] = [1, 15, 16, 17, 40];

fn fused_variants() -> Vec<Problem> {
    let all = variants().into_iter();
    all.filter(|problem| problem.block::<f32>(&[1], any_loss(problem).as_ref()).is_some()).collect()
}

fn starts_are_the_same<F: Float>() {
    for problem in fused_variants() {
        let loss = any_loss(&problem);
        for lanes in LANE_COUNTS {
            let seeds = seeds_for(&problem, lanes);
            let [start, padding] = fused_start::<F>(&problem, loss.as_ref(), &seeds).unwrap();
            assert_eq!(start, tensors_start::<F>(&problem, loss.as_ref(), &seeds), "{}", problem.label());
            assert_eq!(start.len() + padding.len(), lanes.next_multiple_of(16));
            assert!(padding.iter().all(|lane| *lane == start[lanes - 1]), "{}", problem.label());
        }
    }
}

#[test]
fn both_start_from_the_same_bits() {
    starts_are_the_same::<f32>();
    starts_are_the_same::<f64>();
}

fn agree<F: Float>(tolerance: f64) {
    for problem in fused_variants() {
        for loss in losses_of(&problem) {
            let loss = loss.as_ref();
            if loss.is_some_and(|loss| loss.kernel::<F>().is_none()) {
                continue;
            }
            for lanes in LANE_COUNTS {
                let seeds = seeds_for(&problem, lanes);
                let points = around(&tensors_start::<F>(&problem, loss, &seeds));
                let ours = fused_at::<F>(&problem, loss, &seeds, &points, 3);
                let ours = ours.unwrap_or_else(|| panic!("{} isn't fused", name(&problem, loss)));
                let theirs = tensors::<F>(&problem, loss, &seeds, &points, 3);
                let what = format!("{} in {:?}, {lanes} lanes", name(&problem, loss), F::KIND);
                assert_near(&what, &ours, &theirs, tolerance);
            }
        }
    }
}

#[test]
fn losses_gradients_and_errors_agree_to_rounding() {
    // Sums of 569 terms at most, in another order: some tens of roundings.
    agree::<f32>(1e-5);
    agree::<f64>(1e-14);
}

/// The true solutions, lane by lane.
fn solutions(problem: &Problem, seeds: &[u64]) -> Option<Lanes> {
    let start = tensors_start::<f64>(problem, any_loss(problem).as_ref(), seeds);
    let minimizers = problem.minimizers();
    if !minimizers.is_empty() {
        return Some(minimizers.into_iter().cycle().take(seeds.len()).collect());
    }
    match problem {
        Problem::LineFit(line) => Some(vec![vec![line.slope, line.intercept]; seeds.len()]),
        Problem::Noisy(noisy) => solutions(&noisy.problem, seeds),
        Problem::DirectFit(_) => {
            // One Newton step of the mean square, whose Hessian is 2/dim, leads there.
            let said = fused::<f64>(problem, Loss::named("mse").as_ref(), seeds, &start)?;
            let step = |(p, g): (&f64, &f64)| p - g * said.gradient[0].len() as f64 / 2.0;
            let lanes = start.iter().zip(&said.gradient);
            Some(lanes.map(|(p, g)| p.iter().zip(g).map(step).collect()).collect())
        }
        // Without detuning and spread it starts at the truth.
        Problem::Audio(audio) => {
            let at_truth = Problem::Audio(problems::Audio { detune: 0.0, spread: 0.0, ..audio.clone() });
            Some(tensors_start::<f64>(&at_truth, any_loss(problem).as_ref(), seeds))
        }
        // Least squares is held to NumPy's solution; no network is known to read every digit.
        _ => None,
    }
}

#[test]
fn the_error_is_0_at_the_true_solution_and_above_elsewhere() {
    for problem in variants() {
        let seeds = seeds_for(&problem, 17);
        let loss = any_loss(&problem);
        let Some(solutions) = solutions(&problem, &seeds) else { continue };
        let at = |points: &Lanes| {
            let on_tensors = tensors::<f64>(&problem, loss.as_ref(), &seeds, points, 0).error;
            let fused = fused::<f64>(&problem, loss.as_ref(), &seeds, points).map(|said| said.error);
            [Some(on_tensors), fused].into_iter().flatten()
        };
        for errors in at(&solutions) {
            assert!(errors.iter().all(|error| *error <= 1e-15), "{}: {errors:?}", problem.label());
        }
        // Every coordinate counts: 0.1 away in one is an error of at least 0.1/√dim.
        for i in 0..solutions[0].len() {
            let mut moved = solutions.clone();
            for lane in &mut moved {
                lane[i] += 0.1;
            }
            let least = 0.0999 / (solutions[0].len() as f64).sqrt();
            for errors in at(&moved) {
                assert!(errors.iter().all(|error| *error >= least), "{}: {errors:?}", problem.label());
            }
        }
    }
}

#[test]
fn the_error_does_not_depend_on_the_loss() {
    for problem in variants() {
        let seeds = seeds_for(&problem, 3);
        let losses = losses_of(&problem);
        let points = around(&tensors_start::<f64>(&problem, losses[0].as_ref(), &seeds));
        let first = tensors::<f64>(&problem, losses[0].as_ref(), &seeds, &points, 0).error;
        for loss in &losses {
            let said = tensors::<f64>(&problem, loss.as_ref(), &seeds, &points, 0);
            assert_eq!(said.error, first, "{}", name(&problem, loss.as_ref()));
        }
        let errors = losses.iter().filter_map(|loss| fused::<f64>(&problem, loss.as_ref(), &seeds, &points));
        let errors: Vec<Vec<f64>> = errors.map(|said| said.error).collect();
        assert!(errors.windows(2).all(|pair| pair[0] == pair[1]), "{}", problem.label());
    }
}

fn measures_stand_for_errors<F: Float>(epsilon: f64) {
    for problem in fused_variants() {
        let block = problem.block::<F>(&[1], any_loss(&problem).as_ref()).unwrap();
        let mut last = F::from_f64(-1.0);
        // Their squares stay within the range of single precision.
        for exponent in -170..=170 {
            let error = F::from_f64(10f64.powf(f64::from(exponent) / 10.0));
            let raw_error = block.raw_error(error);
            let back = block.error(raw_error);
            let off = (back.to_f64() - error.to_f64()).abs() / error.to_f64();
            assert!(off <= 2.0 * epsilon, "{}: {error:?} comes back as {back:?}", problem.label());
            assert!(raw_error > last, "{}: the measure of {error:?}", problem.label());
            assert!(back > block.error(last) || last < F::default(), "{}", problem.label());
            last = raw_error;
        }
        assert_eq!(block.error(block.raw_error(F::default())), F::default());
        let error = |raw_error: f64| block.error(F::from_f64(raw_error)).to_f64();
        assert!(error(f64::NAN).is_nan() && error(f64::INFINITY) == f64::INFINITY, "{}", problem.label());
    }
}

#[test]
fn a_measure_is_as_good_as_an_error() {
    measures_stand_for_errors::<f32>(f64::from(f32::EPSILON));
    measures_stand_for_errors::<f64>(f64::EPSILON);
}

#[test]
fn small_problems_are_fused_and_large_ones_are_not() {
    for (json, is_fused) in [
        (r#"{"rosenbrock": {"dim": 32}}"#, true),
        (r#"{"rosenbrock": {"dim": 33}}"#, false),
        (r#"{"quadratic": {"dim": 32, "rotated": true}}"#, true),
        (r#"{"quadratic": {"dim": 33}}"#, false),
        (r#""digits_mlp""#, false),
    ] {
        let problem = problem(json);
        assert_eq!(fused_variants().contains(&problem), is_fused, "{json}");
    }
}
