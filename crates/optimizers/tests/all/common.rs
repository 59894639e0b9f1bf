//! What several tests need: problems, random numbers, and the fused form in a generic float type.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this")]

use std::path::Path;

use numeric::{Float, LANES, Row, Stream, rows};
use optimizers::{Clip, Files, Fusible, Optimizer, OptimizerSpec, Oracle, Stepper, TensorStepper};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

/// An entry from the JSON of its options.
pub fn entry(json: &str) -> Optimizer {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// The fused stepper, where there is one.
pub fn stepper<F: Float>(entry: &Optimizer, rows: usize) -> Option<Box<dyn Stepper<F>>>
where
    dyn OptimizerSpec: Fusible<F>,
{
    <dyn OptimizerSpec as Fusible<F>>::stepper(&**entry, rows)
}

/// The PyTorch programs of `scripts/golden/optimizer_programs.py`.
pub fn files() -> Files {
    Files::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs"))
}

/// An entry from the JSON of its options, with its files read.
pub fn loaded(json: &str) -> Optimizer {
    let mut entry = entry(json);
    entry.load(&mut files()).unwrap_or_else(|message| panic!("{json}: {message}"));
    entry
}

/// Entries at their defaults, at options that take every branch of a rule, and at random valid options.
pub fn variants() -> Vec<Optimizer> {
    let mut all = Optimizer::all();
    all.retain(|optimizer| optimizer.files().is_empty());
    for (index, optimizer) in all.clone().into_iter().enumerate() {
        let mut stream = Stream::new("options", &[index as u64]);
        all.extend((0..2).map(|_| random_options(&optimizer, &mut stream)));
    }
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
            r#"{"adan": {"weight_decay": 0.1}}"#,
            r#"{"ademamix": {"warmup": 20, "weight_decay": 0.1}}"#,
            r#"{"adopt": {"clip": false}}"#,
            r#"{"lion": {"weight_decay": 0.1}}"#,
            r#"{"muon": {"adjust": "match_rms_adamw", "nesterov": false}}"#,
            r#"{"shampoo": {"max_dim": 2}}"#,
            r#"{"soap": {"max_dim": 2, "every": 2}}"#,
            r#"{"psgd_kron": {"max_dim": 2, "flat": 2, "decay": 0.5, "weight_decay": 0.1}}"#,
            r#"{"prodigy": {"beta3": 0.9, "growth_rate": 1.5}}"#,
            r#"{"d_adaptation": {"growth_rate": 1.5}}"#,
            r#"{"sam": {"optimizer": "adam", "adaptive": true}}"#,
            r#"{"lookahead": {"optimizer": "lamb", "k": 2}}"#,
            r#"{"cautious": {"optimizer": "lion"}}"#,
            r#"{"cautious": {"optimizer": {"sam": {"optimizer": {"clipped": {"optimizer": "lamb"}}}}}}"#,
            r#"{"clipped": {"optimizer": "adam", "norm": 0.5, "value": 0.3}}"#,
        ]
        .map(entry),
    );
    all.extend(
        [
            r#"{"program": {"file": "adam.pt2", "options": {"beta1": 0.5}}}"#,
            r#"{"program": {"file": "lion.pt2"}}"#,
            r#"{"program": {"file": "muon.pt2"}}"#,
            r#"{"program": {"file": "shampoo.pt2", "together": true}}"#,
            r#"{"cautious": {"optimizer": {"program": {"file": "shampoo.pt2"}}}}"#,
        ]
        .map(loaded),
    );
    all
}

/// The optimizer at random options, such as its check finds valid.
fn random_options(optimizer: &Optimizer, stream: &mut Stream) -> Optimizer {
    for _ in 0..1000 {
        let options = redrawn(optimizer.options(), stream);
        let drawn: Optimizer = serde_json::from_value(json!({ optimizer.name(): options })).expect("options");
        if drawn.check().is_ok() {
            return drawn;
        }
    }
    panic!("no random options of `{}` are valid", optimizer.name())
}

/// A table of options with every number and switch drawn anew.
pub fn redrawn(mut options: Value, stream: &mut Stream) -> Value {
    for (name, value) in options.as_object_mut().expect("options are a table") {
        let draw = |size: f64, stream: &mut Stream| match stream.below(2) {
            0 => size,
            // Options that are 0 by default are decays, mostly.
            _ if size == 0.0 => 0.1 * stream.uniform(),
            // A decay stays one.
            _ if size < 1.0 => (size * (0.5 + stream.uniform())).min(0.5 + 0.5 * size),
            _ => size * (0.5 + stream.uniform()),
        };
        if value.is_boolean() {
            *value = json!(stream.below(2) == 1);
        } else if let Some(count) = value.as_u64() {
            *value = json!(1 + stream.below(2 * count + 1));
        } else if let Some(size) = value.as_f64() {
            // A denominator of nothing but rounding shows rounding.
            *value = json!(if name == "eps" { size.max(1e-8) } else { draw(size, stream) });
        }
    }
    options
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
    Vec::try_from(tensor.to_kind(Kind::Double).reshape(-1)).expect("a tensor of floats")
}

/// The numbers of one lane, in chunks of `elements` rows.
pub fn lane_of<F: Float>(elements: usize, rows: &[Row<F>], lane: usize) -> Vec<f64> {
    let chunk = &rows[lane / LANES * elements..][..elements];
    chunk.iter().map(|row| row[lane % LANES].to_f64()).collect()
}

/// Rows in chunks of `elements` from a tensor `[lanes, elements]`.
pub fn rows_of<F: Float>(tensor: &Tensor) -> Vec<Row<F>> {
    let (lanes, all) = (tensor.size()[0] as usize, numbers(tensor));
    let elements = all.len() / lanes;
    let mut rows = vec![splat::<F>(0.0); lanes / LANES * elements];
    for (index, x) in all.into_iter().enumerate() {
        let (lane, element) = (index / elements, index % elements);
        rows[lane / LANES * elements + element][lane % LANES] = F::from_f64(x);
    }
    rows
}

/// A problem of the golden trajectories, as `scripts/golden/optimizers.py` has it.
pub struct Problem {
    /// The sizes of its parameters, without the lanes.
    pub shapes: &'static [&'static [i64]],
    /// The loss of every lane.
    pub loss: Box<Loss>,
}

/// A function from parameters `[lanes, …]` to losses `[lanes]`.
pub type Loss = dyn Fn(&[Tensor]) -> Tensor;

/// The problem with this name.
pub fn problem(name: &str) -> Problem {
    match name {
        "quadratic" => Problem { shapes: &[&[2, 3]], loss: Box::new(quadratic) },
        "rosenbrock" => Problem { shapes: &[&[2]], loss: Box::new(rosenbrock) },
        "logistic" => Problem { shapes: &[&[2], &[]], loss: Box::new(logistic) },
        "separable" => Problem { shapes: &[&[2, 2], &[3]], loss: Box::new(separable) },
        "network" => Problem { shapes: &[&[3, 2], &[3], &[3]], loss: Box::new(network) },
        "convolution" => Problem { shapes: &[&[3, 2, 2, 1], &[3]], loss: Box::new(convolution) },
        other => panic!("there is no problem {other}"),
    }
}

impl Problem {
    /// Parameters in the problem's shapes from rows `[lanes, elements]`.
    pub fn unflatten(&self, rows: &Tensor) -> Vec<Tensor> {
        let sizes: Vec<i64> = self.shapes.iter().map(|shape| shape.iter().product()).collect();
        let parts = rows.split_with_sizes(&sizes, 1);
        let shape = |shape: &[i64]| [&[rows.size()[0]], shape].concat();
        parts.iter().zip(self.shapes).map(|(part, s)| part.reshape(shape(s)).contiguous()).collect()
    }

    /// The loss of every lane and its gradients, computed in double precision.
    pub fn evaluate(&self, points: &[Tensor]) -> (Tensor, Vec<Tensor>) {
        let kind = points[0].kind();
        let (loss, gradients) = self.graph(points, false);
        (loss.detach().to_kind(kind), gradients.1.iter().map(|g| g.to_kind(kind)).collect())
    }

    fn graph(&self, points: &[Tensor], again: bool) -> (Tensor, (Vec<Tensor>, Vec<Tensor>)) {
        tch::with_grad(|| {
            let leaf = |p: &Tensor| p.detach().to_kind(Kind::Double).copy().set_requires_grad(true);
            let points: Vec<Tensor> = points.iter().map(leaf).collect();
            let loss = (self.loss)(&points);
            let gradients = Tensor::run_backward(&[loss.sum(Kind::Double)], &points, again, again);
            (loss, (points, gradients))
        })
    }
}

/// What the engine is to an optimizer: answers, and counts what they cost.
pub struct Asked<'a> {
    pub problem: &'a Problem,
    pub clip: Option<Clip>,
    pub loss: Tensor,
    /// Evaluations of each lane besides those of the steps' own gradients.
    pub evaluations: Vec<u64>,
}

impl<'a> Asked<'a> {
    pub fn new(problem: &'a Problem, clip: Option<Clip>, lanes: usize) -> Self {
        Self { problem, clip, loss: Tensor::new(), evaluations: vec![0; lanes] }
    }

    /// A step of the whole optimizer, with its own gradient and its clipping.
    pub fn step(&mut self, stepper: &mut dyn TensorStepper, lr: &Tensor, parameters: &mut [Tensor]) {
        let (loss, mut gradients) = self.problem.evaluate(parameters);
        self.loss = loss;
        if let Some(clip) = self.clip {
            clip.tensors(&mut gradients);
        }
        stepper.step_with(lr, parameters, &gradients, self);
    }
}

impl Oracle for Asked<'_> {
    fn loss(&self) -> Tensor {
        self.loss.shallow_clone()
    }

    fn evaluate(&mut self, points: &[Tensor], asking: &[bool]) -> (Tensor, Vec<Tensor>) {
        assert_eq!(asking.len(), self.evaluations.len());
        for (count, asking) in self.evaluations.iter_mut().zip(asking) {
            *count += u64::from(*asking);
        }
        let (loss, mut gradients) = self.problem.evaluate(points);
        if let Some(clip) = self.clip {
            clip.tensors(&mut gradients);
        }
        (loss, gradients)
    }

    fn hessian_product(&mut self, points: &[Tensor], directions: &[Tensor]) -> Vec<Tensor> {
        self.evaluations.iter_mut().for_each(|count| *count += 1);
        let (_, (leaves, gradients)) = self.problem.graph(points, true);
        let slope = tch::with_grad(|| {
            let products = gradients.iter().zip(directions).map(|(g, v)| (g * v).sum(Kind::Double));
            products.reduce(|a, b| a + b).expect("a problem has parameters")
        });
        let products = Tensor::run_backward(&[slope], &leaves, false, false);
        products.into_iter().zip(points).map(|(product, p)| product.to_kind(p.kind())).collect()
    }
}

fn quadratic(parameters: &[Tensor]) -> Tensor {
    let curvature = Tensor::from_slice(&[1.0, 3.0, 10.0, 30.0, 100.0, 300.0]).reshape([2, 3]);
    let minimizer = Tensor::from_slice(&[0.5, -0.5, 1.0, -1.0, 0.25, 0.0]).reshape([2, 3]);
    let squares: Tensor = curvature * (&parameters[0] - minimizer).square() * 0.5;
    squares.sum_dim_intlist([1, 2].as_slice(), false, None::<Kind>)
}

fn rosenbrock(parameters: &[Tensor]) -> Tensor {
    let (x, y) = (parameters[0].select(1, 0), parameters[0].select(1, 1));
    let valley = y - x.square();
    let gap: Tensor = 1.0 - x;
    gap.square() + 100.0 * valley.square()
}

fn logistic(parameters: &[Tensor]) -> Tensor {
    let x = [-2.0, 1.0, -1.5, -0.5, -1.0, 2.0, -0.5, 0.5, 0.5, -1.0, 1.0, 1.5, 1.5, -2.0, 2.0, 0.0];
    let y = Tensor::from_slice(&[0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
    let x = Tensor::from_slice(&x).reshape([8, 2]);
    let z = parameters[0].matmul(&x.tr()) + parameters[1].unsqueeze(1);
    (z.neg().log_sigmoid().neg() - y * z).mean_dim(1, false, None::<Kind>)
}

fn separable(parameters: &[Tensor]) -> Tensor {
    let p = Tensor::cat(&[parameters[0].flatten(1, 2), parameters[1].shallow_clone()], 1);
    let weights = Tensor::arange_start(1, 8, (Kind::Double, p.device()));
    let each: Tensor = 0.5 * (&p - 1.0).square() + 0.25 * p.pow_tensor_scalar(4);
    (weights * each).sum_dim_intlist(1, false, None::<Kind>)
}

fn network(parameters: &[Tensor]) -> Tensor {
    let x = Tensor::from_slice(&[-1.0, 0.5, 0.5, 1.0, 1.0, -1.0, -0.5, -1.0, 2.0, 0.5]).reshape([5, 2]);
    let y = Tensor::from_slice(&[0.5, -1.0, 0.25, 1.0, -0.5]);
    let [w, b, v] = parameters else { panic!("the network has three parameters") };
    let hidden = (x.matmul(&w.transpose(1, 2)) + b.unsqueeze(1)).tanh();
    (hidden.matmul(&v.unsqueeze(2)).squeeze_dim(2) - y).square().mean_dim(1, false, None::<Kind>)
}

fn convolution(parameters: &[Tensor]) -> Tensor {
    let quarters = |count: i64, times: i64, modulus: i64, shift: f64| -> Tensor {
        let numbers = (Tensor::arange(count, (Kind::Int64, tch::Device::Cpu)) * times).remainder(modulus);
        (numbers.to_kind(Kind::Double) - shift) / 4.0
    };
    // Every place of the kernel over the image is a column of what it meets there.
    let x = quarters(12, 7, 11, 5.0).reshape([2, 3, 2]).unfold(1, 2, 1);
    let x = x.permute([0, 3, 1, 2]).reshape([4, 4]);
    let y = quarters(12, 5, 7, 3.0).reshape([3, 4]);
    let [w, b] = parameters else { panic!("the convolution has two parameters") };
    let outputs = (w.flatten(2, -1).matmul(&x) + b.unsqueeze(2)).tanh();
    (outputs - y).square().mean_dim([1, 2].as_slice(), false, None::<Kind>)
}

/// A row with the same number in every lane.
pub fn splat<F: Float>(value: f64) -> Row<F> {
    rows::splat(F::from_f64(value))
}
