//! What several tests need: problems, random numbers, and the fused form in a generic float type.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this")]

use numeric::{Float, LANES, Row, Stream, rows};
use optimizers::{Entry, Fuse, Optimizer, Stepper};
use tch::Tensor;

/// An entry from the JSON of its options.
pub fn entry(json: &str) -> Optimizer {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// The fused stepper, where there is one.
pub fn stepper<F: Float>(entry: &Optimizer, rows: usize) -> Option<Box<dyn Stepper<F>>>
where
    dyn Entry: Fuse<F>,
{
    <dyn Entry as Fuse<F>>::stepper(&**entry, rows)
}

/// Entries at their defaults and at other options that take every branch of a rule.
pub fn variants() -> Vec<Optimizer> {
    let mut all = Optimizer::all();
    all.extend(
        [
            r#"{"sgd": {"l2": 0.1}}"#,
            r#"{"sgd": {"momentum": 0.8, "dampening": 0.3, "l2": 0.1}}"#,
            r#"{"nesterov": {"l2": 0.1}}"#,
            r#"{"adagrad": {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "l2": 0.1}}"#,
            r#"{"rmsprop": {"momentum": 0.9}}"#,
            r#"{"rmsprop": {"centered": true, "eps": 0.01}}"#,
            r#"{"rmsprop": {"centered": true, "momentum": 0.9, "eps": 0.01, "l2": 0.1}}"#,
            r#"{"adam": {"beta1": 0.5, "eps": 0.01, "l2": 0.1}}"#,
            r#"{"amsgrad": {"beta2": 0.5, "l2": 0.1}}"#,
            r#"{"adamw": {"weight_decay": 0.0}}"#,
            r#"{"adamw": {"beta2": 0.5, "weight_decay": 0.1, "amsgrad": true}}"#,
            r#"{"clipped": {"optimizer": "adam", "norm": 0.5, "value": 0.3}}"#,
        ]
        .map(entry),
    );
    all
}

/// Normal numbers, sixteen in a row.
pub fn normal_rows<F: Float>(stream: &mut Stream, count: usize) -> Vec<Row<F>> {
    (0..count).map(|_| std::array::from_fn(|_| F::from_f64(stream.normal()))).collect()
}

/// A tensor `[lanes, elements]` of rows that come in chunks of `elements`.
pub fn tensor_of<F: Float>(elements: usize, rows: &[Row<F>]) -> Tensor {
    let chunks = rows.len() / elements;
    let flat: Vec<f64> = rows.as_flattened().iter().map(|x| x.to_f64()).collect();
    let [chunks, elements, lanes] = [chunks, elements, LANES].map(|size| i64::try_from(size).expect("small"));
    Tensor::from_slice(&flat)
        .reshape([chunks, elements, lanes])
        .transpose(1, 2)
        .reshape([-1, elements])
        .to_kind(F::KIND)
}

/// The numbers of a tensor.
pub fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(tch::Kind::Double).reshape(-1)).expect("a tensor of floats")
}

/// The numbers of one lane, in chunks of `elements` rows.
pub fn lane_of<F: Float>(elements: usize, rows: &[Row<F>], lane: usize) -> Vec<f64> {
    let chunk = &rows[lane / LANES * elements..][..elements];
    chunk.iter().map(|row| row[lane % LANES].to_f64()).collect()
}

/// A problem of the golden trajectories: where it starts, in which shapes, and its gradient.
pub struct Problem {
    /// The sizes of its parameters, without the lanes.
    pub shapes: &'static [&'static [i64]],
    /// Its gradient at a point.
    pub gradient: fn(&[f64]) -> Vec<f64>,
}

/// The problem with this name in `scripts/golden/optimizers.py`.
pub fn problem(name: &str) -> Problem {
    match name {
        "quadratic" => Problem { shapes: &[&[2, 3]], gradient: quadratic },
        "rosenbrock" => Problem { shapes: &[&[2]], gradient: rosenbrock },
        "logistic" => Problem { shapes: &[&[2], &[]], gradient: logistic },
        other => panic!("there is no problem {other}"),
    }
}

fn quadratic(w: &[f64]) -> Vec<f64> {
    let curvature = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0];
    let minimiser = [0.5, -0.5, 1.0, -1.0, 0.25, 0.0];
    (0..6).map(|i| curvature[i] * (w[i] - minimiser[i])).collect()
}

fn rosenbrock(p: &[f64]) -> Vec<f64> {
    let valley = p[1] - p[0] * p[0];
    vec![-2.0 * (1.0 - p[0]) - 400.0 * p[0] * valley, 200.0 * valley]
}

fn logistic(p: &[f64]) -> Vec<f64> {
    let points = [
        ([-2.0, 1.0], 0.0),
        ([-1.5, -0.5], 0.0),
        ([-1.0, 2.0], 1.0),
        ([-0.5, 0.5], 0.0),
        ([0.5, -1.0], 1.0),
        ([1.0, 1.5], 0.0),
        ([1.5, -2.0], 1.0),
        ([2.0, 0.0], 1.0),
    ];
    let mut gradient = vec![0.0; 3];
    for (x, y) in points {
        let z = x[0] * p[0] + x[1] * p[1] + p[2];
        let error = (1.0 / (1.0 + (-z).exp()) - y) / points.len() as f64;
        for (slope, input) in gradient.iter_mut().zip([x[0], x[1], 1.0]) {
            *slope += error * input;
        }
    }
    gradient
}

/// A row with the same number in every lane.
pub fn splat<F: Float>(value: f64) -> Row<F> {
    rows::splat(F::from_f64(value))
}
