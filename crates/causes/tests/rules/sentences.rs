//! The numbers of each sentence are those that it speaks of: no two of them are alike here.

use serde_json::json;

use super::*;

type Case = (Cause, fn(&mut Evidence), &'static str);

const CASES: [Case; 32] = [
    (
        Cause::ShapeBroadcast,
        |e| e.shapes = Some(Shapes { prediction: vec![4], target: vec![4, 1], matters: true }),
        "prediction [4] and target [4, 1] have as many elements, but broadcast into pairs of every prediction with every target",
    ),
    (
        Cause::NonFinite,
        |e| e.non_finite = Some(NonFinite { place: "on the way".into(), in_run: true, what: "the gradient" }),
        "the gradient isn't finite on the way",
    ),
    (
        Cause::SaturatedActivation,
        |e| e.dead_layer = Some(DeadLayer { shape: vec![16, 2], share: 0.005, gradient_gain: 25.0 }),
        "at the start the parameters [16, 2] get 0.5 % of the gradient, and 25 times as much where they are drawn anew at the usual size: the activation behind them is saturated or dead",
    ),
    (
        Cause::SaturatedActivation,
        |e| e.dead_layer = Some(DeadLayer { shape: vec![8], share: 0.0, gradient_gain: f64::INFINITY }),
        "at the start the parameters [8] get 0 % of the gradient, and some where they are drawn anew at the usual size: the activation behind them is saturated or dead",
    ),
    (
        Cause::DetachedGradient,
        |e| e.no_gradient = Some("it said so".into()),
        "the loss has no gradient by the prediction: it said so",
    ),
    (
        Cause::DetachedGradient,
        |e| e.constant = true,
        "the loss is the same number whatever the prediction, and its gradient is 0",
    ),
    // A slope at 10 of 201 points.
    (
        Cause::DetachedGradient,
        |e| e.paths = vec![path(|t| (50.0 * t).round(), |t| if t < 0.048 { 1e-9 } else { 0.0 })],
        "the gradient is 0 on 95 % of the way, while the loss changes: an operation in it has no derivative (round, sign, a comparison, argmax)",
    ),
    (
        Cause::DetachedGradient,
        |e| e.paths = vec![path(|t| t * t, |t| 0.5 * t)],
        "the gradient doesn't explain 75 % of what the loss changes on the way, all along it: part of it is detached, or its derivative is wrong",
    ),
    (
        Cause::Jump,
        |e| e.paths = vec![path(|t| if t < 0.6 { t } else { t + 1.0 }, |_| 1.0)],
        "50 % of what the loss changes on the way happens at single points, which the gradient doesn't see",
    ),
    (
        Cause::Cliff,
        |e| {
            let kink = |t: f64| if t < 0.6 { t } else { 0.6 + 7.0 * (t - 0.6) };
            e.paths = vec![power(1.0), path(kink, |t| if t < 0.6 { 1.0 } else { 7.0 })];
        },
        "at 60 % of the way from the minimum to the start, the slope is 7 times everything nearer",
    ),
    (
        Cause::NoisyGradient,
        |e| e.noise = Some(Noise { at_start: 5.0, at_finish: 9.0, frozen_reached: None }),
        "the gradients of single steps vary with 5 times the power of their mean, at the start",
    ),
    (
        Cause::NoisyGradient,
        |e| {
            (e.baseline.reached, e.baseline.end_error) = (None, 0.25);
            e.noise = Some(Noise { at_start: 0.5, at_finish: 9.0, frozen_reached: Some(120) });
        },
        "without noise the run takes 120 steps; with it, it hovers at an error of 0.25, where the noise has 9 times the power of the gradient",
    ),
    (
        Cause::UnboundedBelow,
        |e| {
            let values = vec![-1.0, -10.0, -100.0, -1000.0, f64::NAN, f64::NAN];
            e.fall = Some(Fall { direction: "down the gradient".into(), values });
        },
        "down the gradient, the loss falls without end: -1000 at 10³ times the distance of the start",
    ),
    (
        Cause::UnboundedBelow,
        |e| {
            e.fall =
                Some(Fall { direction: "down".into(), values: vec![-1.0, -2.0, -3.0, -4.0, -5.0, -6.0] });
        },
        "down, the loss falls without end: -6 at 10⁵ times the distance of the start",
    ),
    (
        Cause::BiasedMinimizer,
        |e| {
            e.bias = Some(Bias {
                error: 0.6,
                unavoidable: 0.1,
                least: -2.0,
                at_target: Some(0.3),
                shift: Some(-0.5),
                line: Some((2.75, 1.25)),
            });
        },
        "the loss is least where the error is 0.6, -0.5 from the target; its value there is -2, and 0.3 at the target; a line fit of y = 3x + 2 ends at slope 2.75 and intercept 1.25",
    ),
    (
        Cause::BiasedMinimizer,
        |e| e.bias = Some(Bias { error: 0.6, ..Bias::default() }),
        "the loss is least where the error is 0.6",
    ),
    (
        Cause::PrecisionFloor,
        |e| e.precision = Some(Precision { relative_difference: 3.0, at_error: 0.2, resolution: 0.04 }),
        "float32 can't hold the solution: rounding it leaves an error of 0.04, and the tolerance is 0.05",
    ),
    (
        Cause::PrecisionFloor,
        |e| e.precision = Some(Precision { relative_difference: 3.0, at_error: 0.2, resolution: 0.001 }),
        "at an error of 0.2, the float32 gradient differs from the float64 one by 300 % of it",
    ),
    (
        Cause::SaddlePoint,
        |e| e.saddle = Some(Saddle { least: -1.5, greatest: 4.0, gradient: 0.001, distance: 2.5, ..SADDLE }),
        "at the start the gradient is 0.001 though the minimum is 2.5 away, and curvatures reach from -1.5 to 4",
    ),
    (
        Cause::SaddlePoint,
        |e| e.saddle = Some(Saddle { step: 17, ..SADDLE }),
        "at step 17 the gradient is 0.001 though the minimum is 1 away, and curvatures reach from -1 to 1",
    ),
    // Down by 1 over three quarters of the movement, and up by a third of that.
    (
        Cause::LocalMinima,
        |e| {
            let slope = |t: f64| if (0.25..0.5).contains(&t) { -1.0 } else { 1.0 };
            let value = |t: f64| t.min(0.25) - (t - 0.25).clamp(0.0, 0.25) + (t - 0.5).max(0.0);
            e.paths = vec![path(value, slope)];
        },
        "25 % of what the loss changes on the way to the minimum goes uphill",
    ),
    (
        Cause::Asymmetry,
        |e| {
            e.sides =
                Some(Sides { distance: 0.5, ratio: 8.0, bias: Some(-0.64), intercepts: Some((1.35, 2.11)) });
        },
        "at 0.5 from the minimum the slope above is 8 times that below; a noisy fit would be off by -0.64 σ of its noise (a line with intercept 2 and σ = 1 is fitted with 1.35, by squares with 2.11)",
    ),
    (
        Cause::Asymmetry,
        |e| e.sides = Some(Sides { distance: 0.5, ratio: 0.125, bias: None, intercepts: None }),
        "at 0.5 from the minimum the slope below is 8 times that above",
    ),
    (
        Cause::Plateau,
        |e| {
            let edge = Some((0.75, 1000.0));
            let elements = vec![0.01, 0.02, 1.0, 2.0];
            e.plateau = Some(Plateau { joint: 0.5, elements, edge, ..Plateau::default() });
        },
        "beyond a residual of 0.75 the slope is 1000 times smaller; 50 % of the start lies on it; γ is 0.5 at the start (1 or more for every convex loss)",
    ),
    (
        Cause::SaturatedActivation,
        |e| e.plateau = Some(Plateau { joint: 0.004, whatever_target: Some(0.03), ..Plateau::default() }),
        "whatever the target, the slope at the start's flat predictions is at most 3 % of that on their way: it is the activation; γ is 0.004 at the start (1 or more for every convex loss)",
    ),
    (
        Cause::FlatMinimum,
        |e| e.exponent = Some(4.5),
        "near the minimum the loss falls as the error to the power 4.5",
    ),
    (
        Cause::FlatMinimum,
        |e| e.exponent = Some(f64::INFINITY),
        "the loss is as low as it gets while the error is still above the tolerance",
    ),
    (
        Cause::TermImbalance,
        |e| {
            let named = |name: &str, norm| Term { name: name.into(), ..term(norm, 0.0, true) };
            e.terms = vec![named("weak", 0.5), named("strong", 20.0), named("other", 2.0)];
        },
        "the gradient of `strong` is 40 times that of the smallest term on the way",
    ),
    (
        Cause::TermConflict,
        |e| e.terms = vec![term(1.0, 0.75, true), term(3.0, 0.25, true)],
        "at the minimum the terms still pull with 25 % of the strength that they have at the start",
    ),
    (
        Cause::LrTooLarge,
        |e| {
            (e.baseline.reached, e.baseline.diverged) = (None, Some(20));
            e.best_smaller = Some(Rate { factor: 0.1, steps: 30 });
        },
        "the run diverges at step 20; at 0.1 times the rate it takes 30 steps",
    ),
    (
        Cause::LrTooLarge,
        |e| (e.baseline.update_cosine, e.best_smaller) = (-0.75, Some(Rate { factor: 0.25, steps: 40 })),
        "successive steps point back and forth (mean cosine -0.75); at 0.25 times the rate it takes 40 steps",
    ),
    (
        Cause::LrTooSmall,
        |e| e.best_rate = Some(Rate { factor: 100.0, steps: 12 }),
        "at 100 times the rate the same run takes 12 steps",
    ),
];

#[test]
fn sentences_say_their_own_numbers() {
    for (cause, plant, expected) in CASES {
        let mut evidence = parabola();
        plant(&mut evidence);
        let findings = find_all(&evidence);
        let found: Vec<(Cause, &str)> =
            findings.iter().map(|finding| (finding.cause, &*finding.evidence)).collect();
        assert_eq!(found, [(cause, expected)]);
    }
}

#[test]
fn values_are_what_the_sentence_shows() {
    let values = |plant: fn(&mut Evidence)| {
        let mut evidence = parabola();
        plant(&mut evidence);
        serde_json::to_value(&find_all(&evidence)[0]).unwrap()["values"].take()
    };
    let shapes = values(|e| {
        e.shapes = Some(Shapes { prediction: vec![4], target: vec![4, 1], matters: true });
    });
    assert_eq!(shapes, json!({ "prediction": [4], "target": [4, 1] }));
    let bias = values(|e| e.bias = Some(Bias { error: 0.6, shift: Some(-0.5), ..Bias::default() }));
    assert_eq!(bias, json!({ "error": 0.6, "shift": -0.5 }));
    let fall = values(|e| {
        let values = vec![-1.0, -10.0, f64::NEG_INFINITY, f64::NAN, f64::NAN, f64::NAN];
        e.fall = Some(Fall { direction: "down".into(), values });
    });
    assert_eq!(fall, json!({ "direction": "down", "loss": null, "distance": 100 }));
    let layer =
        values(|e| e.dead_layer = Some(DeadLayer { shape: vec![16, 2], share: 0.005, gradient_gain: 25.0 }));
    assert_eq!(layer, json!({ "shape": [16, 2], "share": 0.005, "gain": 25.0 }));
    assert_eq!(values(|e| e.constant = true), json!({}));
}

/// Whatever a sentence shows is among its values, and no more.
#[test]
fn every_value_is_in_its_sentence() {
    for (cause, plant, expected) in CASES {
        let mut evidence = parabola();
        plant(&mut evidence);
        for (name, value) in &find_all(&evidence)[0].values {
            let shown = [format!("{value}"), format!("{value:#}")];
            let in_words = matches!(*name, "step" | "distance");
            assert!(in_words || shown.iter().any(|text| expected.contains(text)), "{cause}: {name} {value}");
        }
    }
}

#[test]
fn verdicts_name_the_run_the_cause_and_the_best_remedy() {
    let verdict = |reached: Option<u64>, cause, fixes: Vec<FixResult>| {
        let mut e = parabola();
        e.baseline.reached = reached;
        let finding = finding(cause, "the slope is 0");
        verdict(&e, vec![finding], fixes, String::new()).verdict
    };
    let fast = || tried("huber", Some(40), None, &[Cause::Plateau]);
    assert_eq!(
        verdict(Some(1000), Cause::Plateau, vec![fast(), tried("adam", Some(30), None, &[])]),
        "Slow by a plateau: The slope is 0. Your run needs 1000 steps; adam needs 30."
    );
    assert_eq!(
        verdict(None, Cause::Plateau, vec![fast()]),
        "Slow by a plateau: The slope is 0. Your run doesn't arrive within 2000 steps; huber needs 40."
    );
    assert_eq!(
        verdict(None, Cause::Cliff, vec![tried("clip", None, None, &[Cause::Cliff])]),
        "Slow by a cliff: The slope is 0. Your run doesn't arrive within 2000 steps, and no fix that was tried does \
         better."
    );
    assert_eq!(
        verdict(None, Cause::Asymmetry, vec![fast()]),
        "Flagged, but not what slows you: an asymmetry. The slope is 0. Your run doesn't arrive within 2000 steps."
    );
}
