//! PyTorch programs as losses. `scripts/golden/modules.py` wrote them.

use std::path::Path;

use losses::{Call, File, Files, Loss, Program, TargetKind, Transform, Transformed, mean_of_lanes};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::{assert_near, numbers};

fn with(name: &str, targets: TargetKind) -> Loss {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modules");
    let mut program = Program::default();
    (program.file, program.targets) = (File::new(name), targets);
    let mut loss = Loss::Program(program);
    loss.load(&mut Files::new(&folder)).unwrap();
    loss
}

/// The loss in a file.
pub fn program(name: &str) -> Loss {
    with(name, TargetKind::Values)
}

pub const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

/// Loss and gradient of lanes, whose parameters of their own are as they were exported.
pub fn lanes(loss: &Loss, prediction: &Tensor, target: &Tensor) -> (Vec<f64>, Vec<f64>) {
    let prediction = prediction.detach().copy().set_requires_grad(true);
    let seeds = vec![0; prediction.size()[0] as usize];
    let mut lanes = loss.lanes(&seeds, (prediction.kind(), Device::Cpu)).unwrap();
    let parameters = lanes.start();
    let call = Call { parameters: &parameters, ..Call::default() };
    let loss = mean_of_lanes(&lanes.values(&call, &prediction, target));
    loss.sum(None::<Kind>).backward();
    (numbers(&loss), numbers(&prediction.grad()))
}

#[test]
fn the_questions_losses_are_the_same_in_every_form() {
    let prediction = Tensor::linspace(-1.7, 1.9, 12, DOUBLE).reshape([3, 4]);
    let target = Tensor::linspace(0.4, -0.6, 4, DOUBLE).unsqueeze(0);
    for name in ["plateau", "asymmetric", "poorly_conditioned"] {
        let ours = lanes(&Loss::named(name).unwrap(), &prediction, &target);
        for file in [format!("{name}.pt2"), format!("{name}_none.pt2")] {
            let theirs = lanes(&program(&file), &prediction, &target);
            assert_near(&file, &theirs.0, &ours.0, 1e-7, 0.0);
            assert_near(&file, &theirs.1, &ours.1, 1e-7, 0.0);
        }
    }
}

#[test]
fn only_what_takes_every_element_by_itself_has_fused_loops() {
    let fused = |loss: &Loss| loss.kernel::<f32>().is_some() && loss.kernel::<f64>().is_some();
    for name in ["plateau", "asymmetric", "poorly_conditioned"] {
        let (number, values) = (program(&format!("{name}.pt2")), program(&format!("{name}_none.pt2")));
        assert!(fused(&number) && fused(&values), "{name}");
        // The logarithm of a mean is no mean of logarithms.
        let transformed = |loss: &Loss| {
            let mut transformed = Transformed::default();
            (transformed.loss, transformed.by) = (Box::new(loss.clone()), Transform::Log1p);
            Loss::Transformed(transformed)
        };
        assert!(!fused(&transformed(&number)) && fused(&transformed(&values)), "{name}");
    }
    for name in ["leaky.pt2", "learned.pt2", "bad_integer.pt2", "bad_noderivative.pt2", "bad_fixed.pt2"] {
        assert!(!fused(&program(name)), "{name}");
    }
    assert!(!fused(&with("plateau.pt2", TargetKind::Classes)));
}

#[test]
fn a_program_sees_one_lane() {
    let prediction = Tensor::from_slice(&[1.0, 2.0, 30.0, -40.0]).reshape([2, 2]);
    let target = Tensor::zeros([1, 2], DOUBLE);
    let (both, slopes) = lanes(&program("leaky.pt2"), &prediction, &target);
    for lane in 0..2 {
        let (alone, slope) = lanes(&program("leaky.pt2"), &prediction.narrow(0, lane, 1), &target);
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
    assert!(trained_along(&program("learned.pt2")).1 < 1e-7);
}

/// Two lanes from different predictions, the first of which is PyTorch's: the numbers compared, and the largest relative
/// difference.
pub fn trained_along(learned: &Loss) -> (String, f64) {
    let golden: Value = serde_json::from_str(include_str!("../modules/learned.json")).unwrap();
    assert_eq!(golden["torch"], "2.13.0");
    let list = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let target = Tensor::from_slice(&list(&golden["target"])).unsqueeze(0);
    let start = Tensor::from_slice(&list(&golden["start"]));
    let mut prediction = Tensor::stack(&[&start, &(&start + 1.0)], 0).set_requires_grad(true);
    let mut loss = learned.lanes(&[0, 0], DOUBLE).unwrap();
    let mut parameters: Vec<Tensor> =
        loss.start().into_iter().map(|start| start.set_requires_grad(true)).collect();
    assert_eq!(
        parameters.iter().map(Tensor::size).collect::<Vec<_>>(),
        [[2, 2], [2, 1]],
        "the frozen one stays"
    );
    let steps = golden["steps"].as_array().unwrap();
    let mut most = 0.0_f64;
    for step in steps {
        let call = Call { parameters: &parameters, ..Call::default() };
        let value = mean_of_lanes(&loss.values(&call, &prediction, &target));
        let terms = loss.terms(&call, &prediction, &target);
        let names: Vec<&str> = terms.iter().map(|term| term.name.as_str()).collect();
        assert_eq!(names, ["0", "1"]);
        let first = |tensor: &Tensor| numbers(&tensor.get(0));
        let ours = [first(&prediction), first(&parameters[0]), first(&parameters[1])].concat();
        let of_terms: Vec<f64> = terms.iter().flat_map(|term| first(&term.value)).collect();
        for (what, ours, theirs) in [
            ("parameters", ours, list(&step["parameters"])),
            ("loss", first(&value), vec![step["loss"].as_f64().unwrap()]),
            ("terms", of_terms, list(&step["terms"])),
        ] {
            most = most.max(assert_near(what, &ours, &theirs, 1e-12, 1e-3));
        }
        let all: Vec<&Tensor> = [&prediction].into_iter().chain(&parameters).collect();
        let gradients = Tensor::run_backward(&[value.sum(None::<Kind>)], &all, false, false);
        let _guard = tch::no_grad_guard();
        let lr = golden["lr"].as_f64().unwrap();
        prediction -= &gradients[0] * lr;
        for (parameter, gradient) in parameters.iter_mut().zip(&gradients[1..]) {
            *parameter -= gradient * lr;
        }
    }
    (format!("{} steps", steps.len()), most)
}

/// What diagnosing curvature needs.
#[test]
fn second_derivatives_are_there() {
    let mut loss = program("poorly_conditioned.pt2").lanes(&[0], DOUBLE).unwrap();
    let prediction = Tensor::ones([1, 3], DOUBLE).set_requires_grad(true);
    let value = mean_of_lanes(&loss.values(&Call::default(), &prediction, &Tensor::zeros([1, 3], DOUBLE)))
        .sum(None::<Kind>);
    let slope = Tensor::run_backward(&[value], &[&prediction], true, true).swap_remove(0);
    let curvature = Tensor::run_backward(&[slope.sum(None::<Kind>)], &[&prediction], false, false);
    assert_near("curvature", &numbers(&curvature[0]), &[0.02 / 3.0; 3], 1e-7, 0.0);
}

/// A `torch.autograd.Function`, whose backward no graph of a forward has: whole numbers, whose gradient is 2.
#[test]
fn a_gradient_of_the_authors_own_is_taken_along() {
    for file in ["straightthrough.pt2", "straightthrough_none.pt2"] {
        is_taken_along(&program(file));
    }
}

fn is_taken_along(loss: &Loss) {
    let mut loss = loss.lanes(&[0, 0], DOUBLE).unwrap();
    let prediction =
        Tensor::from_slice(&[0.4, 1.9, -2.2, 3.0, 0.9, -0.7]).reshape([2, 3]).set_requires_grad(true);
    let target = Tensor::from_slice(&[1.0, 0.5, -2.0]).unsqueeze(0);
    let gain = loss.start().swap_remove(0).set_requires_grad(true);
    let call = Call { parameters: std::slice::from_ref(&gain), ..Call::default() };
    let value = loss.values(&call, &prediction, &target);
    let off = (&prediction * 1.5).round() - &target;
    let means = off.square().mean_dim(1, false, None::<Kind>);
    assert_near("value", &numbers(&value.detach()), &numbers(&means), 1e-12, 0.0);
    let inputs = [&prediction, &gain];
    let gradients = Tensor::run_backward(&[value.sum(None::<Kind>)], &inputs, false, false);
    let slope: Tensor = off * (4.0 / 3.0);
    assert_near("prediction", &numbers(&gradients[0]), &numbers(&(&slope * 1.5)), 1e-7, 0.0);
    let of_gain = (slope * prediction.detach()).sum_dim_intlist(1, false, None::<Kind>);
    assert_near("gain", &numbers(&gradients[1]), &numbers(&of_gain), 1e-7, 0.0);
}

#[test]
fn what_is_wrong_with_a_program_is_said_with_its_name_and_a_remedy() {
    let fail = |name: &str| -> String {
        let call = || {
            let prediction = Tensor::zeros([2, 4], (Kind::Double, Device::Cpu)).set_requires_grad(true);
            let mut lanes = with(name, TargetKind::Values).lanes(&[0, 0], DOUBLE)?;
            let _ = lanes.values(&Call::default(), &prediction, &Tensor::ones([1, 4], DOUBLE));
            Ok(())
        };
        match std::panic::catch_unwind(call) {
            Ok(made) => made.expect_err(name),
            Err(panic) => *panic.downcast::<String>().expect("a message"),
        }
    };
    let files = [
        "bad_nozip.pt2",
        "bad_truncated.pt2",
        "bad_weights.pt",
        "bad_torchscript.pt",
        "bad_arity.pt2",
        "bad_integer.pt2",
        "bad_noderivative.pt2",
        "bad_fixed.pt2",
    ];
    let messages: Vec<String> = files.into_iter().map(fail).collect();
    insta::assert_snapshot!(messages.join("\n\n"));
}
