//! The rules over measured numbers: each fires on what it is for, and on nothing healthy.

mod sentences;
mod thresholds;

use causes::{Cause, Finding, FixResult, LineFit, find_all, verdict};
use records::evidence::{
    Baseline, Bias, Curvature, DeadLayer, Evidence, Fall, Noise, NonFinite, Path, Plateau, Precision, Rate,
    Saddle, Shapes, Sides, Term,
};

/// A path from a minimum at 0, by value and slope.
fn path(value: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Path {
    let t = |k: usize| k as f64 / 200.0;
    Path {
        values: (0..=200).map(|k| value(t(k))).collect(),
        slopes: (0..=200).map(|k| slope(t(k))).collect(),
        stays: 1.0,
        finish: 0.05,
    }
}

fn power(q: f64) -> Path {
    path(|t| t.powf(q), |t| q * t.powf(q - 1.0))
}

fn ripples() -> Path {
    path(|t| t * t + 0.2 * (1.0 - (20.0 * t).cos()), |t| 2.0 * t + 4.0 * (20.0 * t).sin())
}

/// A parabola that is descended in 1000 of 2000 steps.
fn parabola() -> Evidence {
    Evidence {
        baseline: Baseline {
            budget: 2000,
            reached: Some(1000),
            tolerance: 0.05,
            start_error: 1.0,
            end_error: 0.05,
            start_loss: 1.0,
            update_cosine: 1.0,
            overshoot: 1.0,
            ..Baseline::default()
        },
        paths: vec![power(2.0)],
        single: true,
        parameters: 1,
        bias: Some(Bias { at_target: Some(0.0), ..Bias::default() }),
        precision: Some(Precision { relative_difference: 1e-6, at_error: 0.05, resolution: 1e-8 }),
        sides: Some(Sides { distance: 1.0, ratio: 1.0, bias: Some(0.0), intercepts: None }),
        plateau: Some(Plateau { joint: 2.0, elements: vec![2.0; 4], ..Plateau::default() }),
        exponent: Some(2.0),
        curvature: Some(Curvature { condition: 1.0, scaled: Some(1.0) }),
        best_rate: Some(Rate { factor: 3.0, steps: 300 }),
        ..Evidence::default()
    }
}

fn causes(change: impl FnOnce(&mut Evidence)) -> Vec<Cause> {
    let mut evidence = parabola();
    change(&mut evidence);
    find_all(&evidence).into_iter().map(|finding| finding.cause).collect()
}

fn term(at_start: f64, at_minimum: f64, is_goal: bool) -> Term {
    Term { name: "t".into(), on_path: vec![at_start; 4], at_minimum, at_start, is_goal }
}

/// A point from which the gradient vanishes toward a saddle.
const SADDLE: Saddle = Saddle {
    least: -1.0,
    greatest: 1.0,
    scale: 1.0,
    gradient: 0.001,
    steepest: 1.0,
    distance: 1.0,
    left: 0.0,
    step: 0,
};

#[test]
fn nothing_is_found_in_a_parabola() {
    assert_eq!(causes(|_| ()), []);
}

macro_rules! fires {
    ($($name:ident: $cause:ident, $change:expr;)*) => {$(
        #[test]
        fn $name() {
            assert_eq!(causes($change), [Cause::$cause]);
        }
    )*};
}

fires! {
    pairs: ShapeBroadcast, |e| {
        e.shapes = Some(Shapes { prediction: vec![4], target: vec![4, 1], matters: true });
    };
    nan: NonFinite, |e| {
        e.non_finite = Some(NonFinite { place: "at the start".into(), in_run: true, what: "the loss" });
    };
    no_graph: DetachedGradient, |e| e.no_gradient = Some("detached".into());
    a_constant: DetachedGradient, |e| e.constant = true;
    rounding: DetachedGradient, |e| e.paths = vec![path(|t| (20.0 * t).round(), |_| 0.0)];
    half_detached: DetachedGradient, |e| e.paths = vec![path(|t| t * t, |t| t)];
    a_jump: Jump, |e| e.paths = vec![path(|t| if t < 0.601 { t * t } else { t * t + 1.0 }, |t| 2.0 * t)];
    a_cliff: Cliff, |e| {
        e.paths = vec![path(
            |t| if t < 0.6 { t } else { 0.6 + 20.0 * (t - 0.6) },
            |t| if t < 0.6 { 1.0 } else { 20.0 },
        )];
    };
    noise: NoisyGradient, |e| e.noise = Some(Noise { at_start: 5.0, ..Noise::default() });
    a_fall: UnboundedBelow, |e| e.fall = Some(Fall { direction: "down".into(), values: vec![-1.0; 6] });
    a_bias: BiasedMinimizer, |e| {
        e.bias = Some(Bias { error: 0.5, least: -1.0, at_target: Some(0.0), ..Bias::default() });
    };
    relative_difference: PrecisionFloor, |e| e.precision = Some(Precision { relative_difference: 3.0, ..Precision::default() });
    resolution: PrecisionFloor, |e| e.precision = Some(Precision { resolution: 0.1, ..Precision::default() });
    a_saddle: SaddlePoint, |e| e.saddle = Some(SADDLE);
    hills: LocalMinima, |e| e.paths = vec![ripples()];
    sides: Asymmetry, |e| e.sides = Some(Sides { ratio: 0.1, ..Sides::default() });
    all_flat: Plateau, |e| e.plateau = Some(Plateau { joint: 0.004, ..Plateau::default() });
    a_quarter_flat: Plateau, |e| {
        e.plateau = Some(Plateau { joint: 1.0, elements: vec![0.01, 1.0, 1.0, 1.0], ..Plateau::default() });
    };
    an_activation: SaturatedActivation, |e| {
        e.plateau = Some(Plateau { joint: 0.004, whatever_target: Some(0.01), ..Plateau::default() });
    };
    a_dead_layer: SaturatedActivation, |e| {
        e.dead_layer = Some(DeadLayer { shape: vec![16, 1], share: 0.0, gradient_gain: f64::INFINITY });
        // What straight lines through such a model show is no finding.
        (e.single, e.baseline.reached, e.baseline.trapped) = (false, None, 1.0);
        e.paths = vec![ripples()];
        e.saddle = Some(SADDLE);
    };
    a_fourth_power: FlatMinimum, |e| e.exponent = Some(4.0);
    unequal_terms: TermImbalance, |e| e.terms = vec![term(100.0, 0.0, true), term(1.0, 0.0, true)];
    terms_that_pull: TermConflict, |e| e.terms = vec![term(1.0, 0.4, true), term(1.0, 0.4, true)];
    curvatures: IllConditioning, |e| e.curvature = Some(Curvature { condition: 1e4, scaled: Some(1.0) });
    divergence: LrTooLarge, |e| {
        e.baseline.reached = None;
        e.baseline.diverged = Some(20);
        e.best_smaller = Some(Rate { factor: 0.1, steps: 30 });
    };
    a_tiny_rate: LrTooSmall, |e| e.best_rate = Some(Rate { factor: 100.0, steps: 10 });
}

#[test]
fn what_looks_like_a_cause_and_is_none_is_left_alone() {
    let shapes = Shapes { prediction: vec![4], target: vec![1, 4], matters: false };
    assert_eq!(causes(|e| e.shapes = Some(shapes)), []);
    for q in [1.0, 1.5, 3.0] {
        assert_eq!(causes(|e| e.paths = vec![power(q)]), [], "{q}");
    }
    // A tensor that has little to say at any size, and one that sleeps in a run that is quick.
    assert_eq!(
        causes(|e| e.dead_layer = Some(DeadLayer { share: 1e-4, gradient_gain: 2.0, ..DeadLayer::default() })),
        []
    );
    let quick = |e: &mut Evidence| {
        e.dead_layer = Some(DeadLayer { share: 1e-4, gradient_gain: 50.0, ..DeadLayer::default() });
        e.baseline.reached = Some(100);
    };
    assert_eq!(causes(quick), []);
    // A minimum that is lower than the target's loss by rounding is no bias.
    let rounding = Bias { error: 0.3, least: -1e-9, at_target: Some(0.0), ..Bias::default() };
    assert_eq!(causes(|e| e.bias = Some(rounding)), []);
    // In the tail of a redescending loss, a Newton step leaves more than a third of the gradient.
    assert_eq!(causes(|e| e.saddle = Some(Saddle { left: 0.37, ..SADDLE })), []);
    // A minimum at infinity has an exponential tail, which is no cliff.
    let mut tail = path(|t| (30.0 * (t - 1.0)).exp(), |t| 30.0 * (30.0 * (t - 1.0)).exp());
    tail.finish = 1.0;
    assert_eq!(causes(|e| e.paths = vec![tail]), []);
    // The mean over many free predictions divides their rate.
    let many = |e: &mut Evidence| {
        e.parameters = 16;
        e.best_rate = Some(Rate { factor: 80.0, steps: 1 });
    };
    assert_eq!(causes(many), []);
    // A run that arrives soon has nothing to be blamed for.
    let quick = |e: &mut Evidence| {
        e.baseline.reached = Some(100);
        e.best_rate = Some(Rate { factor: 100.0, steps: 1 });
        e.curvature = Some(Curvature { condition: 1e4, scaled: Some(1.0) });
    };
    assert_eq!(causes(quick), []);
}

#[test]
fn hills_on_a_line_through_a_model_count_where_its_run_is_trapped() {
    let model = |trapped: f64| {
        causes(|e| {
            e.single = false;
            e.baseline.reached = None;
            e.baseline.trapped = trapped;
            e.paths = vec![ripples()];
        })
    };
    assert_eq!(model(0.0), []);
    assert_eq!(model(0.5), [Cause::LocalMinima]);
}

#[test]
fn what_a_frozen_draw_leaves_out_is_not_constant() {
    let constant = |random: bool| {
        causes(move |e: &mut Evidence| {
            (e.constant, e.random) = (true, random);
        })
    };
    assert!(constant(false).contains(&Cause::DetachedGradient));
    assert!(!constant(true).contains(&Cause::DetachedGradient));
}

#[test]
fn an_earlier_cause_silences_what_it_invalidates() {
    let both = |e: &mut Evidence| {
        e.curvature = Some(Curvature { condition: 1e4, scaled: Some(1.0) });
        e.best_rate = Some(Rate { factor: 1000.0, steps: 1 });
    };
    assert_eq!(causes(both), [Cause::IllConditioning]);
    let random = |e: &mut Evidence| {
        e.random = true;
        e.noise = Some(Noise { at_start: 10.0, ..Noise::default() });
        e.exponent = Some(9.0);
    };
    assert_eq!(causes(random), [Cause::NoisyGradient]);
    // A term without a minimum is no goal: it pulls for ever, which is a bias first.
    let compromise = |second: bool| {
        causes(|e| {
            e.bias = Some(Bias { error: 0.5, least: 0.1, at_target: Some(0.3), ..Bias::default() });
            e.terms = vec![term(1.0, 0.4, true), term(1.0, 0.4, second)];
        })
    };
    assert_eq!(compromise(true), [Cause::TermConflict, Cause::BiasedMinimizer]);
    assert_eq!(compromise(false), [Cause::BiasedMinimizer, Cause::TermConflict]);
}

#[test]
fn numbers_that_are_not_finite_fire_nothing_by_themselves() {
    let nan = f64::NAN;
    let broken = |e: &mut Evidence| {
        e.paths = vec![path(|_| nan, |_| nan), Path::default()];
        e.bias = Some(Bias {
            error: nan,
            unavoidable: nan,
            least: nan,
            at_target: Some(nan),
            shift: Some(nan),
            line: Some((nan, nan)),
        });
        e.precision = Some(Precision { relative_difference: nan, at_error: nan, resolution: nan });
        e.saddle = Some(Saddle { least: nan, gradient: nan, left: nan, ..SADDLE });
        e.sides = Some(Sides { distance: nan, ratio: nan, bias: Some(nan), intercepts: Some((nan, nan)) });
        e.plateau = Some(Plateau { joint: nan, way: nan, whatever_target: Some(nan), ..Plateau::default() });
        e.exponent = Some(nan);
        e.terms = vec![term(nan, nan, true), term(nan, nan, true)];
        e.curvature = Some(Curvature { condition: nan, scaled: Some(nan) });
    };
    assert_eq!(causes(broken), []);
}

#[test]
fn a_term_without_a_number_leaves_no_ratio_of_the_others() {
    let with = |norm: f64| {
        causes(move |e: &mut Evidence| {
            e.terms = vec![term(1.0, 0.0, false), term(1e-3, 0.0, false), term(norm, 0.0, false)];
        })
    };
    assert!(with(1e-3).contains(&Cause::TermImbalance));
    assert!(!with(f64::NAN).contains(&Cause::TermImbalance));
}

#[test]
fn an_unknown_number_is_said_to_be_unknown() {
    let mut e = parabola();
    e.curvature = Some(Curvature { condition: 1e4, scaled: None });
    let findings = find_all(&e);
    let sentence = &findings.iter().find(|finding| finding.cause == Cause::IllConditioning).unwrap().evidence;
    assert!(sentence.contains("unknown after scaling"), "{sentence}");
}

fn finding(cause: Cause, evidence: &str) -> Finding {
    Finding { cause, evidence: evidence.into(), values: Vec::new() }
}

fn tried(name: &str, steps: Option<u64>, line_fit: Option<LineFit>, addresses: &[Cause]) -> FixResult {
    FixResult {
        name: name.into(),
        change: name.into(),
        steps,
        baseline_steps: Some(1000),
        speedup: None,
        reached: steps.is_some(),
        line_fit,
        addresses: addresses.to_vec(),
    }
}

#[test]
fn what_slows_comes_first_and_what_only_flatters_comes_late() {
    let findings = vec![finding(Cause::Asymmetry, "because"), finding(Cause::Plateau, "because")];
    let fixes = vec![
        tried("never", None, None, &[]),
        tried("flattered", Some(1), Some(LineFit { steps: None }), &[]),
        tried("slow", Some(900), Some(LineFit { steps: Some(10) }), &[]),
        tried("good", Some(20), Some(LineFit { steps: Some(40) }), &[Cause::Plateau]),
    ];
    let answer = verdict(&parabola(), findings.clone(), fixes.clone(), "here".into());
    assert!(answer.slows_descent);
    assert_eq!(answer.findings[0].cause, Cause::Plateau);
    let names: Vec<&str> = answer.fixes.iter().map(|fix| fix.name.as_str()).collect();
    assert_eq!(names, ["good", "slow", "flattered", "never"]);
    assert_eq!(answer.verdict, "Slow by a plateau: Because. Your run needs 1000 steps; good needs 20.");

    // Without a remedy for it that gains, a cause is flagged and no more.
    let answer = verdict(&parabola(), findings, fixes[..3].to_vec(), "here".into());
    assert!(!answer.slows_descent && answer.findings[0].cause == Cause::Asymmetry);
    assert!(answer.verdict.starts_with("Flagged, but not what slows you: an asymmetry. Because. "));

    let healthy = verdict(&parabola(), Vec::new(), Vec::new(), "here".into());
    assert_eq!(healthy.findings[0].cause, Cause::Healthy);
    assert_eq!(healthy.verdict, "Healthy: the run reaches the tolerance of 0.05 at step 1000.");
    let mut stuck = parabola();
    (stuck.baseline.reached, stuck.baseline.end_error) = (None, 0.4);
    let unknown = verdict(&stuck, Vec::new(), Vec::new(), "here".into());
    assert_eq!(
        unknown.verdict,
        "No cause was found: the run doesn't reach the tolerance of 0.05 within 2000 steps; its error ends at 0.4."
    );
}

#[test]
fn the_answer_has_the_fields_that_programs_read() {
    let answer = verdict(&parabola(), Vec::new(), vec![tried("a", Some(3), None, &[])], "here".into());
    let json = serde_json::to_value(&answer).unwrap();
    let keys = |value: &serde_json::Value| {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(keys(&json), "findings fixes region slows_descent verdict");
    assert_eq!(keys(&json["findings"][0]), "cause evidence values");
    assert_eq!(keys(&json["fixes"][0]), "baseline_steps change line_fit name reached speedup steps");
}

/// Where the loss jumps is looked at closely, also at either end.
#[test]
fn the_worst_segment_may_be_any() {
    for place in [0, 1, 100, 199] {
        let jumps = path(|t| if t * 200.0 > place as f64 + 0.5 { 1.0 } else { 0.0 }, |_| 0.0);
        assert_eq!(jumps.worst(), Some(place));
    }
    assert_eq!(path(|_| 0.0, |_| 0.0).worst(), None);
}
