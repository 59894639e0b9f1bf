//! Against PyTorch: values and gradients that `scripts/golden/losses.py` wrote.

use losses::{Call, Loss, TargetKind, mean_of_lanes};
use numeric::Float;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::entries::{self, Row, option_names, unseen};
use crate::{all_losses, assert_near, fused, in_rows, numbers, program, size, waveforms, widened};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/losses.json")).unwrap()
}

/// One loss at one set of options: its points in each dtype.
fn cases() -> Vec<(Loss, Value)> {
    let golden = golden();
    assert_eq!(golden["torch"], "2.13.0");
    let cases = golden["cases"].as_array().unwrap().iter();
    cases.map(|case| (serde_json::from_value(case["loss"].clone()).unwrap(), case.clone())).collect()
}

fn column(points: &Value, name: &str) -> Vec<f64> {
    points[name].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The sizes of values and slopes below which differences are rounding.
fn floors(loss: &Loss) -> [f64; 2] {
    match loss.label().as_str() {
        // PyTorch subtracts numbers of the size of the logit and of 1, and keeps what rounding leaves.
        "bce_with_logits" => [100.0, 1.0],
        // 1 − tanh² keeps what rounding leaves of 1, in PyTorch and here.
        "transformed(by=tanh)" => [0.0, 1.0],
        _ => [0.0, 0.0],
    }
}

/// Both engines against PyTorch in one dtype. Returns the largest relative difference.
fn compare<F: Float>(loss: &Loss, points: &Value, relative: f64) -> f64 {
    let [prediction, target, value, slope] =
        ["prediction", "target", "value", "slope"].map(|name| column(points, name));
    let floors = floors(loss);
    let check = |engine: &str, values: &[f64], slopes: &[f64]| {
        let what = |part| format!("{} of {} by {engine} in {:?}", part, loss.label(), F::KIND);
        let value = assert_near(&what("value"), &values[..value.len()], &value, relative, floors[0]);
        value.max(assert_near(&what("slope"), &slopes[..slope.len()], &slope, relative, floors[1]))
    };
    match loss.targets() {
        TargetKind::Values => {
            let rows = [&prediction, &target].map(|numbers| in_rows::<F>(numbers));
            let of_kernel = if let Some((values, slopes)) = fused(loss, 1, &rows[0], &rows[1]) {
                check("the fused kernel", &widened(&values), &widened(&slopes))
            } else {
                let coupled = ["dice", "learned_gaussian_nll"].contains(&loss.name());
                let coupled = coupled || loss.label().contains("product");
                assert!(coupled, "{} is fused", loss.label());
                0.0
            };
            // A lane for each point: what a loss makes of several elements is tested elsewhere.
            let lane = |numbers: &[f64]| Tensor::from_slice(numbers).to_kind(F::KIND).unsqueeze(1);
            let prediction = lane(&prediction).set_requires_grad(true);
            let mut lanes = loss.lanes(&vec![0; target.len()], (F::KIND, Device::Cpu)).unwrap();
            let values = mean_of_lanes(&lanes.values(&Call::default(), &prediction, &lane(&target)));
            values.sum(None::<Kind>).backward();
            of_kernel.max(check("libtorch", &numbers(&values), &numbers(&prediction.grad())))
        }
        TargetKind::Classes => {
            let logits = Tensor::from_slice(&prediction)
                .reshape([size(target.len()), -1])
                .to_kind(F::KIND)
                .set_requires_grad(true);
            let values = loss.tensor(&logits, &Tensor::from_slice(&target).to_kind(Kind::Int64));
            values.sum(None::<Kind>).backward();
            check("libtorch", &numbers(&values), &numbers(&logits.grad()))
        }
    }
}

/// How far numbers may be from PyTorch's, relatively.
const TOLERANCES: [(&str, f64); 2] = [("float32", 1e-6), ("float64", 1e-12)];

#[test]
fn values_and_slopes_are_pytorchs() {
    let [(single, least), (double, most)] = TOLERANCES;
    let measured: Vec<(Loss, usize, f64)> = cases()
        .into_iter()
        .map(|(loss, case)| {
            compare::<f32>(&loss, &case[single], least);
            let difference = compare::<f64>(&loss, &case[double], most);
            (loss, column(&case[double], "target").len(), difference)
        })
        .chain(waveforms::measured())
        .collect();
    let references = &golden()["references"];
    let row = |name: &&'static str| {
        let options = option_names::<Loss>(name);
        if ELSEWHERE.contains(name) {
            let (compared, difference) = program::trained_along(&program::program("learned.pt2"));
            let references = ["the module, trained in PyTorch".into()].into();
            return Row { entry: name, references, cases: 1, compared, difference, options };
        }
        let of_it = || measured.iter().filter(|(loss, ..)| loss.name() == *name);
        Row {
            entry: name,
            references: [references[*name].as_str().unwrap_or(waveforms::reference(name)).to_owned()].into(),
            cases: of_it().count(),
            compared: format!("{} points", of_it().map(|(_, points, _)| points).sum::<usize>()),
            difference: of_it().map(|(.., difference)| *difference).fold(0.0, f64::max),
            options,
        }
    };
    entries::hold("Losses", &Loss::NAMES.iter().map(row).collect::<Vec<_>>(), 1e-13);
}

/// The terms that are recorded are what the loss is the sum, or the logarithms the product, of.
#[test]
fn the_terms_of_a_composite_are_recorded_with_their_weights() {
    let [prediction, target] = [[1.0_f64, 3.0], [0.0, 1.0]].map(|row| Tensor::from_slice(&row).unsqueeze(0));
    // mean d² = 2.5, mean |d| = 1.5
    for (combine, terms, whole) in [
        ("sum", [0.5 * 2.5, 4.0 * 1.5], 0.5 * 2.5 + 4.0 * 1.5),
        ("product", [0.5 * 2.5_f64.ln(), 4.0 * 1.5_f64.ln()], 2.5_f64.sqrt() * 1.5_f64.powi(4)),
    ] {
        let composite = json!({ "composite": { "combine": combine, "terms":
            [{ "loss": "mse", "weight": 0.5 }, { "loss": "l1", "weight": 4.0 }] } });
        let loss: Loss = serde_json::from_value(composite).unwrap();
        let mut lanes = loss.lanes(&[0], (Kind::Double, Device::Cpu)).unwrap();
        let recorded = lanes.terms(&Call::default(), &prediction, &target);
        let names: Vec<&str> = recorded.iter().map(|term| term.name.as_str()).collect();
        assert_eq!(names, ["mse", "l1"]);
        let values: Vec<f64> = recorded.iter().flat_map(|term| numbers(&term.value)).collect();
        assert_near(combine, &values, &terms, 1e-15, 1.0);
        let value = mean_of_lanes(&lanes.values(&Call::default(), &prediction, &target));
        assert_near(combine, &numbers(&value), &[whole], 1e-15, 1.0);
        let alone: Vec<String> = loss.terms().into_iter().map(|(name, _)| name).collect();
        assert_eq!(alone, ["mse", "l1"]);
    }
}

/// How far two cases' references are apart, in tolerances; 0 where they are at other points.
fn effect((ours, a): &(Loss, Value), (others, b): &(Loss, Value)) -> f64 {
    let apart = |(dtype, relative): (&str, f64)| {
        let (a, b) = (&a[dtype], &b[dtype]);
        if a["prediction"] != b["prediction"] || a["target"] != b["target"] {
            return 0.0;
        }
        let parts = ["value", "slope"].into_iter().zip(floors(ours)).zip(floors(others));
        let parts = parts.map(|((part, floor), other)| {
            let pairs = column(a, part).into_iter().zip(column(b, part));
            let share =
                |(a, b): (f64, f64)| (a - b).abs() / a.abs().max(b.abs()).max(floor.max(other)) / relative;
            pairs.map(share).fold(0.0, f64::max)
        });
        parts.fold(0.0, f64::max)
    };
    TOLERANCES.map(apart).into_iter().fold(f64::INFINITY, f64::min)
}

/// Options that aren't in the golden files: which module it is and what it is told are held to PyTorch in
/// `program.rs`, with losses that PyTorch exported.
const ELSEWHERE: [&str; 1] = ["program"];

#[test]
fn every_loss_is_covered_at_its_defaults_and_every_option_is_seen_by_itself() {
    let cases = cases();
    let waveforms = waveforms::cases();
    for loss in all_losses() {
        let covered = cases.iter().chain(&waveforms).any(|(golden, _)| *golden == loss);
        assert!(covered, "no golden values of {}", loss.name());
    }
    let missing = |name: &&str| {
        let own = |(loss, _): &&(Loss, Value)| loss.name() == *name;
        let ours: Vec<_> = cases.iter().filter(own).collect();
        let theirs: Vec<_> = waveforms.iter().filter(own).collect();
        let options: Vec<Value> = ours.iter().chain(&theirs).map(|(loss, _)| loss.options()).collect();
        let unseen = unseen(&option_names::<Loss>(name), &options, |a, b| {
            if theirs.is_empty() { effect(ours[a], ours[b]) } else { waveforms::effect(theirs[a], theirs[b]) }
        });
        unseen.into_iter().map(move |option| format!("`{option}` of `{name}`")).collect::<Vec<_>>()
    };
    let elsewhere = |name: &&&str| !ELSEWHERE.contains(*name);
    let missing: Vec<String> = Loss::NAMES.iter().filter(elsewhere).flat_map(missing).collect();
    assert!(missing.is_empty(), "no two sets of golden values show by themselves:\n{}", missing.join("\n"));
}
