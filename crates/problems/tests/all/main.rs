//! Tests that every problem of the registry goes through, fused and on libtorch.

mod agreement;
mod contract;
#[path = "../../../../scripts/golden/entries.rs"]
mod entries;
mod golden;
mod gradients;
mod lanes;
mod seeds;

use losses::{Loss, TargetKind};
use numeric::{Float, LANES, Row, Stream, rows};
use problems::{Draw, Graph, Losses, Problem};
use serde_json::json;
use tch::{Device, Kind, Tensor};

/// A vector for each lane.
type Lanes = Vec<Vec<f64>>;

/// What a problem says at points, lane by lane.
#[derive(Debug)]
struct Said {
    loss: Vec<f64>,
    gradient: Lanes,
    error: Vec<f64>,
}

/// A problem from the JSON of its entry.
fn problem(json: &str) -> Problem {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// Every problem at its defaults but those that need a file, at options that take every branch, and at random ones.
fn variants() -> Vec<Problem> {
    let mut all: Vec<Problem> = Problem::all();
    all.retain(|problem| problem.files().is_empty());
    all.extend(
        [
            r#"{"direct_fit": {"dim": 1, "spread": 3.0}}"#,
            r#"{"direct_fit": {"dim": 37}}"#,
            r#"{"line_fit": {"slope": -0.5, "intercept": 4.0, "points": 7, "noise": 0.5}}"#,
            r#"{"line_fit": {"points": 2, "noise": 2.0, "spread": 0.0}}"#,
            r#"{"line_fit": {"spread": 0.0}}"#,
            r#"{"quadratic": {"dim": 1}}"#,
            r#"{"quadratic": {"condition": 1e6, "spread": 5.0}}"#,
            r#"{"quadratic": {"dim": 7, "condition": 1e6, "rotated": true}}"#,
            r#"{"quadratic": {"dim": 32, "rotated": true}}"#,
            r#"{"quadratic": {"dim": 33, "rotated": true}}"#,
            r#"{"rosenbrock": {"dim": 3, "spread": 1.0}}"#,
            r#"{"rosenbrock": {"dim": 32}}"#,
            r#"{"rosenbrock": {"dim": 33}}"#,
            r#"{"rosenbrock": {"spread": 0.0}}"#,
            r#"{"styblinski_tang": {"dim": 1}}"#,
            r#"{"himmelblau": {"spread": 0.0}}"#,
            r#"{"rastrigin": {"dim": 5}}"#,
            r#"{"ackley": {"dim": 3, "spread": 4.0}}"#,
            r#"{"levy": {"dim": 1}}"#,
            r#"{"levy": {"dim": 4}}"#,
            r#"{"saddle": {"dim": 5, "spread": 0.5}}"#,
            r#"{"moat": {"dim": 3, "steepness": 1.0}}"#,
            r#"{"abs_power": {"dim": 3, "exponent": 1.5}}"#,
            r#"{"noisy": {"problem": "line_fit", "heavy_tailed": 0.1, "sparse": 0.5}}"#,
            r#"{"noisy": {"problem": {"himmelblau": {"spread": 0.0}}, "gaussian": 0.0, "sparse": 0.0}}"#,
            r#"{"deep_linear_chain": {"depth": 1, "gain": 0.5}}"#,
            r#"{"deep_linear_chain": {"spread": 0.0}}"#,
            r#"{"matrix_factorization": {"rows": 2, "columns": 5, "rank": 1, "spread": 1.0}}"#,
            r#"{"digits_mlp": {"hidden": 2, "activation": "identity"}}"#,
            r#"{"digits_mlp": {"hidden": 3, "batch": 100}}"#,
            r#"{"softmax_regression": {"data": "wine", "ridge": 1.0}}"#,
            r#"{"digits_autoencoder": {"hidden": 2, "batch": 100, "activation": "sigmoid"}}"#,
            r#"{"audio": {"partials": 1, "samples": 2, "spread": 1.5}}"#,
            r#"{"audio": {"partials": 3, "samples": 100, "sample_rate": 16000, "detune": 5.0}}"#,
        ]
        .map(problem),
    );
    all.extend((0..).zip(Problem::all()).filter_map(|(index, problem)| random_options(&problem, index)));
    all
}

/// The problem with every number and switch among its options drawn anew; none where nothing is to be drawn.
fn random_options(problem: &Problem, index: u64) -> Option<Problem> {
    let (mut stream, mut options) = (Stream::new("options", &[index]), problem.options());
    for value in options.as_object_mut().expect("options are a table").values_mut() {
        if value.is_boolean() {
            *value = json!(stream.below(2) == 1);
        } else if let Some(count) = value.as_u64() {
            // Not more, which would only take longer.
            *value = json!(count.div_ceil(2) + stream.below(count.div_ceil(2).max(1)));
        } else if let Some(size) = value.as_f64() {
            *value = json!(size * (0.5 + stream.uniform()));
        }
    }
    let drawn: Problem = serde_json::from_value(json!({ problem.name(): options })).expect("options");
    (drawn != *problem && drawn.files().is_empty() && drawn.check().is_ok()).then_some(drawn)
}

/// The losses that a problem is trained with.
fn losses_of(problem: &Problem) -> Vec<Option<Loss>> {
    let all = || Loss::all().into_iter().filter(|loss| loss.check().is_ok());
    match problem.losses() {
        Losses::Own => vec![None],
        Losses::Values => all().filter(|loss| loss.targets() == TargetKind::Values).map(Some).collect(),
        Losses::ValuesOrClasses => all().map(Some).collect(),
    }
}

/// The first of them, where any will do.
fn any_loss(problem: &Problem) -> Option<Loss> {
    losses_of(problem).swap_remove(0)
}

/// Whether a loss is flat over regions, so that a residual may not show in it.
fn is_flat(loss: Option<&Loss>) -> bool {
    matches!(loss, Some(Loss::Tukey(_) | Loss::EpsilonInsensitive(_) | Loss::DeadZone(_)))
}

/// What a test is about, for its message.
fn name(problem: &Problem, loss: Option<&Loss>) -> String {
    format!("{} by {}", problem.label(), loss.map_or_else(|| "itself".into(), Loss::label))
}

/// Seeds for this many lanes: different ones, or the same for all where one minibatch serves all.
fn seeds_for(problem: &Problem, lanes: usize) -> Vec<u64> {
    (0..lanes as u64).map(|lane| if problem.batching().one_seed { 5 } else { 5 + lane }).collect()
}

/// Where the lanes start, fused; and what the places behind the last lane hold.
fn fused_start<F: Float>(problem: &Problem, loss: Option<&Loss>, seeds: &[u64]) -> Option<[Lanes; 2]> {
    let block = problem.block::<F>(seeds, loss)?;
    let mut lanes = from_rows(&block.start(), block.elements());
    let padding = lanes.split_off(seeds.len());
    Some([lanes, padding])
}

/// What a problem says at points, fused. The places behind the last lane are NaN: they must not matter.
fn fused<F: Float>(problem: &Problem, loss: Option<&Loss>, seeds: &[u64], points: &Lanes) -> Option<Said> {
    fused_at::<F>(problem, loss, seeds, points, 0)
}

/// The same at a step, which matters where there is noise.
fn fused_at<F: Float>(
    problem: &Problem,
    loss: Option<&Loss>,
    seeds: &[u64],
    points: &Lanes,
    step: u64,
) -> Option<Said> {
    let mut block = problem.block::<F>(seeds, loss)?;
    let elements = block.elements();
    let chunks = rows::chunks(seeds.len());
    let p = to_rows::<F>(points, elements, f64::NAN);
    // Whatever was there before must be written over.
    let old = rows::splat(F::from_f64(7.0));
    let mut gradient = vec![old; elements * chunks];
    let (mut loss, mut raw_error) = (vec![old; chunks], vec![old; chunks]);
    block.evaluate(Draw::Step(step), &p, &mut gradient, &mut loss, &mut raw_error);
    let keep = |mut lanes: Lanes| {
        lanes.truncate(seeds.len());
        lanes
    };
    let error = raw_error.iter().flatten().map(|raw_error| block.error(*raw_error).to_f64());
    Some(Said {
        loss: keep(from_rows(&loss, 1)).concat(),
        gradient: keep(from_rows(&gradient, elements)),
        error: error.take(seeds.len()).collect(),
    })
}

/// Chunks of `elements` rows; places without a lane hold `rest`.
fn to_rows<F: Float>(lanes: &Lanes, elements: usize, rest: f64) -> Vec<Row<F>> {
    let mut filled = vec![rows::splat(F::from_f64(rest)); rows::chunks(lanes.len()) * elements];
    for (lane, values) in lanes.iter().enumerate() {
        for (element, value) in values.iter().enumerate() {
            filled[lane / LANES * elements + element][lane % LANES] = F::from_f64(*value);
        }
    }
    filled
}

/// Every place of chunks of `elements` rows.
fn from_rows<F: Float>(rows: &[Row<F>], elements: usize) -> Lanes {
    let chunk = |rows: &[Row<F>]| -> Lanes {
        (0..LANES).map(|lane| rows.iter().map(|row| row[lane].to_f64()).collect()).collect()
    };
    rows.chunks_exact(elements).flat_map(chunk).collect()
}

/// Where the lanes start, on libtorch: a lane's tensors one after the other.
fn tensors_start<F: Float>(problem: &Problem, loss: Option<&Loss>, seeds: &[u64]) -> Lanes {
    per_lane(&problem.batch(seeds, loss, (F::KIND, Device::Cpu)).start())
}

/// What a problem says at points and a step, on libtorch.
fn tensors<F: Float>(
    problem: &Problem,
    loss: Option<&Loss>,
    seeds: &[u64],
    points: &Lanes,
    step: u64,
) -> Said {
    let mut batch = problem.batch(seeds, loss, (F::KIND, Device::Cpu));
    let parameters = parameters_like(&batch.start(), points);
    let loss = batch.loss(Draw::Step(step), &parameters);
    assert_eq!((loss.size(), loss.kind()), (vec![seeds.len() as i64], F::KIND));
    let gradients = batch.gradients(&loss, &parameters, Graph::Spend);
    let error = batch.error(&parameters);
    Said { loss: numbers(&loss), gradient: per_lane(&gradients), error }
}

/// Points as parameters with the shapes and the type of `start`.
fn parameters_like(start: &[Tensor], points: &Lanes) -> Vec<Tensor> {
    let all = Tensor::from_slice(&points.concat()).reshape([points.len() as i64, -1]);
    let mut first = 0;
    let parameter = |like: &Tensor| {
        let length = like.numel() as i64 / points.len() as i64;
        let part = all.narrow(1, first, length).reshape(like.size()).to_kind(like.kind());
        first += length;
        part.copy().set_requires_grad(true)
    };
    start.iter().map(parameter).collect()
}

fn per_lane(tensors: &[Tensor]) -> Lanes {
    let flat: Vec<Tensor> = tensors.iter().map(|tensor| tensor.flatten(1, -1)).collect();
    let flat = Tensor::cat(&flat, 1);
    (0..flat.size()[0]).map(|lane| numbers(&flat.get(lane))).collect()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double)).expect("one dimension")
}

/// Random points around `starts`, away by up to 1 in every coordinate.
fn around(starts: &Lanes) -> Lanes {
    let mut stream = Stream::new("points around", &[starts.len() as u64]);
    let mut move_by = |x: &f64| x + 2.0 * stream.uniform() - 1.0;
    starts.iter().map(|start| start.iter().map(&mut move_by).collect()).collect()
}

/// The bits of every number of every lane. NaN is NaN, whichever it is.
fn bits(said: &Said, lane: usize) -> Vec<u64> {
    let all = [said.loss[lane], said.error[lane]].into_iter().chain(said.gradient[lane].iter().copied());
    all.map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect()
}

/// Fails unless two say the same, within `tolerance` of the largest number of its kind in a lane (and of
/// 1 at least: what cancels leaves the rounding of its parts). Returns the largest share.
#[track_caller]
fn assert_near(what: &str, ours: &Said, theirs: &Said, tolerance: f64) -> f64 {
    let mut most = 0.0_f64;
    let parts = |said: &Said, lane: usize| {
        [vec![said.loss[lane]], said.gradient[lane].clone(), vec![said.error[lane]]]
    };
    assert_eq!(ours.loss.len(), theirs.loss.len(), "{what}");
    for lane in 0..ours.loss.len() {
        let names = ["loss", "gradient", "error"];
        for ((ours, theirs), part) in parts(ours, lane).iter().zip(&parts(theirs, lane)).zip(names) {
            assert_eq!(ours.len(), theirs.len(), "{part} of {what}");
            let scale = theirs.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
            for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                let near = (ours - theirs).abs() <= tolerance * scale;
                assert!(near, "{part} {i} of {what}, lane {lane}: {ours:e}, and should be {theirs:e}");
                most = most.max((ours - theirs).abs() / scale);
            }
        }
    }
    most
}
