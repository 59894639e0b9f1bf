//! Every optimizer against trajectories of published implementations (written by `scripts/golden/optimizers.py`),
//! in its fused form for rows, or on tensors where there is none.

use std::fs;
use std::path::Path;

use crate::common::{Asked, lane_of, loaded, numbers, problem, rows_of, splat, stepper, tensor_of};
use crate::entries::{Row, option_names, unseen};
use numeric::{Float, LANES};
use optimizers::{Fusible, Optimizer, OptimizerSpec};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use tch::Tensor;

#[derive(Deserialize)]
struct Golden {
    steps: usize,
    every: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    options: Value,
    reference: String,
    problem: String,
    lr: f64,
    /// Whether the rate stays, or rises.
    #[serde(default)]
    constant: bool,
    #[serde(default)]
    rising: bool,
    /// How near the reference can be in double precision, where it isn't the formula to the last digit.
    #[serde(default)]
    tolerance: f64,
    points: Vec<Vec<f64>>,
}

/// The file of an optimizer. libtorch's own are held to the same trajectories as ours.
fn golden(name: &str) -> Golden {
    let file = name.strip_prefix("libtorch_").unwrap_or(name);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{file}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("`{name}` has no golden trajectories: add it to scripts/golden/optimizers.py ({error})")
    });
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One way to run a case: the points after every `every` steps.
type Run = fn(&Optimizer, &Case, &Golden) -> Vec<Vec<f64>>;

/// The rate at a step, as the generator has it.
fn rate(case: &Case, golden: &Golden, step: usize) -> f64 {
    let horizon = 2 * (case.points.len() - 1) * golden.every;
    if case.constant {
        case.lr
    } else if case.rising {
        case.lr * (step + 1) as f64 / (horizon / 2) as f64
    } else {
        case.lr * (1.0 - step as f64 / horizon as f64)
    }
}

/// Two chunks of lanes with other rates; the case is lane 18.
fn on_rows<F: Float>(entry: &Optimizer, case: &Case, golden: &Golden) -> Option<Vec<Vec<f64>>>
where
    dyn OptimizerSpec: Fusible<F>,
{
    let (problem, start) = (problem(&case.problem), &case.points[0]);
    let (elements, lane) = (start.len(), 18);
    let mut stepper = stepper::<F>(entry, 2 * elements)?;
    let mut p: Vec<numeric::Row<F>> = start.iter().chain(start).map(|x| splat(*x)).collect();
    let mut points = vec![lane_of(elements, &p, lane)];
    for step in 0..golden.steps {
        let lr = |lane: usize, chunk: usize| {
            let share = 1.0 - (lane + chunk * LANES).abs_diff(18) as f64 / 64.0;
            F::from_f64(rate(case, golden, step) * share)
        };
        let lr = [0, 1].map(|chunk| std::array::from_fn(|lane| lr(lane, chunk)));
        let (_, gradients) = problem.evaluate(&problem.unflatten(&tensor_of(elements, &p)));
        let mut g = rows_of::<F>(&flatten(&gradients));
        if let Some(clip) = entry.clip() {
            clip.rows(elements, &mut g);
        }
        stepper.step(elements, &lr, &mut p, &g);
        if (step + 1) % golden.every == 0 {
            points.push(lane_of(elements, &p, lane));
        }
    }
    Some(points)
}

/// Three lanes of tensors in the problem's shapes; the case is lane 1.
fn on_tensors<F: Float>(entry: &Optimizer, case: &Case, golden: &Golden) -> Vec<Vec<f64>> {
    const LANES: i64 = 3;
    let problem = problem(&case.problem);
    let start = Tensor::from_slice(&case.points[0]).to_kind(F::KIND);
    let mut p = problem.unflatten(&start.expand([LANES, -1], false).copy());
    let (mut stepper, mut asked) = (entry.tensor(), Asked::new(&problem, entry.clip(), LANES as usize));
    let mut points = vec![numbers(&flatten(&p).select(0, 1))];
    for step in 0..golden.steps {
        let lr = rate(case, golden, step);
        let lr = Tensor::from_slice(&[0.5 * lr, lr, 0.8 * lr]).to_kind(F::KIND);
        asked.step(&mut *stepper, &lr, &mut p);
        if (step + 1) % golden.every == 0 {
            let answer = stepper.eval_params(&p);
            points.push(numbers(&flatten(answer.as_deref().unwrap_or(&p)).select(0, 1)));
        }
    }
    points
}

fn flatten(parts: &[Tensor]) -> Tensor {
    Tensor::cat(&parts.iter().map(|p| p.reshape([p.size()[0], -1])).collect::<Vec<_>>(), 1)
}

/// The largest error, as a share of how far the parameters have moved, or of `least` times their size.
fn worst(ours: &[Vec<f64>], theirs: &[Vec<f64>], least: f64) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    // A NaN must not be lost in the maximum.
    let largest = |numbers: &mut dyn Iterator<Item = f64>| {
        numbers.map(f64::abs).fold(0.0, |m, d| if d <= m { m } else { d })
    };
    let distance = |a: &[f64], b: &[f64]| {
        assert_eq!(a.len(), b.len());
        largest(&mut a.iter().zip(b).map(|(a, b)| a - b))
    };
    let errors =
        ours.iter().zip(theirs).skip(1).map(|(o, t)| {
            distance(o, t) / distance(t, &theirs[0]).max(least * largest(&mut t.iter().copied()))
        });
    largest(&mut errors.into_iter())
}

/// The optimizer of a case.
fn optimizer(name: &str, case: &Case) -> Optimizer {
    loaded(&json!({ name: case.options }).to_string())
}

/// Every optimizer's largest error, over every so-many-th case.
fn hold(every: usize, tolerance: fn(&Optimizer, &Case) -> f64, least: f64, run: Run) -> Vec<f64> {
    let of_name = |name: &&str| -> (f64, Vec<String>) {
        tch::set_num_threads(1);
        let golden = golden(name);
        let at_defaults = golden.cases.iter().any(|case| case.options == json!({}));
        // A program needs a file.
        assert!(golden.steps >= 50 && (at_defaults || *name == "program"));
        let (mut most, mut off) = (0.0_f64, Vec::new());
        for case in golden.cases.iter().step_by(every) {
            let entry = optimizer(name, case);
            let worst = worst(&run(&entry, case, &golden), &case.points, least);
            if worst > tolerance(&entry, case) || worst.is_nan() {
                let (label, Case { problem, reference, lr, .. }) = (entry.label(), case);
                off.push(format!("{label} at {lr} on {problem}: {worst:e} off {reference}"));
            }
            most = most.max(worst);
        }
        (most, off)
    };
    let (most, off): (Vec<f64>, Vec<Vec<String>>) = Optimizer::NAMES.par_iter().map(of_name).unzip();
    let off = off.concat();
    assert!(off.is_empty(), "too far, as a share of the movement:\n{}", off.join("\n"));
    most
}

/// A reference's label without its arguments.
fn bare(label: &str) -> String {
    let mut depth = 0;
    let outside = |c: &char| {
        depth += i32::from(*c == '(');
        let outside = depth == 0;
        depth -= i32::from(*c == ')');
        outside
    };
    let name: String = label.chars().filter(outside).collect();
    name.split(", ").filter(|part| !part.contains('=')).collect::<Vec<_>>().join(", ")
}

/// How far a case may be from its reference in double precision.
fn tolerance(case: &Case) -> f64 {
    case.tolerance.max(1e-9)
}

/// Slices, and tensors where there are rows, are held to rows by `agreement.rs`.
#[test]
fn optimizers_follow_their_references_in_double_precision() {
    fn on_whichever(entry: &Optimizer, case: &Case, golden: &Golden) -> Vec<Vec<f64>> {
        on_rows::<f64>(entry, case, golden).unwrap_or_else(|| on_tensors::<f64>(entry, case, golden))
    }
    let most = hold(1, |_, case| tolerance(case), 0.0, on_whichever);
    let row = |(name, difference): (&&'static str, f64)| {
        let golden = golden(name);
        Row {
            entry: name,
            references: golden.cases.iter().map(|case| bare(&case.reference)).collect(),
            cases: golden.cases.len(),
            compared: format!("{} steps", golden.cases.len() * golden.steps),
            difference,
            options: option_names::<Optimizer>(name),
        }
    };
    crate::entries::hold(
        "Optimizers",
        &Optimizer::NAMES.iter().zip(most).map(row).collect::<Vec<_>>(),
        1e-10,
    );
}

#[test]
fn every_option_of_every_optimizer_is_seen_by_itself() {
    let of_name = |name: &&str| {
        let cases = golden(name).cases;
        let options: Vec<Value> = cases.iter().map(|case| optimizer(name, case).options()).collect();
        let effect = |a: usize, b: usize| {
            let (a, b) = (&cases[a], &cases[b]);
            let of = |case: &Case| (case.problem.clone(), case.lr.to_bits(), case.constant, case.rising);
            let alike = of(a) == of(b);
            if alike { worst(&a.points, &b.points, 0.0) / tolerance(a).max(tolerance(b)) } else { 0.0 }
        };
        let unseen = unseen(&option_names::<Optimizer>(name), &options, effect);
        unseen.into_iter().map(move |option| format!("`{option}` of `{name}`")).collect::<Vec<_>>()
    };
    let unseen: Vec<String> = Optimizer::NAMES.iter().flat_map(of_name).collect();
    assert!(unseen.is_empty(), "no two golden trajectories show by themselves:\n{}", unseen.join("\n"));
}

#[test]
fn optimizers_follow_their_references_in_single_precision() {
    fn on_whichever(entry: &Optimizer, case: &Case, golden: &Golden) -> Vec<Vec<f64>> {
        on_rows::<f32>(entry, case, golden).unwrap_or_else(|| {
            // Norms and matrices make much of rounding in time: only the beginning is compared.
            let beginning = Golden { steps: 2 * golden.every, every: golden.every, cases: Vec::new() };
            let points = on_tensors::<f32>(entry, case, &beginning);
            points.into_iter().chain(case.points[3..].iter().cloned()).collect()
        })
    }
    // Shares of the movement, about twice what was found where it is more than a thousandth.
    fn tolerance(entry: &Optimizer, case: &Case) -> f64 {
        match entry.name() {
            // Sums over the way so far, which is a millionth at first, tell how far to go.
            "mechanic" => 3e-3,
            "prodigy" => 0.1,
            // The eigenvalues of the quadratic's matrices differ by more than single precision has digits for.
            "shampoo" => 5e-2,
            "soap" if case.problem == "quadratic" => f64::INFINITY,
            // And a search ends where the loss has fallen enough, which rounding may tell otherwise.
            "soap" | "nonlinear_cg" => 0.2,
            "lbfgs" if case.options.get("line_search").is_some() => 0.2,
            _ => 1e-3,
        }
    }
    // A movement of a millionth is mostly rounding.
    let every = if std::env::var_os("OPTBENCH_FULL").is_some() { 1 } else { 4 };
    hold(every, tolerance, 1e-2, on_whichever);
}
