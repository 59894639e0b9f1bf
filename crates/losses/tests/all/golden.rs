//! Against PyTorch: values and gradients that `scripts/golden/losses.py` wrote.

use losses::{Loss, Targets, mean_of_lanes};
use numeric::Float;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::{all_losses, assert_near, fused, in_rows, numbers, size, widened};

/// One loss at one set of options: its points in each dtype.
fn cases() -> Vec<(Loss, Value)> {
    let golden: Value = serde_json::from_str(include_str!("../golden/losses.json")).unwrap();
    assert_eq!(golden["torch"], "2.13.0");
    let cases = golden["cases"].as_array().unwrap().iter();
    cases.map(|case| (serde_json::from_value(case["loss"].clone()).unwrap(), case.clone())).collect()
}

fn column(points: &Value, name: &str) -> Vec<f64> {
    points[name].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Both engines against PyTorch in one dtype.
fn compare<F: Float>(loss: &Loss, points: &Value, relative: f64) {
    let [prediction, target, value, slope] =
        ["prediction", "target", "value", "slope"].map(|name| column(points, name));
    let floors = match loss.label().as_str() {
        // PyTorch subtracts numbers of the size of the logit and of 1, and keeps what rounding leaves.
        "bce_with_logits" => [100.0, 1.0],
        // 1 − tanh² keeps what rounding leaves of 1, in PyTorch and here.
        "transformed(by=tanh)" => [0.0, 1.0],
        _ => [0.0, 0.0],
    };
    let check = |engine: &str, values: &[f64], slopes: &[f64]| {
        let what = |part| format!("{} of {} by {engine} in {:?}", part, loss.label(), F::KIND);
        assert_near(&what("value"), &values[..value.len()], &value, relative, floors[0]);
        assert_near(&what("slope"), &slopes[..slope.len()], &slope, relative, floors[1]);
    };
    match loss.targets() {
        Targets::Values => {
            let rows = [&prediction, &target].map(|numbers| in_rows::<F>(numbers));
            if let Some((values, slopes)) = fused(loss, 1, &rows[0], &rows[1]) {
                check("the fused kernel", &widened(&values), &widened(&slopes));
            } else {
                let coupled = ["dice", "learnt_gaussian_nll"].contains(&loss.name());
                let coupled = coupled || loss.label().contains("product");
                assert!(coupled, "{} is fused", loss.label());
            }
            // A lane for each point: what a loss makes of several elements is tested elsewhere.
            let lane = |numbers: &[f64]| Tensor::from_slice(numbers).to_kind(F::KIND).unsqueeze(1);
            let prediction = lane(&prediction).set_requires_grad(true);
            let mut lanes = loss.lanes(target.len(), (F::KIND, Device::Cpu)).unwrap();
            let values = mean_of_lanes(&lanes.values(&prediction, &lane(&target)));
            values.sum(None::<Kind>).backward();
            check("libtorch", &numbers(&values), &numbers(&prediction.grad()));
        }
        Targets::Classes => {
            let logits = Tensor::from_slice(&prediction)
                .reshape([size(target.len()), -1])
                .to_kind(F::KIND)
                .set_requires_grad(true);
            let values = loss.tensor(&logits, &Tensor::from_slice(&target).to_kind(Kind::Int64));
            values.sum(None::<Kind>).backward();
            check("libtorch", &numbers(&values), &numbers(&logits.grad()));
        }
    }
}

#[test]
fn values_and_slopes_are_pytorchs() {
    for (loss, case) in cases() {
        compare::<f32>(&loss, &case["float32"], 1e-6);
        compare::<f64>(&loss, &case["float64"], 1e-12);
    }
}

#[test]
fn every_loss_is_covered_at_its_defaults_and_with_every_option_changed() {
    let cases = [cases(), crate::waveforms::cases()].concat();
    for loss in all_losses() {
        let covered = |case: &dyn Fn(&Loss) -> bool| cases.iter().any(|(golden, _)| case(golden));
        assert!(covered(&|golden| *golden == loss), "no golden values of {}", loss.name());
        for (option, default) in loss.options().as_object().unwrap() {
            let changed =
                |golden: &Loss| golden.name() == loss.name() && golden.options()[option] != *default;
            assert!(covered(&changed), "no golden values of {} with another {option}", loss.name());
        }
    }
}
