//! Formulas: against PyTorch on the same texts, the built-in losses, and differences.

use losses::{Formula, Loss};
use numeric::{Float, LANES, Stream};
use proptest::prelude::*;
use serde_json::Value;

use crate::{fused, in_rows, traced, widened};

pub(crate) fn formula(value: &str) -> Loss {
    Loss::Formula(Formula::new(value, []))
}

/// A column; numbers that JSON has no way to write are texts.
fn column(points: &Value, name: &str) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap());
    points[name].as_array().unwrap().iter().map(number).collect()
}

/// The same, NaN and infinities included, or as near as rounding of numbers of size 1 brings it.
fn near(ours: f64, theirs: f64, relative: f64) -> bool {
    let same = ours == theirs || ours.is_nan() && theirs.is_nan();
    same || (ours - theirs).abs() <= relative * theirs.abs().max(1.0)
}

fn compare<F: Float>(loss: &Loss, points: &Value, relative: f64) {
    let [prediction, target, value, slope] =
        ["prediction", "target", "value", "slope"].map(|name| column(points, name));
    let (p, t) = (in_rows::<F>(&prediction), in_rows::<F>(&target));
    let (values, slopes) = fused(loss, 1, &p, &t).unwrap();
    let (their_values, their_slopes) = traced(loss, 1, &p, &t);
    for (engine, values, slopes) in
        [("fused", widened(&values), widened(&slopes)), ("libtorch", their_values, their_slopes)]
    {
        for i in 0..value.len() {
            let what = || format!("{} by {engine} at {}, {}", loss.label(), prediction[i], target[i]);
            assert!(near(values[i], value[i], relative), "{}: {}, not {}", what(), values[i], value[i]);
            assert!(near(slopes[i], slope[i], relative), "{}: slope {}, not {}", what(), slopes[i], slope[i]);
        }
    }
}

#[test]
fn values_and_slopes_are_pytorchs() {
    let golden: Value = serde_json::from_str(include_str!("../golden/formulas.json")).unwrap();
    assert_eq!(golden["torch"], "2.13.0");
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 40);
    for case in cases {
        let formula = serde_json::json!({ "value": case["value"], "constants": case["constants"] });
        let loss = Loss::Formula(serde_json::from_value(formula).unwrap());
        assert_eq!(loss.check(), Ok(()));
        compare::<f32>(&loss, &case["float32"], 2e-6);
        compare::<f64>(&loss, &case["float64"], 1e-12);
    }
}

fn same_bits<F: Float>(bits: fn(F) -> u64) {
    let edges = [0.0, -0.0, 0.5, -0.5, 1e-30, -1e-30, 100.0, -1e20, 50.0, -50.0];
    let mut stream = Stream::new("same bits", &[]);
    let drawn = (0..70 * LANES).map(|_| stream.normal());
    let p = in_rows::<F>(&edges.into_iter().chain(drawn).collect::<Vec<_>>());
    let t = in_rows::<F>(&vec![0.0; p.len() * LANES]);
    for (name, text) in [
        ("plateau", "where(abs(d) <= 0.5, abs(d), 0.001*abs(d) + 0.4995)"),
        ("asymmetric", "where(d > 0, 5*d**2, d**2)"),
        ("asymmetric", "where(d > 0, (d^2)*5, d*d)"),
        ("poorly_conditioned", "0.01*d**2 + d"),
        ("mse", "d**2"),
        ("huber", "where(abs(d) <= 1, 0.5*abs(d)**2, abs(d) - 0.5)"),
        ("l1", "abs(d)"),
    ] {
        let (loss, ours) = (Loss::named(name).unwrap(), formula(text));
        for elements in [1, 7, p.len()] {
            let rows = p.len() / elements * elements;
            let (p, t) = (&p[..rows], &t[..rows]);
            let (built_in, own) =
                (fused(&loss, elements, p, t).unwrap(), fused(&ours, elements, p, t).unwrap());
            for (built_in, own) in [(built_in.0, own.0), (built_in.1, own.1)] {
                for (built_in, own) in built_in.as_flattened().iter().zip(own.as_flattened()) {
                    assert_eq!(bits(*built_in), bits(*own), "{text}: {built_in:?} {own:?}");
                }
            }
            let (built_in, own) = (traced(&loss, elements, p, t), traced(&ours, elements, p, t));
            for (built_in, own) in [(built_in.0, own.0), (built_in.1, own.1)] {
                for (built_in, own) in built_in.iter().zip(&own) {
                    assert!(near(*own, *built_in, 1e-6), "{text} on libtorch: {built_in:?} {own:?}");
                }
            }
        }
    }
}

#[test]
fn the_losses_of_the_question_give_the_same_bits_as_formulas() {
    same_bits::<f32>(|x| u64::from(x.to_bits()));
    same_bits::<f64>(f64::to_bits);
}

#[test]
fn a_branch_that_is_not_taken_adds_nothing() {
    let (p, t) = (in_rows::<f64>(&[-2.0, 0.0, 4.0, 1e200]), in_rows::<f64>(&[0.0; LANES]));
    for (text, at_minus_2, at_0, at_4) in [
        ("where(d > 0, sqrt(abs(d)), 3*d)", 3.0, 3.0, 0.25),
        ("where(d > 0, log(d), -d)", -1.0, -1.0, 0.25),
        ("where(d >= 1, where(d > 1, sqrt(d - 1), d), where(d < 0, -d, 2*d))", -1.0, 2.0, 0.5 / 3_f64.sqrt()),
        ("sqrt(relu(d)) + 2*sqrt(max(d, -1) + 1)", 0.0, f64::INFINITY, 0.25 + 1.0 / 5_f64.sqrt()),
        ("where(d < 100, d, exp(d))", 1.0, 1.0, 1.0),
        // One root for both branches.
        ("where(d > 1, sqrt(d), 0) + where(d > 2, 1/sqrt(d), -d)", -1.0, -1.0, 0.1875),
    ] {
        let (_, slopes) = fused(&formula(text), 1, &p, &t).unwrap();
        let (_, their_slopes) = traced(&formula(text), 1, &p, &t);
        for (engine, slopes) in [("fused", widened(&slopes)), ("libtorch", their_slopes)] {
            for (i, expected) in [at_minus_2, at_0, at_4].into_iter().enumerate() {
                // `relu` isn't followed by what is infinite at its own kink in every engine alike.
                let kink = i == 1 && text.contains("relu");
                assert!(kink || near(slopes[i], expected, 1e-14), "{text} {engine}: {slopes:?}");
            }
        }
    }
}

#[test]
fn branches_inside_one_another_are_computed_once() {
    // Computed anew in every branch, this would take 3^30 times as long as one level.
    let text = (0..30).fold("d".to_owned(), |inner, level| format!("min({inner}, exp(d) + {level})"));
    let (p, t) = (in_rows::<f64>(&[-2.0, 0.5]), in_rows::<f64>(&[0.0; LANES]));
    let (values, slopes) = traced(&formula(&text), 1, &p, &t);
    assert_eq!((&values[..2], &slopes[..2]), (&[-2.0, 0.5][..], &[1.0, 1.0][..]));
}

#[test]
fn shapes_broadcast_even_if_the_formula_has_one_variable_only() {
    let prediction = tch::Tensor::from_slice(&[1.0, 2.0]).reshape([2, 1]).set_requires_grad(true);
    let target = tch::Tensor::from_slice(&[1.0, 2.0, 3.0]);
    for text in ["prediction**2", "d", "where(target > 1, prediction, 2*prediction)"] {
        assert_eq!(formula(text).tensor(&prediction, &target).size(), [2, 3], "{text}");
    }
}

/// A formula that is finite and smooth but for kinks, over everything that there is.
pub(crate) fn smooth() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => Just("d".to_owned()),
        2 => Just("prediction".to_owned()),
        1 => Just("target".to_owned()),
        2 => (0.1..2.0_f64).prop_map(|number| format!("{number:.3}")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let one = prop::sample::select(vec![
            "abs", "tanh", "sigmoid", "softplus", "sin", "cos", "relu", "square", "0.3*", "-", "1 + ",
        ]);
        let two = prop::sample::select(vec!["+", "-", "*", "/(1.5 + square", "**2 +", "**3 - "]);
        prop_oneof![
            (one, inner.clone()).prop_map(|(f, x)| format!("({f}({x}))")),
            inner.clone().prop_map(|x| format!("log1p(abs({x}))")),
            inner.clone().prop_map(|x| format!("sqrt(1 + ({x})**2)")),
            inner.clone().prop_map(|x| format!("exp(-abs({x}))")),
            inner.clone().prop_map(|x| format!("(0.5 + abs({x}))**-1.3")),
            inner.clone().prop_map(|x| format!("1.7**tanh({x})")),
            (inner.clone(), two, inner.clone()).prop_map(|(a, op, b)| {
                let close = if op.starts_with('/') { ")" } else { "" };
                format!("({a}{op}({b}){close})")
            }),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("max({a}, {b})")),
            inner.clone().prop_map(|x| format!("clamp({x}, -0.7, 0.9)")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("where({a} < 0.4, {b}, {c})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn slopes_match_central_differences_and_autograd(text in smooth(), p in -2.0..2.0_f64, t in -2.0..2.0_f64) {
        let loss = formula(&format!("0*d + {text}"));
        prop_assert_eq!(loss.check(), Ok(()));
        let h = 1e-5;
        let points = [p - 2.0 * h, p - h, p, p + h, p + 2.0 * h];
        let (rows, target) = (in_rows::<f64>(&points), in_rows::<f64>(&[t; LANES]));
        let (values, slopes) = fused(&loss, 1, &rows, &target).unwrap();
        let (their_values, their_slopes) = traced(&loss, 1, &rows, &target);
        let v = values[0];
        for i in 0..points.len() {
            prop_assert!(near(v[i], their_values[i], 1e-11), "{text}: {} {}", v[i], their_values[i]);
            prop_assert!(near(slopes[0][i], their_slopes[i], 1e-9), "{text}: {} {}", slopes[0][i], their_slopes[i]);
        }
        let scale = slopes[0][2].abs().max(v[2].abs()).max(1.0);
        // A kink or a jump nearby, or a value too large for differences.
        let kink = slopes[0][1..5].windows(2).any(|pair| (pair[0] - pair[1]).abs() > 1e-2 * scale);
        let estimate = (v[3] - v[1]) / (2.0 * h);
        let jump = (v[4] - 3.0 * v[3] + 3.0 * v[2] - v[1]).abs() > 1e-8 * scale;
        prop_assert!(kink || jump || (slopes[0][2] - estimate).abs() < 1e-4 * scale, "{text}: {} {estimate}", slopes[0][2]);
    }
}
