//! PyTorch programs as losses. `scripts/golden/modules.py` wrote them.

use std::path::Path;

use losses::{File, Files, Loss, Program, TargetKind, Transform, Transformed, mean_of_lanes};
use tch::{Device, Kind, Tensor};

use crate::torchscript::{DOUBLE, lanes, module, trained_along};
use crate::{assert_near, numbers};

fn with(name: &str, targets: TargetKind) -> Loss {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modules");
    let mut program = Program::default();
    (program.file, program.targets) = (File::new(name), targets);
    let mut loss = Loss::Program(program);
    loss.load(&mut Files::new(&folder)).unwrap();
    loss
}

/// The program of the module of this name, or a file as it is.
pub fn program(name: &str) -> Loss {
    with(&name.replace(".pt", ".pt2"), TargetKind::Values)
}

#[test]
fn the_questions_losses_are_the_same_in_every_form() {
    let prediction = Tensor::linspace(-1.7, 1.9, 12, DOUBLE).reshape([3, 4]);
    let target = Tensor::linspace(0.4, -0.6, 4, DOUBLE).unsqueeze(0);
    for name in ["plateau", "asymmetric", "poorly_conditioned"] {
        let ours = lanes(&Loss::named(name).unwrap(), &prediction, &target);
        for file in [format!("{name}.pt"), format!("{name}_none.pt")] {
            let theirs = lanes(&program(&file), &prediction, &target);
            assert_near(&file, &theirs.0, &ours.0, 1e-7, 0.0);
            assert_near(&file, &theirs.1, &ours.1, 1e-7, 0.0);
            // To the last bit as the module of the same source computes it, lane by lane.
            assert_eq!(theirs, lanes(&module(&file), &prediction, &target), "{file}");
        }
    }
}

#[test]
fn only_what_takes_every_element_by_itself_has_fused_loops() {
    let fused = |loss: &Loss| loss.kernel::<f32>().is_some() && loss.kernel::<f64>().is_some();
    for name in ["plateau", "asymmetric", "poorly_conditioned"] {
        let (number, values) = (program(&format!("{name}.pt")), program(&format!("{name}_none.pt")));
        assert!(fused(&number) && fused(&values), "{name}");
        // The logarithm of a mean is no mean of logarithms.
        let transformed = |loss: &Loss| {
            let mut transformed = Transformed::default();
            (transformed.loss, transformed.by) = (Box::new(loss.clone()), Transform::Log1p);
            Loss::Transformed(transformed)
        };
        assert!(!fused(&transformed(&number)) && fused(&transformed(&values)), "{name}");
    }
    for name in ["leaky.pt", "learned.pt", "bad_integer.pt", "bad_noderivative.pt", "bad_fixed.pt"] {
        assert!(!fused(&program(name)), "{name}");
    }
    assert!(!fused(&with("plateau.pt2", TargetKind::Classes)));
}

#[test]
fn a_program_sees_one_lane() {
    let prediction = Tensor::from_slice(&[1.0, 2.0, 30.0, -40.0]).reshape([2, 2]);
    let target = Tensor::zeros([1, 2], DOUBLE);
    let (both, slopes) = lanes(&program("leaky.pt"), &prediction, &target);
    for lane in 0..2 {
        let (alone, slope) = lanes(&program("leaky.pt"), &prediction.narrow(0, lane, 1), &target);
        let at = lane as usize;
        assert_eq!((both[at], &slopes[2 * at..2 * at + 2]), (alone[0], &slope[..]));
    }
    // mean((d − mean d)² + d²) at (1, 2)
    assert_eq!(both[0], 0.25 + 2.5);
}

#[test]
fn classes_are_laid_out_as_in_pytorch() {
    let logits = Tensor::linspace(-2.0, 3.0, 2 * 5 * 3, DOUBLE).sin().reshape([2, 5, 3]);
    let target = Tensor::from_slice(&[0_i64, 2, 1, 1, 0]).unsqueeze(0);
    let ours = lanes(&Loss::named("cross_entropy").unwrap(), &logits, &target);
    for name in ["classes.pt2", "classes_none.pt2"] {
        let theirs = lanes(&with(name, TargetKind::Classes), &logits, &target);
        assert_near(name, &theirs.0, &ours.0, 1e-14, 0.0);
        assert_near(name, &theirs.1, &ours.1, 1e-14, 1e-3);
    }
}

#[test]
fn parameters_of_a_program_are_trained_along() {
    assert!(trained_along(&program("learned.pt")).1 < 1e-7);
}

/// What diagnosing curvature needs.
#[test]
fn second_derivatives_are_there() {
    let mut loss = program("poorly_conditioned.pt").lanes(1, DOUBLE).unwrap();
    let prediction = Tensor::ones([1, 3], DOUBLE).set_requires_grad(true);
    let value = mean_of_lanes(&loss.values(&prediction, &Tensor::zeros([1, 3], DOUBLE))).sum(None::<Kind>);
    let slope = Tensor::run_backward(&[value], &[&prediction], true, true).swap_remove(0);
    let curvature = Tensor::run_backward(&[slope.sum(None::<Kind>)], &[&prediction], false, false);
    assert_near("curvature", &numbers(&curvature[0]), &[0.02 / 3.0; 3], 1e-7, 0.0);
}

#[test]
fn what_is_wrong_with_a_program_is_said_with_its_name_and_a_remedy() {
    let fail = |name: &str| -> String {
        let call = || {
            let prediction = Tensor::zeros([2, 4], (Kind::Double, Device::Cpu)).set_requires_grad(true);
            let mut lanes = with(name, TargetKind::Values).lanes(2, DOUBLE)?;
            let _ = lanes.values(&prediction, &Tensor::ones([1, 4], DOUBLE));
            Ok(())
        };
        match std::panic::catch_unwind(call) {
            Ok(made) => made.expect_err(name),
            Err(panic) => *panic.downcast::<String>().expect("a message"),
        }
    };
    let files = ["bad_nozip.pt", "bad_truncated.pt", "bad_weights.pt", "plateau.pt"];
    let programs = ["bad_integer.pt2", "bad_noderivative.pt2", "bad_fixed.pt2"];
    let messages: Vec<String> = files.into_iter().chain(programs).map(fail).collect();
    insta::assert_snapshot!(messages.join("\n\n"));
}
