//! Every number that a rule compares with, by planted evidence close to it on both sides.

use records::evidence::exponent;

use super::*;

/// A path of 2000 segments by its slope, whose value follows it exactly but for the kinks.
fn fine(slope: impl Fn(usize) -> f64) -> Path {
    let slopes: Vec<f64> = (0..=2000).map(slope).collect();
    let mut values = vec![0.0];
    for pair in slopes.windows(2) {
        values.push(values[values.len() - 1] + 0.5 * (pair[0] + pair[1]) / 2000.0);
    }
    Path { values, slopes, stays: 1.0, finish: 0.01 }
}

/// A line with jumps of this height after some of its 200 segments.
fn jumps(height: f64, after: impl Fn(usize) -> bool) -> Path {
    let mut line = power(1.0);
    let mut risen = 0.0;
    for (k, value) in line.values.iter_mut().enumerate() {
        risen += if k > 0 && after(k - 1) { height } else { 0.0 };
        *value += risen;
    }
    line
}

/// One jump that makes this mismatch.
fn jump_of(mismatch: f64) -> Path {
    jumps(mismatch / (1.0 - mismatch), |k| k == 120)
}

/// A slope of 1 that rises to 20 at this of 2000 points.
fn cliff_at(place: f64) -> Path {
    fine(|k| if k as f64 >= place { 20.0 } else { 1.0 })
}

/// A slope that points downhill along this share of the movement.
fn uphill(share: f64) -> Path {
    let segments = (1998.0 * share).round() as usize;
    fine(|k| if (1000..=1000 + segments).contains(&k) { -1.0 } else { 1.0 })
}

fn steps(gain: f64) -> Rate {
    Rate { factor: 0.1, steps: (1000.0 / gain).round() as u64 }
}

/// What stands close to a number, or is that number where it can be hit: at `below` and `above` the same evidence has these
/// causes. A case is named after its constant, and after what else decides.
struct Case {
    name: &'static str,
    plant: fn(&mut Evidence, f64),
    below: (f64, &'static str),
    above: (f64, &'static str),
}

macro_rules! cases {
    ($($name:literal: $below:literal $has:literal, $above:literal $then:literal, $plant:expr;)*) => {
        const CASES: &[Case] = &[$(
            Case { name: $name, plant: $plant, below: ($below, $has), above: ($above, $then) }
        ),*];
    };
}

cases! {
    "MISMATCH": 0.0195 "", 0.0205 "detached_gradient",
        |e, x| e.paths = vec![path(|t| t * t, |t| 2.0 * t * (1.0 - x))];
    "MISMATCH of a jump": 0.0195 "", 0.0205 "jump", |e, x| e.paths = vec![jump_of(x)];
    "MISMATCH is the mean of the paths": 0.039 "", 0.041 "jump",
        |e, x| e.paths = vec![jump_of(x), power(1.0)];
    "MISMATCH all along is the mean of the paths": 0.039 "", 0.041 "detached_gradient",
        |e, x| e.paths = vec![path(|t| t * t, |t| 2.0 * t * (1.0 - x)), power(1.0)];
    "MISMATCH of a path that tells what it is": 0.0195 "jump", 0.0205 "detached_gradient",
        |e, x| e.paths = vec![jump_of(0.5), path(|t| t * t, |t| 2.0 * t * (1.0 - x))];
    // Of 201 points 190 are 94.5 %, and 192 are 95.5 %.
    "WITHOUT_GRADIENT": 190.0 "jump", 192.0 "detached_gradient", |e, x| {
        let mut flat = path(|_| 0.0, |t| f64::from(u8::from(200.0 * t >= x - 0.5)));
        flat.values = (0..201).map(|k| f64::from(u8::from(k >= 100)) + (f64::from(k) - x).max(0.0) / 200.0).collect();
        e.paths = vec![flat];
    };
    "JUMP_STAYS": 0.5 "", 0.51 "jump", |e, x| e.paths = vec![Path { stays: x, ..jump_of(0.5) }];
    // Nine tenths of 22 equal jumps are in 20 of 200 segments, and of 23 in 21.
    "FEW_SEGMENTS": 22.0 "jump", 23.0 "detached_gradient",
        |e, x| e.paths = vec![jumps(1.0, |k| k % 8 == 3 && (k as f64) < 8.0 * x)];
    "CLIFF": 5.0 "", 5.1 "cliff", |e, x| e.paths = vec![fine(|k| if k < 1200 { 1.0 } else { x })];
    // (1/0.9)^(q − 1) is 5 at the power 16.3; on this grid what is left out is up to a tenth more.
    "CLIFF of nine tenths of the distance": 15.7 "", 16.5 "cliff",
        |e, x| e.paths = vec![fine(|k| x * (k as f64 / 2000.0).powf(x - 1.0))];
    // The last point that is still within a twentieth of the path looks back to 0.045.
    "CLIFF from a twentieth of the path on": 89.0 "", 91.0 "cliff", |e, x| e.paths = vec![cliff_at(x)];
    "CLIFF outside of the tolerance": 0.49 "cliff", 0.51 "",
        |e, x| e.paths = vec![Path { finish: x, ..cliff_at(1000.0) }];
    "CLIFF beside a dead zone": 0.97e-6 "", 1.03e-6 "cliff",
        |e, x| e.paths = vec![fine(|k| if k < 1000 { x } else { 1.0 })];
    // Movement by less than 1e-11 of the value in each of 200 segments is rounding.
    "movement": 4.9e8 "detached_gradient", 5.1e8 "", |e, x| e.paths = vec![path(|t| x + t, |_| 0.0)];
    "NOISE": 2.0 "", 2.05 "noisy_gradient",
        |e, x| e.noise = Some(Noise { at_start: x, at_finish: 9.0, frozen_reached: Some(9) });
    "NOISE at the finish": 2.0 "", 2.05 "noisy_gradient", |e, x| {
        e.baseline.reached = None;
        e.noise = Some(Noise { at_start: 0.0, at_finish: x, frozen_reached: Some(9) });
    };
    "BIAS": 0.049 "", 0.051 "biased_minimizer", |e, x| {
        e.baseline.start_error = 2.0;
        e.bias = Some(Bias { error: 0.1 + 2.0 * x, unavoidable: 0.1, least: -1.0, ..Bias::default() });
    };
    "BIAS over the start": 0.05 "", 0.051 "biased_minimizer", |e, x| {
        e.baseline.start_error = 2.0;
        e.bias = Some(Bias { error: 2.0 * x, ..Bias::default() });
    };
    "BIAS_DROP": 0.97e-6 "", 1.03e-6 "biased_minimizer", |e, x| {
        e.baseline.start_loss = 5.0;
        let at_target = Some(1.0 + 4.0 * x);
        e.bias = Some(Bias { error: 0.5, least: 1.0, at_target, ..Bias::default() });
    };
    "PRECISION": 0.5 "", 0.51 "precision_floor",
        |e, x| e.precision = Some(Precision { relative_difference: x, ..Precision::default() });
    "half of the tolerance": 0.5 "", 0.51 "precision_floor", |e, x| {
        e.precision = Some(Precision { resolution: x * e.baseline.tolerance, ..Precision::default() });
    };
    "SADDLE_CURVATURE": 0.02 "", 0.0205 "saddle_point", |e, x| {
        e.saddle = Some(Saddle { least: -3.0 * x, scale: 3.0, ..SADDLE });
    };
    "SADDLE_GRADIENT": 0.098 "saddle_point", 0.1 "", |e, x| {
        e.saddle = Some(Saddle { least: -2.0, distance: 3.0, gradient: 6.0 * x, steepest: 100.0, ..SADDLE });
    };
    "SADDLE_GRADIENT over the steepest": 0.098 "saddle_point", 0.1 "", |e, x| {
        e.saddle = Some(Saddle { distance: 100.0, gradient: 4.0 * x, steepest: 4.0, ..SADDLE });
    };
    "SADDLE_LEFT": 0.325 "saddle_point", 0.33 "", |e, x| e.saddle = Some(Saddle { left: x, ..SADDLE });
    "UPHILL": 0.0195 "", 0.0205 "local_minima", |e, x| e.paths = vec![uphill(x)];
    "UPHILL is the mean of the paths that move": 0.039 "", 0.041 "local_minima",
        |e, x| e.paths = vec![uphill(x), power(1.0), path(|_| 1.0, |_| 0.0)];
    "TRAPPED": 0.01 "", 0.0102 "local_minima", |e, x| {
        (e.single, e.baseline.reached, e.baseline.trapped) = (false, None, x);
        e.paths = vec![ripples()];
    };
    "ASYMMETRY": 4.0 "", 4.1 "asymmetry", |e, x| e.sides = Some(Sides { ratio: x, ..Sides::default() });
    "ASYMMETRY to the other side": 4.0 "", 4.1 "asymmetry",
        |e, x| e.sides = Some(Sides { ratio: 1.0 / x, ..Sides::default() });
    "GAMMA": 0.098 "plateau", 0.1 "", |e, x| e.plateau = Some(Plateau { joint: x, ..Plateau::default() });
    "GAMMA below 0": -0.1 "", -0.098 "plateau",
        |e, x| e.plateau = Some(Plateau { joint: x, ..Plateau::default() });
    "GAMMA of an element": 0.098 "plateau", 0.1 "", |e, x| {
        e.plateau = Some(Plateau { joint: 1.0, elements: vec![1.0, 1.0, x, 1.0, 1.0], ..Plateau::default() });
    };
    "ON_PLATEAU": 49.0 "", 50.0 "plateau", |e, x| {
        let elements = (0..250).map(|k| if f64::from(k) < x { 0.0 } else { 1.0 }).collect();
        e.plateau = Some(Plateau { joint: 1.0, elements, ..Plateau::default() });
    };
    "ON_PLATEAU along the way": 0.199 "", 0.2 "plateau",
        |e, x| e.plateau = Some(Plateau { joint: 1.0, way: x, ..Plateau::default() });
    "SATURATED": 0.098 "saturated_activation", 0.1 "plateau", |e, x| {
        e.plateau = Some(Plateau { joint: 0.004, whatever_target: Some(x), ..Plateau::default() });
    };
    "DEAD_LAYER": 0.0098 "saturated_activation", 0.01 "",
        |e, x| e.dead_layer = Some(DeadLayer { share: x, gradient_gain: 50.0, ..DeadLayer::default() });
    "GRADIENT_GAIN": 10.0 "", 10.2 "saturated_activation",
        |e, x| e.dead_layer = Some(DeadLayer { share: 0.001, gradient_gain: x, ..DeadLayer::default() });
    "FLAT_EXPONENT": 3.1 "", 3.15 "flat_minimum", |e, x| e.exponent = Some(x);
    // The median of the points, and the largest over the smallest of three terms.
    "IMBALANCE": 30.0 "", 30.5 "term_imbalance", |e, x| {
        let of = |middle: f64| Term { on_path: vec![2.0, 2.0, 2.0 * middle, 900.0, 900.0], ..term(1.0, 0.0, true) };
        let least = Term { on_path: vec![2.0; 5], ..term(1.0, 0.0, true) };
        e.terms = vec![of(3.0), least, of(x)];
    };
    "CONFLICT": 0.05 "", 0.051 "term_conflict",
        |e, x| e.terms = vec![term(1.0, 0.0, true), term(3.0, 4.0 * x, false)];
    "CONDITION": 300.0 "", 306.0 "ill_conditioning",
        |e, x| e.curvature = Some(Curvature { condition: x, scaled: None });
    "UPDATE_COSINE": -0.305 "lr_too_large", -0.3 "",
        |e, x| (e.baseline.update_cosine, e.best_smaller) = (x, Some(steps(10.0)));
    "OVERSHOOT": 2.0 "", 2.04 "lr_too_large",
        |e, x| (e.baseline.overshoot, e.best_smaller) = (x, Some(steps(10.0)));
    "SMALLER_GAINS": 2.95 "", 3.0 "lr_too_large", |e, x| {
        (e.baseline.update_cosine, e.baseline.reached) = (-1.0, Some((300.0 * x) as u64));
        e.best_smaller = Some(Rate { factor: 0.1, steps: 300 });
    };
    "LARGER": 29.5 "", 30.0 "lr_too_small", |e, x| e.best_rate = Some(Rate { factor: x, steps: 10 });
    "LARGER for each of several predictions": 7.4 "", 7.5 "lr_too_small",
        |e, x| (e.parameters, e.best_rate) = (4, Some(Rate { factor: 16.0 * x, steps: 10 }));
    "LARGER for several predictions that don't arrive": 29.5 "", 30.0 "lr_too_small", |e, x| {
        (e.parameters, e.baseline.reached) = (4, None);
        e.best_rate = Some(Rate { factor: x, steps: 10 });
    };
    "LARGER_GAINS": 4.9 "", 5.0 "lr_too_small",
        |e, x| e.best_rate = Some(Rate { factor: 50.0, ..steps(x) });
    "FEW_STEPS": 500.0 "", 501.0 "lr_too_small", |e, x| {
        e.baseline.reached = Some(x as u64);
        e.best_rate = Some(Rate { factor: 50.0, steps: 10 });
    };
    "FEW_STEPS of a layer": 500.0 "", 501.0 "saturated_activation", |e, x| {
        e.baseline.reached = Some(x as u64);
        e.dead_layer = Some(DeadLayer { share: 0.0, gradient_gain: 50.0, ..DeadLayer::default() });
    };
    "FEW_STEPS past a saddle of a model": 500.0 "", 501.0 "saddle_point",
        |e, x| (e.single, e.baseline.reached, e.saddle) = (false, Some(x as u64), Some(SADDLE));
    "FEW_STEPS where curvatures differ": 500.0 "", 501.0 "ill_conditioning", |e, x| {
        e.baseline.reached = Some(x as u64);
        e.curvature = Some(Curvature { condition: 1e4, scaled: None });
    };
}

#[test]
fn a_rule_turns_where_its_number_is() {
    for Case { name, plant, below, above } in CASES {
        for (x, expected) in [below, above] {
            let codes: Vec<&str> = causes(|e| plant(e, *x)).into_iter().map(Cause::code).collect();
            assert_eq!(codes.join(" "), *expected, "{name}: {x}");
        }
    }
}

/// Every threshold has a case, but for what only measuring needs.
#[test]
fn no_number_is_without_a_case() {
    let thresholds = Cause::ALL.iter().flat_map(|cause| cause.rule().thresholds);
    let names: Vec<&str> =
        thresholds.map(|threshold| threshold.name).filter(|name| *name != "ENDLESS").collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        let named = |case: &&Case| case.name.split(' ').next() == Some(name);
        assert!(CASES.iter().any(|case| named(&case)), "{name} has no case");
    }
}

/// 333 of 1000 steps are a gain of three, and 50 steps are soon done whatever could be faster.
#[test]
fn a_remedy_must_gain_three_times_in_more_than_fifty_steps() {
    let slows = |reached: u64, steps: u64| {
        let mut e = parabola();
        e.baseline.reached = Some(reached);
        let finding = finding(Cause::Plateau, "because");
        let fixes = vec![tried("a", Some(steps), None, &[Cause::Plateau])];
        verdict(&e, vec![finding], fixes, String::new()).slows_descent
    };
    assert_eq!([340, 334, 333, 327].map(|steps| slows(1000, steps)), [false, false, true, true]);
    assert_eq!([50, 51].map(|reached| slows(reached, 0)), [false, true]);
    // A remedy for something else says nothing about it, and neither does one that never arrives.
    let of = |fix: FixResult| {
        let finding = finding(Cause::Plateau, "because");
        verdict(&parabola(), vec![finding], vec![fix], String::new()).slows_descent
    };
    assert!(
        !of(tried("a", Some(1), None, &[Cause::Cliff])) && !of(tried("a", None, None, &[Cause::Plateau]))
    );
    // A run that never arrives is slowed by anything but an asymmetry, which only biases.
    let stuck = |cause| {
        let mut e = parabola();
        e.baseline.reached = None;
        verdict(&e, vec![finding(cause, "because")], vec![], String::new()).slows_descent
    };
    assert_eq!([Cause::Asymmetry, Cause::Plateau, Cause::Jump].map(stuck), [false, true, true]);
}

#[test]
fn scaling_helps_where_it_leaves_less_than_a_tenth() {
    let says = |scaled: f64| {
        let mut e = parabola();
        e.curvature = Some(Curvature { condition: 1e4, scaled: Some(scaled) });
        find_all(&e).remove(0).evidence
    };
    assert!(says(990.0).contains("which Adam scales away"), "{}", says(990.0));
    assert!(says(1010.0).contains("momentum or L-BFGS"), "{}", says(1010.0));
}

#[test]
fn a_run_overshoots_where_its_error_doubles() {
    let says = |overshoot: f64| {
        let mut e = parabola();
        (e.baseline.overshoot, e.baseline.update_cosine, e.best_smaller) =
            (overshoot, -1.0, Some(steps(10.0)));
        find_all(&e).remove(0).evidence
    };
    assert!(says(1.96).starts_with("successive steps point back and forth"), "{}", says(1.96));
    assert!(says(2.04).starts_with("the error first grows 2.04 times"), "{}", says(2.04));
}

#[test]
fn an_exponent_needs_half_of_the_points_above_the_minimum() {
    let errors = [0.1, 0.2, 0.4, 0.8];
    let squares = exponent(&errors, &[0.0, 0.0, 0.16, 0.64]);
    assert!((squares.unwrap() - 2.0).abs() < 1e-12);
    assert_eq!(exponent(&errors, &[0.0, 0.0, 0.0, 0.64]), Some(f64::INFINITY));
}

/// What fires by itself, one after another in the order of the rules, and what silences it.
type Plant = (Cause, fn(&mut Evidence), &'static [Cause]);

const BROKEN: [Cause; 7] = [
    Cause::NonFinite,
    Cause::DetachedGradient,
    Cause::Jump,
    Cause::UnboundedBelow,
    Cause::PrecisionFloor,
    Cause::SaddlePoint,
    Cause::SaturatedActivation,
];
const BROKEN_OR_BIASED: [Cause; 8] = [
    Cause::NonFinite,
    Cause::DetachedGradient,
    Cause::Jump,
    Cause::UnboundedBelow,
    Cause::BiasedMinimizer,
    Cause::PrecisionFloor,
    Cause::SaddlePoint,
    Cause::SaturatedActivation,
];
const BROKEN_OR_FLAT: [Cause; 9] = [
    Cause::NonFinite,
    Cause::DetachedGradient,
    Cause::Jump,
    Cause::UnboundedBelow,
    Cause::PrecisionFloor,
    Cause::SaddlePoint,
    Cause::SaturatedActivation,
    Cause::Plateau,
    Cause::FlatMinimum,
];
/// What a rate doesn't mend; a jump, an asymmetry and a conflict slow nothing by themselves.
const SLOWING: [Cause; 16] = [
    Cause::ShapeBroadcast,
    Cause::NonFinite,
    Cause::DetachedGradient,
    Cause::Cliff,
    Cause::NoisyGradient,
    Cause::UnboundedBelow,
    Cause::BiasedMinimizer,
    Cause::PrecisionFloor,
    Cause::SaddlePoint,
    Cause::LocalMinima,
    Cause::SaturatedActivation,
    Cause::Plateau,
    Cause::FlatMinimum,
    Cause::TermImbalance,
    Cause::IllConditioning,
    Cause::LrTooLarge,
];

const PLANTS: [Plant; 20] = [
    (
        Cause::ShapeBroadcast,
        |e| e.shapes = Some(Shapes { prediction: vec![4], target: vec![4, 1], matters: true }),
        &[],
    ),
    (
        Cause::NonFinite,
        |e| e.non_finite = Some(NonFinite { place: "at the start".into(), in_run: true, what: "the loss" }),
        &[],
    ),
    (
        Cause::SaturatedActivation,
        |e| {
            e.dead_layer =
                Some(DeadLayer { share: 0.0, gradient_gain: f64::INFINITY, ..DeadLayer::default() });
        },
        &[],
    ),
    (Cause::DetachedGradient, |e| e.no_gradient = Some("detached".into()), &[]),
    (Cause::Jump, |e| e.paths.push(jump_of(0.9)), &[Cause::DetachedGradient, Cause::SaturatedActivation]),
    (
        Cause::Cliff,
        |e| e.paths.push(cliff_at(1200.0)),
        &[Cause::DetachedGradient, Cause::SaturatedActivation],
    ),
    (Cause::NoisyGradient, |e| e.noise = Some(Noise { at_start: 5.0, ..Noise::default() }), &[]),
    (Cause::UnboundedBelow, |e| e.fall = Some(Fall { direction: "down".into(), values: vec![-1.0; 6] }), &[]),
    (
        Cause::BiasedMinimizer,
        |e| e.bias = Some(Bias { error: 0.5, ..Bias::default() }),
        &[Cause::UnboundedBelow, Cause::ShapeBroadcast],
    ),
    (
        Cause::PrecisionFloor,
        |e| e.precision = Some(Precision { relative_difference: 3.0, ..Precision::default() }),
        &[],
    ),
    (Cause::SaddlePoint, |e| e.saddle = Some(SADDLE), &[Cause::SaturatedActivation]),
    (Cause::LocalMinima, |e| e.paths.push(uphill(0.2)), &BROKEN),
    (Cause::Asymmetry, |e| e.sides = Some(Sides { ratio: 9.0, ..Sides::default() }), &BROKEN_OR_BIASED),
    (Cause::Plateau, |e| e.plateau = Some(Plateau { joint: 0.004, ..Plateau::default() }), &BROKEN),
    (Cause::FlatMinimum, |e| e.exponent = Some(4.0), &BROKEN_OR_BIASED),
    (
        Cause::TermImbalance,
        |e| {
            for (term, k) in e.terms.iter_mut().zip([1.0, 100.0]) {
                term.on_path = vec![k; 4];
            }
        },
        &[],
    ),
    (Cause::TermConflict, |e| e.terms.iter_mut().for_each(|term| term.at_minimum = 0.5), &[]),
    (
        Cause::IllConditioning,
        |e| e.curvature = Some(Curvature { condition: 1e4, scaled: None }),
        &BROKEN_OR_FLAT,
    ),
    (Cause::LrTooLarge, |e| (e.baseline.overshoot, e.best_smaller) = (3.0, Some(steps(10.0))), &SLOWING),
    (Cause::LrTooSmall, |e| e.best_rate = Some(Rate { factor: 50.0, steps: 10 }), &SLOWING),
];

#[test]
fn each_cause_silences_what_it_invalidates_and_nothing_else() {
    for (later, &(cause, plant, silenced)) in PLANTS.iter().enumerate() {
        for &(earlier, before, _) in &PLANTS[..later] {
            let found = causes(|e| {
                // A term without a goal, so that a conflict is none of goals.
                e.terms = vec![term(1.0, 0.0, false), term(1.0, 0.0, false)];
                before(e);
                plant(e);
            });
            let expected = if silenced.contains(&earlier) { vec![earlier] } else { vec![earlier, cause] };
            assert_eq!(found, expected, "{cause:?} after {earlier:?}");
        }
    }
}
