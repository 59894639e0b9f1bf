//! Losses of waveforms: against PyTorch (what `scripts/golden/waveforms.py` wrote), and what they promise.

use losses::{Call, Loss, mean_of_lanes};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::{assert_near, numbers};

/// The losses of waveforms, each with its golden values.
pub fn cases() -> Vec<(Loss, Value)> {
    let golden: Value = serde_json::from_str(include_str!("../golden/waveforms.json")).unwrap();
    assert_eq!(golden["torch"], "2.13.0");
    let cases = golden["cases"].as_array().unwrap().iter();
    cases.map(|case| (serde_json::from_value(case["loss"].clone()).unwrap(), case.clone())).collect()
}

fn table(case: &Value, name: &str) -> Tensor {
    let rows: Vec<Vec<f64>> = serde_json::from_value(case[name].clone()).unwrap();
    Tensor::from_slice(&rows.concat()).reshape([rows.len() as i64, -1])
}

/// Values of lanes and their gradients, in a type.
fn at(loss: &Loss, prediction: &Tensor, target: &Tensor, kind: Kind) -> [Vec<f64>; 2] {
    let prediction = prediction.to_kind(kind).copy().set_requires_grad(true);
    let mut lanes = loss.lanes(&vec![0; prediction.size()[0] as usize], (kind, Device::Cpu)).unwrap();
    let values = mean_of_lanes(&lanes.values(&Call::default(), &prediction, &target.to_kind(kind)));
    values.sum(None::<Kind>).backward();
    [numbers(&values), numbers(&prediction.grad())]
}

fn loss(json: &Value) -> Loss {
    serde_json::from_value(json.clone()).unwrap()
}

/// What a loss's golden values are of.
pub fn reference(name: &str) -> &'static str {
    if name == "spectral" { "torch.stft" } else { "torch.Tensor.unfold" }
}

/// How far values and slopes in double precision may be from PyTorch's, relatively.
const TOLERANCES: [f64; 2] = [1e-10, 1e-9];

/// Every case, its samples, and its largest relative difference in double precision.
pub fn measured() -> Vec<(Loss, usize, f64)> {
    let compare = |(loss, case): (Loss, Value)| {
        let [prediction, target, value, slope] =
            ["prediction", "target", "value", "slope"].map(|name| table(&case, name));
        let scale = slope.abs().max().double_value(&[]);
        // What rounding changes in a small magnitude, the slope of its logarithm changes as many times more.
        let differences =
            [(Kind::Double, TOLERANCES), (Kind::Float, [3e-5, 1e-3])].map(|(kind, relative)| {
                let [values, slopes] = at(&loss, &prediction, &target, kind);
                let what = format!("{} in {kind:?}", loss.label());
                let of_values = assert_near(&what, &values, &numbers(&value), relative[0], 1.0);
                of_values.max(assert_near(&what, &slopes, &numbers(&slope), relative[1], scale))
            });
        // One run at a time says the same as lanes do.
        let alone = loss.tensor(&prediction.get(0), &target.get(0));
        assert_near(&loss.label(), &numbers(&alone.mean(None::<Kind>)), &numbers(&value)[..1], 1e-10, 1.0);
        (loss, prediction.numel(), differences[0])
    };
    cases().into_iter().map(compare).collect()
}

/// How far two cases' references are apart, in tolerances; 0 where they are of other sounds.
pub fn effect((_, a): &(Loss, Value), (_, b): &(Loss, Value)) -> f64 {
    if a["prediction"] != b["prediction"] || a["target"] != b["target"] {
        return 0.0;
    }
    let [values, slopes] = ["value", "slope"].map(|part| {
        let (a, b) = (table(a, part), table(b, part));
        let scale = a.abs().max().double_value(&[]).max(b.abs().max().double_value(&[]));
        ((a - b).abs().max().double_value(&[]), scale)
    });
    (values.0 / values.1.max(1.0) / TOLERANCES[0]).max(slopes.0 / slopes.1 / TOLERANCES[1])
}

#[test]
fn the_gains_are_those_of_the_standards_table() {
    let golden: Value = serde_json::from_str(include_str!("../golden/waveforms.json")).unwrap();
    let rows: Vec<[f64; 2]> = serde_json::from_value(golden["a_weighting_db"].clone()).unwrap();
    assert_eq!(rows.len(), 12);
    for [frequency, decibel] in rows {
        // A window of two samples has the bins 0 and half the sample rate: alternating samples are all in the latter.
        let at = |weighting: &str| {
            let options = json!({"spectral": {"windows": [2], "hop": 1.0, "log_weight": 0.0,
                                              "weighting": weighting, "sample_rate": 2.0 * frequency}});
            let sound = Tensor::from_slice(&[0.5_f64, -0.5, 0.5, -0.5]);
            let silence = sound.zeros_like();
            (loss(&options), sound, silence)
        };
        let value = |weighting: &str| {
            let (loss, sound, silence) = at(weighting);
            loss.tensor(&sound, &silence).double_value(&[])
        };
        // A window of two samples sees half of it at 0 Hz, where A-weighting's gain is 0.
        let found = 20.0 * (2.0 * value("a") / value("none")).log10();
        assert!((found - decibel).abs() < 0.1, "{frequency} Hz: {found} dB, and should be {decibel}");
    }
}

#[test]
fn silence_and_lost_lanes_are_no_trouble() {
    let sound = Tensor::from_slice(&[0.0_f64, 0.5, -0.25, 0.125]).repeat([8]);
    let target = sound.unsqueeze(0);
    for name in ["spectral", "envelope"] {
        let loss = Loss::named(name).unwrap();
        for kind in [Kind::Float, Kind::Double] {
            let silent = Tensor::stack(&[sound.zeros_like(), sound.shallow_clone()], 0);
            for target in [&target, &target.zeros_like()] {
                let [values, slopes] = at(&loss, &silent, target, kind);
                assert!(values.iter().chain(&slopes).all(|x| x.is_finite()), "{name}");
            }
            assert_eq!(at(&loss, &silent, &target, kind)[0][1], 0.0, "{name}: at the target");
            for intruder in [f64::NAN, f64::INFINITY, 1e30] {
                let lost = Tensor::stack(&[&sound * intruder, sound.shallow_clone() * 0.5], 0);
                let whole = Tensor::stack(&[&sound * 0.75, sound.shallow_clone() * 0.5], 0);
                let [lost, whole] = [lost, whole].map(|lanes| at(&loss, &lanes, &target, kind));
                for (lost, whole) in lost.iter().zip(&whole) {
                    let half = lost.len() / 2;
                    assert_eq!(lost[half..], whole[half..], "{name}: {intruder} in another lane");
                }
                let hidden = lost[0][0] <= 1.0;
                assert!(!hidden, "{name}: {intruder} is hidden");
            }
        }
    }
}

#[test]
fn a_magnitude_seen_before_is_not_taken_for_another_targets() {
    for name in ["spectral", "envelope"] {
        let loss = Loss::named(name).unwrap();
        let mut lanes = loss.lanes(&[0], (Kind::Double, Device::Cpu)).unwrap();
        let prediction = Tensor::from_slice(&[0.25_f64; 50]).unsqueeze(0);
        for level in [1.0, 0.5, 2.0] {
            let target = Tensor::full([1, 50], level, (Kind::Double, Device::Cpu));
            let fresh = loss.tensor(&prediction, &target);
            assert_eq!(lanes.values(&Call::default(), &prediction, &target), fresh, "{name}");
        }
    }
}

#[test]
fn they_are_terms_of_a_composite() {
    let (_, case) = cases().swap_remove(0);
    let [prediction, target] = ["prediction", "target"].map(|name| table(&case, name));
    let alone = |name: &str| at(&Loss::named(name).unwrap(), &prediction, &target, Kind::Double);
    let ([s, ds], [e, de]) = (alone("spectral"), alone("envelope"));
    for combine in ["sum", "product"] {
        let composite = loss(&json!({"composite": {"combine": combine, "terms":
            [{"loss": "spectral"}, {"loss": "envelope", "weight": 0.5}]}}));
        let [values, slopes] = at(&composite, &prediction, &target, Kind::Double);
        let samples = ds.len() / s.len();
        for lane in 0..s.len() {
            let (s, e) = (s[lane], e[lane]);
            let (value, by_s, by_e) = match combine {
                "sum" => (s + 0.5 * e, 1.0, 0.5),
                _ => (s * e.sqrt(), e.sqrt(), 0.5 * s / e.sqrt()),
            };
            assert_near(combine, &values[lane..=lane], &[value], 1e-12, 1e-3);
            let own = lane * samples..(lane + 1) * samples;
            let slope: Vec<f64> = own.clone().map(|i| by_s * ds[i] + by_e * de[i]).collect();
            assert_near(&format!("{combine} {lane}"), &slopes[own], &slope, 1e-9, 1e-3);
        }
    }
}

#[test]
fn options_out_of_range_are_refused() {
    for (json, message) in [
        (json!({"spectral": {"windows": []}}), "`windows` is empty"),
        (
            json!({"spectral": {"windows": [512, 1]}}),
            "`windows` must be from 2 to 65536 samples, and one is 1",
        ),
        (json!({"spectral": {"hop": 0}}), "`hop` must be above 0, and at most 1, and is 0"),
        (json!({"envelope": {"hop": 1.5}}), "`hop` must be above 0, and at most 1, and is 1.5"),
        (json!({"envelope": {"eps": 0}}), "`eps` must be above 0, and is 0"),
        (json!({"spectral": {"sample_rate": -1}}), "`sample_rate` must be above 0, and is -1"),
    ] {
        let said = loss(&json).check().unwrap_err();
        assert!(said.starts_with(message), "{said}");
    }
}
