//! The two engines agree, lane by lane and step by step, and lanes never touch.

use std::collections::BTreeSet;

use losses::{Loss, TargetKind};
use optimizers::Optimizer;
use problems::{Losses, Problem};
use rayon::prelude::*;
use records::{Engine, Outcome};
use runner::config;
use runner::engine::{self, CurvePoint, Ends, LaneResult, TermPoint};
use runner::plan::{Batch, Lane, Plan};

use crate::sandbox::is_full;

/// The batches of a config.
fn plan(text: &str) -> Vec<Batch> {
    let config = config::parse("agreement.toml", text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    Plan::new(&config).unwrap_or_else(|error| panic!("{error}\n{text}")).batches
}

/// The same on another engine.
fn on(engine: Engine, batch: &Batch) -> Batch {
    Batch { engine, ..batch.clone() }
}

fn label(batch: &Batch) -> String {
    let labels = batch.labels();
    format!("{} / {} / {} / {}", labels.problem, labels.loss, labels.optimizer, labels.schedule)
}

/// Quoted, for a list in a config.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("'{name}',")).collect();
    quoted.join(" ")
}

/// Grids over everything of the registries that both engines run, and options that change the path: every loss
/// with some rules, every rule with some losses, and both with every problem. (What every loss and every rule
/// computes is compared in their own tests.)
fn everything_fused() -> String {
    let mse = Loss::named("mse");
    let is_fused = |problem: &Problem| {
        let loss = if problem.losses() == Losses::Own { None } else { mse.as_ref() };
        // Ripples and quartics throw runs about at these rates, and rounding with them: those are compared point
        // by point in the problems' own tests.
        let wild = ["beale", "himmelblau", "styblinski_tang", "rastrigin", "ackley", "levy", "monkey_saddle"];
        problem.block::<f32>(&[1], loss).is_some() && !wild.contains(&problem.name())
    };
    let problems = |own: bool| {
        let all = Problem::all().into_iter().filter(is_fused);
        list(all.filter(|problem| (problem.losses() == Losses::Own) == own).map(|problem| problem.name()))
    };
    let losses = Loss::all()
        .into_iter()
        .filter(|loss| loss.check().is_ok())
        .filter(|loss| loss.targets() == TargetKind::Values && loss.kernel::<f32>().is_some());
    let some = ["mse", "l1", "plateau"];
    let losses = list(losses.map(|loss| loss.name()).filter(|name| !some.contains(name)));
    let optimizers = Optimizer::all().into_iter().filter(|optimizer| optimizer.stepper::<f32>(1).is_some());
    let optimizers = list(optimizers.map(|optimizer| optimizer.name()));
    let clipped = "{ clipped = { optimizer = 'adam', norm = 0.1, value = 0.05 } }";
    let common = format!(
        "optimizers = [{optimizers} {clipped}]\n\
         schedules = ['constant', {{ warmup = {{ steps = 5, schedule = 'cosine' }} }}, \
         {{ reduce_on_plateau = {{ patience = 1, factor = 0.5, threshold = 0.03 }} }}]\n"
    );
    let values = format!("{} {{ line_fit = {{ noise = 0.5, points = 9 }} }}", problems(false));
    format!(
        "name = 'agreement'\ndtype = 'float64'\nsteps = 30\nrecord = {{ every = 1 }}\nengine = 'fused'\n\
         lr = [0.003, 0.05, 0.4]\ntargets = [2.0, 1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05]\n\
         seeds = {{ tuning = 1, reporting = 2 }}\n\
         [[grid]]\nproblems = [{values}]\nlosses = [{losses}]\noptimizers = ['sgd', 'adam', {clipped}]\n\
         [[grid]]\nproblems = [{values}]\nlosses = [{}]\n{common}\
         [[grid]]\nproblems = [{} {{ quadratic = {{ dim = 5, rotated = true }} }}, \
         {{ rosenbrock = {{ dim = 4 }} }}]\n{common}",
        list(some),
        problems(true),
    )
}

/// How far two runs are apart, over the recorded steps: relative to the largest of a quantity so far, so
/// that a run which has converged is not asked for digits that rounding has taken.
fn apart(ours: &LaneResult, theirs: &LaneResult) -> f64 {
    let quantities: [fn(&CurvePoint) -> f64; 4] = [|m| m.loss, |m| m.error, |m| m.gradient_norm, |m| m.lr];
    let mut worst = 0.0_f64;
    for quantity in quantities {
        let mut scale = 0.0_f64;
        for (ours, theirs) in ours.curve.iter().zip(&theirs.curve) {
            let (ours, theirs) = (quantity(ours), quantity(theirs));
            if ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan() {
                continue;
            }
            scale = scale.max(theirs.abs());
            let distance = (ours - theirs).abs() / scale;
            worst = if distance.is_nan() { f64::INFINITY } else { worst.max(distance) };
        }
    }
    worst
}

/// The parts of a result that are counted, not computed.
fn counted(result: &LaneResult) -> impl PartialEq + std::fmt::Debug {
    let LaneResult { outcome, steps, evaluations, hits, curve, terms, message, .. } = result;
    let recorded: Vec<u64> = curve.iter().map(|moment| moment.step).collect();
    let terms: Vec<_> = terms.iter().map(|share| (share.step, share.term.clone())).collect();
    (*outcome, *steps, *evaluations, hits.clone(), recorded, terms, message.clone())
}

/// How far the terms of two losses are apart, in units of the largest of each so far.
fn terms_apart(ours: &LaneResult, theirs: &LaneResult) -> f64 {
    let mut worst = 0.0_f64;
    for quantity in [|share: &TermPoint| share.value, |share: &TermPoint| share.gradient_norm] {
        let mut scale = 0.0_f64;
        for (ours, theirs) in ours.terms.iter().zip(&theirs.terms) {
            let (ours, theirs) = (quantity(ours), quantity(theirs));
            scale = scale.max(theirs.abs());
            worst = if ours == theirs { worst } else { worst.max((ours - theirs).abs() / scale) };
        }
    }
    worst
}

/// A result as text, which tells all numbers apart and NaN from nothing but NaN.
fn exactly(result: &LaneResult) -> String {
    format!("{result:?}")
}

/// Results of a batch. Like the workers of a run, tests compute on one thread each.
fn run(batch: &Batch) -> Vec<LaneResult> {
    tch::set_num_threads(1);
    let results = engine::run(batch);
    let failed = results.iter().find(|result| result.outcome == Outcome::Failed);
    assert!(failed.is_none(), "{}: {failed:?}", label(batch));
    assert_eq!(results.len(), batch.lanes.len());
    results
}

#[test]
fn both_engines_draw_the_same_curves() {
    // A sign jumps where the gradient is a sum that cancels to its rounding, which the engines form in
    // another order: these rules are compared where no sum stands before the sign.
    let jumps = |batch: &Batch| {
        let by_sign = ["lion", "rprop", "signsgd", "signum"].contains(&batch.optimizer.name());
        by_sign && batch.problem.name() != "direct_fit"
    };
    let all: Vec<Batch> = plan(&everything_fused()).into_iter().filter(|batch| !jumps(batch)).collect();
    // A part of them still has every entry in it.
    let batches: Vec<&Batch> = all.iter().step_by(if is_full() { 1 } else { 5 }).collect();
    let entries = |batches: &mut dyn Iterator<Item = &Batch>| -> BTreeSet<String> {
        let labels = batches.map(Batch::labels);
        labels.flat_map(|of| [of.problem, of.loss, of.optimizer, of.schedule]).collect()
    };
    assert_eq!(entries(&mut batches.iter().copied()), entries(&mut all.iter()));
    let compare = |batch: &Batch| -> Vec<(f64, String)> {
        assert_eq!(batch.engine, Engine::Fused);
        let (ours, theirs) = (run(batch), run(&on(Engine::Libtorch, batch)));
        let pair = |((ours, theirs), lane): ((&LaneResult, &LaneResult), &Lane)| {
            let what = format!("{} at {lane:?}", label(batch));
            let same = counted(ours) == counted(theirs);
            let distance = apart(ours, theirs).max(terms_apart(ours, theirs));
            (if same { distance } else { f64::INFINITY }, what)
        };
        ours.iter().zip(&theirs).zip(&batch.lanes).map(pair).collect()
    };
    let all: Vec<(f64, String)> = batches.into_par_iter().flat_map_iter(compare).collect();
    // A line without noise may have every point on one side. Under a loss that is straight there, its
    // slope's gradient cancels to the rounding of a sum, which both engines form in another order: about
    // 1e-16 of nothing. Rules that divide it by its own size and an eps of 1e-8 or 1e-10 make that much
    // larger a movement of it.
    // A loss that isn't convex lets runs at a high rate part, by ten times the rounding a few steps.
    // Losses that bend back or are exponential do so by much more at the highest rate: they are held to it at
    // the lower ones.
    let wild = ["tukey", "welsch", "cauchy", "geman_mcclure", "linex", "poisson_nll", "kl"];
    let is_wild = |what: &str| what.split(" / ").nth(1).is_some_and(|loss| wild.contains(&loss));
    let tolerance_of = |what: &str| match what {
        _ if what.contains("lr: 0.4,") && is_wild(what) => f64::INFINITY,
        _ if what.starts_with("line_fit / ") => 1e-4,
        _ if what.contains(" / transformed / ") => 1e-6,
        // The second moment of the step before, which divides, may be as small as a gradient got.
        _ if what.contains(" / adopt / ") => 1e-6,
        _ => 1e-10,
    };
    let far = all.iter().filter(|(distance, what)| *distance > tolerance_of(what));
    let far: Vec<String> = far.map(|(distance, what)| format!("{what}: {distance:e} apart")).collect();
    assert!(far.is_empty(), "{}", far.join("\n"));
    let loose = all.iter().filter(|(distance, what)| *distance > 1e-10 && !is_wild(what)).count();
    assert!(loose * 100 < all.len(), "{loose} of {} are far apart", all.len());
}

/// Everything that a lane's fate could depend on: problems with and without a matrix product, and rules
/// with and without state, in both types.
fn grids_with_rates(rates: &str, dtype: &str, engine: &str) -> String {
    let common = format!(
        "optimizers = ['sgd', 'nesterov', 'adam', 'adagrad', 'amsgrad', 'rmsprop']\nlr = {rates}\n\
         schedules = ['constant', {{ reduce_on_plateau = {{ patience = 0, factor = 0.5 }} }}]\n"
    );
    let network = if engine == "fused" { "" } else { "{ digits_mlp = { hidden = 4 } }," };
    format!(
        "name = 'lanes'\ndtype = '{dtype}'\nengine = '{engine}'\nsteps = 25\nrecord = {{ every = 3 }}\n\
         seeds = {{ tuning = 2, reporting = 3 }}\n\
         [[grid]]\nproblems = ['direct_fit', 'line_fit', 'diabetes_linear', {network}]\nlosses = ['mse']\n{common}\
         [[grid]]\nproblems = ['rosenbrock', {{ quadratic = {{ rotated = true }} }}]\n{common}"
    )
}

fn is_sound(result: &LaneResult, what: &str) {
    let Ends { start: start_loss, end: final_loss, best: best_loss } = result.loss;
    let Ends { start: start_error, end: final_error, best: best_error } = result.error;
    assert_eq!((result.outcome, result.evaluations), (Outcome::Diverged, result.steps), "{what}");
    assert!((1..25).contains(&result.steps), "{what}: {} steps", result.steps);
    assert!(
        [start_loss, best_loss, start_error, best_error].iter().all(|x| x.is_finite()),
        "{what}: {result:?}"
    );
    assert!(best_loss <= start_loss && best_error <= start_error, "{what}: {result:?}");
    let (first, last) = (result.curve[0], result.curve[result.curve.len() - 1]);
    assert_eq!((first.loss, first.error), (start_loss, start_error), "{what}");
    assert_eq!(last.step, result.steps, "{what}: a curve ends where its lane does");
    let same = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan();
    assert!(same(last.loss, final_loss) && same(last.error, final_error), "{what}: {result:?}");
    assert!(result.message.is_empty());
}

#[test]
fn a_lane_that_diverges_is_told_so_and_changes_no_bit_of_another() {
    // The rate throws any of the rules out of the range of its type: a network's error stays a share.
    for (dtype, engine, too_large) in [
        ("float32", "fused", "1e25"),
        ("float64", "fused", "1e160"),
        ("float32", "libtorch", "1e25"),
        ("float64", "libtorch", "1e160"),
    ] {
        let with = plan(&grids_with_rates(&format!("[0.0002, 0.0004, {too_large}]"), dtype, engine));
        let without = plan(&grids_with_rates("[0.0002, 0.0004]", dtype, engine));
        let harmless = plan(&grids_with_rates("[0.0002, 0.0004, 0.0005]", dtype, engine));
        assert_eq!((with.len(), with.len()), (without.len(), harmless.len()));
        for ((with, without), harmless) in with.iter().zip(&without).zip(&harmless) {
            let what = format!("{} in {dtype} by {engine}", label(with));
            // libtorch's matrix products may sum in another order when there are fewer lanes: there the
            // batch to compare with has lanes that do not diverge in their places.
            let others = if engine == "fused" { without } else { harmless };
            let (results, expected) = (run(with), run(others));
            let lanes = || with.lanes.iter().zip(&results);
            for (lane, result) in lanes().filter(|(lane, _)| lane.lr < 1.0) {
                let expected = others.lanes.iter().zip(&expected).find(|(other, _)| *other == lane);
                let expected = expected.expect("the same cell").1;
                assert_eq!(exactly(result), exactly(expected), "{what} at {lane:?}");
                assert_ne!(result.outcome, Outcome::Diverged, "{what} at {lane:?}");
            }
            for (lane, result) in lanes().filter(|(lane, _)| lane.lr > 1.0) {
                is_sound(result, &format!("{what} at {lane:?}"));
            }
        }
    }
}

#[test]
fn a_start_out_of_range_has_diverged_at_step_0() {
    for engine in ["fused", "libtorch"] {
        let text = format!(
            "name = 'overflow'\nengine = '{engine}'\nsteps = 5\nseeds = {{ tuning = 0, reporting = 3 }}\n\
             [[grid]]\nproblems = [{{ quadratic = {{ spread = 1e300 }} }}]\noptimizers = ['adam']\nlr = 0.1\n"
        );
        for result in run(&plan(&text)[0]) {
            assert_eq!((result.outcome, result.steps, result.evaluations), (Outcome::Diverged, 0, 0));
            assert_eq!(result.curve.len(), 1, "{engine}");
            assert!(result.hits.iter().all(Option::is_none));
        }
    }
}

/// A batch's results lane by lane, next to those of the same lanes in reverse and of each on its own.
fn companies(batch: &Batch) -> Vec<[LaneResult; 3]> {
    let of = |lanes: Vec<Lane>| run(&Batch { lanes, ..batch.clone() });
    let together = run(batch);
    let reversed = of(batch.lanes.iter().rev().copied().collect()).into_iter().rev();
    let alone = batch.lanes.iter().map(|lane| of(vec![*lane]).swap_remove(0));
    together.into_iter().zip(reversed).zip(alone).map(|((one, two), three)| [one, two, three]).collect()
}

#[test]
fn a_fused_lane_is_the_same_in_every_company() {
    for dtype in ["float32", "float64"] {
        // 60 lanes: blocks of several chunks, and several blocks where parameters are many.
        let rates = "[0.001, 0.002, 0.003, 0.004, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1e3, 1e25]";
        for batch in plan(&grids_with_rates(rates, dtype, "fused")) {
            for ([together, reversed, alone], lane) in companies(&batch).iter().zip(&batch.lanes) {
                let what = format!("{} at {lane:?} in {dtype}", label(&batch));
                assert_eq!(exactly(together), exactly(reversed), "{what}");
                assert_eq!(exactly(together), exactly(alone), "{what}");
            }
        }
    }
}

#[test]
fn a_libtorch_lane_is_the_same_in_every_company_up_to_the_order_of_sums_in_matrix_products() {
    for (dtype, tolerance) in [("float32", 1e-4), ("float64", 1e-10)] {
        for batch in plan(&grids_with_rates("[0.001, 0.003, 1e25]", dtype, "libtorch")) {
            let multiplies = !matches!(batch.problem, Problem::DirectFit(_) | Problem::Rosenbrock(_));
            for ([together, reversed, alone], lane) in companies(&batch).iter().zip(&batch.lanes) {
                let what = format!("{} at {lane:?} in {dtype}", label(&batch));
                for other in [reversed, alone] {
                    assert_eq!(counted(together), counted(other), "{what}");
                    if multiplies && lane.lr < 1.0 {
                        let distance = apart(together, other);
                        assert!(distance <= tolerance, "{what}: {distance:e} apart");
                    } else if !multiplies {
                        assert_eq!(exactly(together), exactly(other), "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn libtorchs_own_optimizers_come_to_the_same() {
    // The twin's name is `libtorch_` before ours; its options are the same.
    let rules = [
        ("sgd", ""),
        ("sgd", "momentum = 0.9, nesterov = true"),
        ("sgd", "momentum = 0.8, dampening = 0.3, l2 = 0.1"),
        ("rmsprop", ""),
        ("rmsprop", "centered = true, momentum = 0.5, eps = 1e-3, l2 = 0.01"),
        ("adam", ""),
        ("adam", "beta1 = 0.5, beta2 = 0.9, l2 = 0.1"),
        ("adamw", ""),
        ("adamw", "weight_decay = 0.3, amsgrad = true"),
    ];
    let of = |prefix: &str| {
        let rule = |(name, options): &(&str, &str)| format!("{{ {prefix}{name} = {{ {options} }} }},");
        rules.iter().map(rule).collect::<Vec<_>>().join(" ")
    };
    let grid = |optimizers: &str| {
        let common = format!(
            "optimizers = [{optimizers}]\nlr = [0.003, 0.03]\n\
             schedules = ['constant', {{ warmup = {{ steps = 5, schedule = 'cosine' }} }}]\n"
        );
        plan(&format!(
            "name = 'twins'\ndtype = 'float64'\nengine = 'libtorch'\nsteps = 30\nrecord = {{ every = 1 }}\n\
             targets = [1.0, 0.7, 0.5, 0.3, 0.1]\nseeds = {{ tuning = 1, reporting = 1 }}\n\
             [[grid]]\nproblems = ['direct_fit', 'diabetes_linear', {{ digits_mlp = {{ hidden = 4 }} }}]\n\
             losses = ['mse']\n{common}[[grid]]\nproblems = ['rosenbrock']\n{common}"
        ))
    };
    let pairs: Vec<(Batch, Batch)> = grid(&of("")).into_iter().zip(grid(&of("libtorch_"))).collect();
    pairs.par_iter().for_each(|(ours, theirs)| {
        assert_eq!(
            format!("libtorch_{}", label(ours).split(" / ").nth(2).unwrap()),
            theirs.labels().optimizer
        );
        let name = label(theirs);
        for ((ours, theirs), lane) in run(ours).iter().zip(&run(theirs)).zip(&ours.lanes) {
            let what = format!("{name} at {lane:?}");
            assert_eq!(counted(ours), counted(theirs), "{what}");
            let distance = apart(ours, theirs);
            assert!(distance <= 1e-10, "{what}: {distance:e} apart");
        }
    });
}

#[test]
fn a_batch_that_panics_is_an_outcome_of_its_lanes() {
    let batches = plan(
        "name = 'x'\nsteps = 5\nlr = [0.1, 0.2]\nseeds = { tuning = 0, reporting = 1 }\n\
         [[grid]]\nproblems = ['digits_mlp']\nlosses = ['cross_entropy']\noptimizers = ['sgd']\n",
    );
    // A plan would never ask the fused engine for this model, which it doesn't have.
    let results = engine::run(&on(Engine::Fused, &batches[0]));
    assert_eq!(results.len(), 2);
    for result in results {
        assert_eq!(result.outcome, Outcome::Failed);
        assert!(result.message.contains("whether it can be fused"), "{}", result.message);
        assert!(result.hits.iter().all(Option::is_none) && result.error.end.is_nan());
    }
}

#[test]
fn every_optimizer_takes_a_hundred_and_fifty_thousand_parameters() {
    // Whatever would keep a square of them can't.
    let optimizers = Optimizer::all().into_iter().filter(|optimizer| optimizer.files().is_empty());
    let optimizers = list(optimizers.map(|optimizer| optimizer.name()));
    let text = format!(
        "name = 'large'\nsteps = 1\nseeds = {{ tuning = [], reporting = [1] }}\nlr = [0.01]\n[[grid]]\n\
         problems = [{{ direct_fit = {{ dim = 150000 }} }}]\nlosses = ['mse']\noptimizers = [{optimizers}]\n"
    );
    plan(&text).par_iter().for_each(|batch| {
        tch::set_num_threads(1);
        for lane in engine::run(batch) {
            assert_ne!(lane.outcome, Outcome::Failed, "{}: {}", label(batch), lane.message);
        }
    });
}
