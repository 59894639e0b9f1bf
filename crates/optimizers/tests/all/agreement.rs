//! The forms of one rule against each other, and our rules against libtorch's C++ optimizers.

use crate::common::{lane_of, normal_rows, numbers, stepper, tensor_of, variants};
use numeric::{Float, LANES, Row, Stream};
use optimizers::{
    Adam, AdamW, Amsgrad, Fusible, Libtorch, Optimizer, OptimizerSpec, RmsProp, Sgd, TensorStepper,
    TorchCounterpart,
};
use proptest::prelude::*;
use tch::Tensor;

const ELEMENTS: usize = 3;
const CHUNKS: usize = 2;

/// A rate for each lane, from 0.001 to 0.1.
fn rates<F: Float>() -> Vec<Row<F>> {
    let rate = |lane: usize| F::from_f64(0.001 * 100.0_f64.powf(lane as f64 / (CHUNKS * LANES) as f64));
    (0..CHUNKS).map(|chunk| std::array::from_fn(|lane| rate(chunk * LANES + lane))).collect()
}

/// Random gradients for some steps, the same in every call.
fn gradients<F: Float>(steps: u64) -> Vec<Vec<Row<F>>> {
    (0..steps).map(|k| normal_rows(&mut Stream::new("gradient", &[k]), CHUNKS * ELEMENTS)).collect()
}

/// The parameters after these gradients, from the fused form.
fn fused<F: Float>(entry: &Optimizer, gradients: &[Vec<Row<F>>]) -> Option<Vec<Row<F>>>
where
    dyn OptimizerSpec: Fusible<F>,
{
    let mut stepper = stepper::<F>(entry, CHUNKS * ELEMENTS)?;
    let mut p = normal_rows(&mut Stream::new("start", &[]), CHUNKS * ELEMENTS);
    for g in gradients {
        stepper.step(ELEMENTS, &rates(), &mut p, g);
    }
    Some(p)
}

fn fused_and_tensors_agree<F: Float>(tolerance: f64)
where
    dyn OptimizerSpec: Fusible<F>,
{
    let gradients = gradients::<F>(60);
    for entry in variants() {
        let Some(rows) = fused(&entry, &gradients) else { continue };
        let start = normal_rows::<F>(&mut Stream::new("start", &[]), CHUNKS * ELEMENTS);
        let mut p = [tensor_of(ELEMENTS, &start)];
        let (mut stepper, lr) = (entry.tensor(), tensor_of(1, &rates::<F>()).reshape(-1));
        for g in &gradients {
            stepper.step(&lr, &mut p, &[tensor_of(ELEMENTS, g)]);
        }
        let (ours, theirs) = (numbers(&tensor_of(ELEMENTS, &rows)), numbers(&p[0]));
        for (index, (a, b)) in ours.into_iter().zip(theirs).enumerate() {
            let near = (a - b).abs() <= tolerance * b.abs().max(1.0);
            assert!(near, "{}, number {index}: fused {a}, tensors {b}", entry.label());
        }
    }
}

#[test]
fn fused_rows_and_tensors_agree() {
    fused_and_tensors_agree::<f64>(1e-12);
    fused_and_tensors_agree::<f32>(1e-4);
}

#[test]
fn a_lane_that_breaks_leaves_the_bits_of_the_others() {
    let good = gradients::<f32>(20);
    for broken in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut bad = good.clone();
        bad.iter_mut().skip(5).for_each(|g| g[ELEMENTS + 1][7] = broken);
        for entry in variants() {
            let (Some(good), Some(bad)) = (fused(&entry, &good), fused(&entry, &bad)) else { continue };
            for lane in 0..CHUNKS * LANES {
                let bits =
                    |rows| lane_of(ELEMENTS, rows, lane).into_iter().map(f64::to_bits).collect::<Vec<_>>();
                let same = bits(&good) == bits(&bad);
                assert_eq!(same, lane != LANES + 7, "{}, lane {lane}, {broken}", entry.label());
            }
        }
    }
}

/// A short slice never reaches the AVX2 code, so it shows what a CPU without AVX2 computes.
#[test]
fn wide_vectors_change_no_bits() {
    fn check<F: Float>(bits: fn(F) -> u64)
    where
        dyn OptimizerSpec: Fusible<F>,
    {
        let gradients = gradients::<F>(30);
        for entry in variants() {
            let Some(mut whole) = stepper::<F>(&entry, 1) else { continue };
            let mut halves = [(); 2].map(|()| stepper::<F>(&entry, 1).expect("there is one"));
            let mut p = normal_rows::<F>(&mut Stream::new("start", &[]), 1)[0];
            let mut q = p;
            for g in &gradients {
                let lr = F::from_f64(0.05);
                whole.step_slice(lr, &mut p, &g[0]);
                for ((stepper, q), g) in halves.iter_mut().zip(q.chunks_mut(8)).zip(g[0].chunks(8)) {
                    stepper.step_slice(lr, q, g);
                }
            }
            assert_eq!(p.map(bits), q.map(bits), "{}", entry.label());
        }
    }
    check::<f32>(|x| x.to_bits().into());
    check::<f64>(f64::to_bits);
}

#[test]
fn rows_and_slices_give_the_same_bits() {
    let gradients = gradients::<f64>(30);
    for entry in variants() {
        let (Some(mut on_rows), Some(mut on_a_slice)) = (stepper::<f64>(&entry, 3), stepper(&entry, 3))
        else {
            continue;
        };
        let mut rows = normal_rows(&mut Stream::new("start", &[]), 3);
        let mut slice = rows.as_flattened()[..44].to_vec();
        for g in &gradients {
            on_rows.step(3, &[[0.05; LANES]], &mut rows, &g[..3]);
            on_a_slice.step_slice(0.05, &mut slice, &g.as_flattened()[..44]);
        }
        assert_eq!(rows.as_flattened()[..44], slice, "{}", entry.label());
    }
}

/// Our rule on tensors against libtorch's, over random gradients and changing rates.
fn follows<O: TorchCounterpart>(options: O) -> Result<(), TestCaseError>
where
    Libtorch<O>: OptimizerSpec,
{
    tch::set_num_threads(1);
    prop_assert_eq!(options.check(), Ok(()));
    let run = |mut stepper: Box<dyn TensorStepper>| {
        let mut stream = Stream::new("oracle", &[]);
        let mut draw = |shape: &[i64]| {
            let count = shape.iter().product::<i64>();
            Tensor::from_slice(&(0..count).map(|_| stream.normal()).collect::<Vec<_>>()).reshape(shape)
        };
        let mut p = [draw(&[2, 2, 2]), draw(&[2])];
        for step in 0..50 {
            let lr = Tensor::from_slice(&[0.01, 0.1 / f64::from(step + 1)]);
            stepper.step(&lr, &mut p, &[draw(&[2, 2, 2]), draw(&[2])]);
        }
        p.map(|p| numbers(&p)).concat()
    };
    let (ours, theirs) = (run(OptimizerSpec::tensor(&options)), run(Libtorch(options).tensor()));
    for (a, b) in ours.into_iter().zip(theirs) {
        prop_assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "ours {}, libtorch's {}", a, b);
    }
    Ok(())
}

fn l2() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..0.5_f64]
}

fn momentum() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..0.95_f64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn sgd_is_libtorchs(momentum in momentum(), dampening in 0.0..1.0_f64, nesterov: bool, l2 in l2()) {
        let nesterov = nesterov && momentum > 0.0;
        follows(Sgd { momentum, dampening: if nesterov { 0.0 } else { dampening }, nesterov, l2 })?;
    }

    #[test]
    fn rmsprop_is_libtorchs(
        alpha in 0.5..0.999_f64,
        eps in 1e-3..0.1_f64,
        momentum in momentum(),
        centered: bool,
        l2 in l2(),
    ) {
        follows(RmsProp { alpha, eps, momentum, centered, l2 })?;
    }

    #[test]
    fn the_adams_are_libtorchs(
        beta1 in 0.0..0.99_f64,
        beta2 in 0.0..0.9999_f64,
        eps in 1e-8..0.1_f64,
        decay in l2(),
        amsgrad: bool,
    ) {
        follows(Adam { beta1, beta2, eps, l2: decay })?;
        follows(Amsgrad { beta1, beta2, eps, l2: decay })?;
        follows(AdamW { beta1, beta2, eps, weight_decay: decay, amsgrad })?;
    }
}
